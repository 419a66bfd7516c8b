# SPDX-License-Identifier: LGPL-3.0
"""``flux-jobdb rebuild``."""

from __future__ import annotations

import os

import click

from cli.database import database_path, tell_once
from cli.options import db_option
from cli.output.streams import say
from cli.progress import progress

__all__ = ["command"]


@click.command(epilog="Example: flux-jobdb rebuild inactive")
@db_option
@click.argument("names", nargs=-1, metavar="[NAME]...")
def command(names: tuple[str, ...]) -> int:
    """Rebuild views from the events: the named ones, or all.

    The old views are used until the new ones are complete. An interrupted rebuild is resumed
    by the same command. A site's projection that failed is tried again; exit status 1 where
    one fails.
    """
    from eventstore.storage.connection import create_or_open, open_readonly  # noqa: PLC0415
    from projections.engine.rebuild import rebuild  # noqa: PLC0415
    from projections.engine.views import Views  # noqa: PLC0415

    path = database_path()
    open_readonly(path).close()  # fails where there is no database: none is to be created
    with create_or_open(path) as store:
        views = Views(store)
        views.tell(tell_once)
        with progress("rebuilding") as advance:
            done = rebuild(views, names, advance, processes=min(os.cpu_count() or 1, 4))
        wanted = names or [projection.name for projection in views.projections]
    if done:
        say(f"rebuilt: {', '.join(done)}")
    return 0 if set(wanted) == set(done) else 1
