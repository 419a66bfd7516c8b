# SPDX-License-Identifier: LGPL-3.0
"""``flux-jobdb sql``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from cli.database import database_path, reading
from cli.options import db_option
from cli.output.streams import read_text, say

if TYPE_CHECKING:
    import apsw

__all__ = ["command"]

GUEST = 2  # the role USER of RFC 12, without that of the owner


@click.command(
    epilog="Example: flux-jobdb sql 'SELECT result, count(*) FROM jobs GROUP BY result'"
)
@db_option
@click.option("--json", "form", flag_value="json", help="One JSON object a line.")
@click.option("--csv", "form", flag_value="csv", help="CSV with a heading (RFC 4180).")
@click.option("--userid", type=int, help="Answer as to this user, not the instance's owner.")
@click.option("--config", metavar="FILE", help="The instance's configuration (TOML).")
@click.option("--instance", is_flag=True, help="Ask the job-list of the Flux instance.")
@click.argument("query", required=False)
def command(
    form: str | None, userid: int | None, config: str | None, instance: bool, query: str | None
) -> None:
    """Ask in SQL: read-only, over the views that docs/sql.md describes.

    QUERY is one statement, or - for standard input. Without it, on a terminal: a SQL shell.
    """
    if userid is None and config is not None:
        raise click.UsageError("--config counts with --userid only")
    if userid is not None and query is None:
        raise click.UsageError("--userid needs a QUERY: the shell shows all of the database")
    if instance:
        if query is None or userid is not None:
            raise click.UsageError("--instance needs a QUERY, and asks as who you are")
        _print_of_instance(_text(query), form or "table")
        return
    terminal = sys.stdin.isatty() and sys.stdout.isatty()
    if query is None and not terminal:
        raise click.UsageError("give a QUERY: without one, the shell needs a terminal")
    with reading() as store, store.snapshot() as db:
        _check_views(db)
        if userid is not None:
            _print_for(db, _text(query), form or "table", userid, config)
            return
        _register(db)
        if query is None:
            from cli.sql.shell import Shell  # noqa: PLC0415

            Shell(db).cmdloop("flux-jobdb: read only; .help, .schema jobs, .quit\n")  # type: ignore[no-untyped-call]
        else:
            _print(db, _text(query), form or "table")


def _text(query: str | None) -> str:
    return read_text("a statement") if query == "-" else str(query)


def _check_views(db: apsw.Connection) -> None:
    """Raise StoreError if the views are another version's: they could not be replaced."""
    from eventstore.errors import StoreError  # noqa: PLC0415
    from projections.public.schema import is_published  # noqa: PLC0415

    if not is_published(db):
        raise StoreError(
            f"{database_path()}: its views are those of another version; run any command where "
            "it may be written, to have them replaced"
        )


def _register(db: apsw.Connection) -> None:
    from projections.sql.functions import add, register, user_name  # noqa: PLC0415

    register(db)
    add(db, user_name)


def _print(db: apsw.Connection, query: str, form: str) -> None:
    from cli.sql.formats import FORMATS  # noqa: PLC0415
    from projections.sql.statement import run  # noqa: PLC0415

    FORMATS[form](run(db, query))


def _print_of_instance(query: str, form: str) -> None:
    """Ask the service, with the method job-list.sql."""
    from cli.instance import connected  # noqa: PLC0415
    from cli.sql.formats import FORMATS  # noqa: PLC0415
    from cli.sql.instance import Remote  # noqa: PLC0415

    remote = Remote(connected(), query)
    FORMATS[form](remote.found)
    if remote.truncated:
        _say_cut()


def _say_cut() -> None:
    from joblist.sql.limits import Limits  # noqa: PLC0415

    say(f"warning: output ends at {Limits().rows} rows, or where it is too long", err=True)


def _print_for(
    db: apsw.Connection, query: str, form: str, userid: int, config: str | None
) -> None:
    """Answer as a guest is answered."""
    from cli.sql.formats import FORMATS  # noqa: PLC0415
    from joblist.config import from_tables, read_tables  # noqa: PLC0415
    from joblist.protocol.requests import Credential  # noqa: PLC0415
    from joblist.sql.guest import answer  # noqa: PLC0415
    from joblist.sql.limits import Limits  # noqa: PLC0415
    from joblist.sql.visible import of  # noqa: PLC0415

    guest = Credential(userid, GUEST)
    settings = from_tables({} if config is None else read_tables(config))
    found, cut = answer(db, query, of(db, settings, guest), Limits())
    FORMATS[form](found)
    if cut():
        _say_cut()
