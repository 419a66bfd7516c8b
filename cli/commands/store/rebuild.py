# SPDX-License-Identifier: LGPL-3.0
"""``flux-jobdb rebuild``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.database import database_path, tell_once
from cli.options import db_option
from cli.output.streams import say
from cli.progress import progress

if TYPE_CHECKING:
    from projections.engine.rebuild import Progress
    from projections.engine.views import Views

__all__ = ["command"]

_Work = Callable[["Views", tuple[str, ...], "Progress"], list[str]]


@click.command(epilog="Example: flux-jobdb rebuild inactive")
@db_option
@click.option("--spark", type=(str, str), metavar="MASTER LAKE",
              help="Have Spark fold the files of a lake (extra `spark`).")  # fmt: skip
@click.option("--to", metavar="PATH", help="With --spark: the database; default as --db.")
@click.argument("names", nargs=-1, metavar="[NAME]...")
def command(names: tuple[str, ...], spark: tuple[str, str] | None, to: str | None) -> int:
    """Rebuild views from the events: the named ones, or all.

    The old views are used until the new ones are complete. An interrupted rebuild is resumed
    by the same command. A site's projection that failed is tried again; exit status 1 where
    one fails.

    With --spark, the events are those of a lake that `export` made of the database, or that
    the database was made of. MASTER is as Spark has it: local[4], spark://HOST:PORT. Such a
    rebuild begins anew when it was interrupted.
    """
    from eventstore.storage.connection import create_or_open, open_readonly  # noqa: PLC0415
    from projections.engine.views import Views  # noqa: PLC0415

    if to is not None and spark is None:
        raise click.UsageError("--to goes with --spark; --db names the database")
    work = _here if spark is None else _by_spark(*spark)
    path = to or database_path()
    open_readonly(path).close()  # fails where there is no database: none is to be created
    with create_or_open(path) as store:
        views = Views(store)
        views.tell(tell_once)
        with progress("rebuilding") as advance:
            done = work(views, names, advance)
        wanted = names or [projection.name for projection in views.projections]
    if done:
        say(f"rebuilt: {', '.join(done)}")
    return 0 if set(wanted) == set(done) else 1


def _here(views: Views, names: tuple[str, ...], advance: Progress) -> list[str]:
    from eventstore.bulk_work import default_processes  # noqa: PLC0415
    from projections.engine.rebuild import rebuild  # noqa: PLC0415

    return rebuild(views, names, advance, processes=default_processes())


def _by_spark(master: str, lake: str) -> _Work:
    """Return what rebuilds by Spark; raises StoreError where that is not there."""
    from cli.commands.store.export import lake_extra  # noqa: PLC0415
    from lake.spark_session import spark_at  # noqa: PLC0415

    with lake_extra():
        from lake.filling import fill  # noqa: PLC0415
    engine = spark_at(master)

    def work(views: Views, names: tuple[str, ...], advance: Progress) -> list[str]:
        return fill(views, Path(lake).resolve(), names, engine, advance)

    return work
