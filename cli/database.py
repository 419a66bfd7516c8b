# SPDX-License-Identifier: LGPL-3.0
"""The database that a command works on: which one it is, and opening it with current views."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

import click

from cli.options import Invocation
from cli.output.streams import say
from cli.progress import progress

if TYPE_CHECKING:
    from eventstore.storage.connection import Store
    from projections.engine.views import Views

__all__ = ["being_rebuilt", "database_path", "reading", "tell_once", "writing"]


def database_path() -> str:
    """Return the path: --db, else $FLUX_JOBDB, else the instance's, else ./jobdb.sqlite."""
    from cli.instance import database_of_instance  # noqa: PLC0415

    invocation = click.get_current_context().find_object(Invocation)
    given = invocation.db if invocation is not None else None
    if given == "":
        raise click.UsageError("--db is empty: name a database")
    named = given or os.environ.get("FLUX_JOBDB")
    return named or database_of_instance() or "jobdb.sqlite"


def being_rebuilt(path: str) -> str:
    """Return the words for a database whose views are not current yet."""
    return f"{path}: views are being rebuilt by another process"


@cache
def tell_once(message: str) -> None:
    """Print a message on standard error, once: with --follow, it would come each second."""
    say(f"flux-jobdb: {message}", err=True)


@contextmanager
def writing() -> Iterator[tuple[Store, Views]]:
    """Open the database for writing, with current views; it is created where there is none.

    Raises StoreError (Locked where another process writes it).
    """
    from eventstore.storage.connection import create_or_open  # noqa: PLC0415
    from projections.engine.rebuild import refresh  # noqa: PLC0415
    from projections.engine.views import Views  # noqa: PLC0415
    from projections.node_queries.settle import settle  # noqa: PLC0415

    # A batch allocates many objects and frees none before it is committed: collecting
    # garbage meanwhile costs time and finds nothing.
    gc.set_threshold(200_000, 10, 10)
    with create_or_open(database_path()) as store:
        views = Views(store)
        views.tell(tell_once)
        with progress("rebuilding views") as advance:
            refresh(views, advance)
        yield store, views
        with store.transaction() as db:
            settle(db)


@contextmanager
def reading() -> Iterator[Store]:
    """Open the database for reading; views of another version are rebuilt first.

    Where another process writes it, or the file is read-only, the views are used as they
    are, and a line on standard error says so.
    """
    from eventstore.errors import Locked, StoreError  # noqa: PLC0415
    from eventstore.storage.connection import open_readonly  # noqa: PLC0415
    from projections.definitions.registry import installed  # noqa: PLC0415
    from projections.engine.views import stale, unsettled  # noqa: PLC0415

    path = database_path()
    with open_readonly(path) as store:
        with store.snapshot() as db:
            attention = unsettled(db)
            old = bool(stale(db, installed()))
        if attention and os.access(path, os.W_OK):
            try:
                with writing():
                    pass
            except Locked:
                if old:
                    tell_once(being_rebuilt(path))
            except StoreError as error:
                tell_once(f"views are not up to date: {error}")
        yield store
