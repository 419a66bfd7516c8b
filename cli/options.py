# SPDX-License-Identifier: LGPL-3.0
"""What commands share: which database, arguments that Flux's users know, progress."""

from __future__ import annotations

import gc
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from eventstore.storage.connection import Store
    from projections.engine.views import Views

_F = TypeVar("_F", bound=Callable[..., Any])
_PATIENCE = 1.0  # seconds that work may take before it shows its progress


def _remember(ctx: click.Context, _: click.Parameter, value: str | None) -> None:
    if value is not None:
        ctx.obj = value


db_option = click.option(
    "--db",
    metavar="PATH",
    expose_value=False,
    callback=_remember,
    help="The database [$FLUX_JOBDB, else ./jobdb.sqlite].",
)


class JobId(click.ParamType["int"]):
    """A job id in any form that Flux takes."""

    name = "JOBID"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """Return the id as a number."""
        from cli.flux_jobs.jobid import parse  # noqa: PLC0415

        try:
            return value if isinstance(value, int) else parse(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Time(click.ParamType["float"]):
    """A moment: seconds since the epoch, ISO 8601, or what `flux jobs --since` takes."""

    name = "TIME"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return seconds since the epoch."""
        from cli.flux_jobs.timespec import parse_time  # noqa: PLC0415

        try:
            return (
                value if isinstance(value, float) else parse_time(str(value), now=time.time())
            )
        except ValueError as error:
            self.fail(str(error), param, ctx)


def database_path() -> str:
    """Return the database that is meant.

    That is --db, else $FLUX_JOBDB, else the database of the instance, else ./jobdb.sqlite.
    """
    from cli.instance import database_of_instance  # noqa: PLC0415

    given: str | None = click.get_current_context().obj
    named = given or os.environ.get("FLUX_JOBDB")
    return named or database_of_instance() or "jobdb.sqlite"


@contextmanager
def writing() -> Iterator[tuple[Store, Views]]:
    """Open the database for appending, with views that are up to date."""
    from eventstore.storage.connection import create_or_open  # noqa: PLC0415
    from projections.engine.rebuild import refresh  # noqa: PLC0415
    from projections.engine.views import Views  # noqa: PLC0415

    # A batch makes many objects, none of which is garbage before it is stored.
    gc.set_threshold(200_000, 10, 10)
    with create_or_open(database_path()) as store:
        views = Views(store)
        with progress("rebuilding views") as advance:
            refresh(views, advance)
        yield store, views


@contextmanager
def reading() -> Iterator[Store]:
    """Open the database for reading; views of another version are rebuilt first.

    Where somebody else writes, or nobody may, the views answer as they are.
    """
    from eventstore.errors import Locked, StoreError  # noqa: PLC0415
    from eventstore.storage.connection import open_readonly  # noqa: PLC0415
    from projections.definitions.interface import installed  # noqa: PLC0415
    from projections.engine.views import stale  # noqa: PLC0415

    path = database_path()
    with open_readonly(path) as store:
        with store.snapshot() as db:
            old = stale(db, installed())
        if old and os.access(path, os.W_OK):
            try:
                with writing():
                    pass
            except Locked:
                click.echo(f"flux-jobdb: {path}: views are being made anew", err=True)
            except StoreError as error:
                click.echo(f"flux-jobdb: views are not up to date: {error}", err=True)
        yield store


@contextmanager
def progress(label: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar for work that takes longer than a second, on a terminal only.

    Yields a function that is told (done, total).
    """
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    started = time.monotonic()
    bar: Any = None

    def advance(done: int, total: int) -> None:
        nonlocal bar
        if bar is None and time.monotonic() - started > _PATIENCE:
            bar = click.progressbar(length=total, label=label, file=sys.stderr)
            bar.__enter__()
        if bar is not None:
            bar.length = total
            bar.update(done - bar.pos)

    try:
        yield advance
    finally:
        if bar is not None:
            bar.render_finish()
