# SPDX-License-Identifier: LGPL-3.0
"""``flux-jobdb rebuild``."""

from __future__ import annotations

import os

import click

from cli.options import database_path, db_option, progress


@click.command(epilog="Example: flux-jobdb rebuild inactive")
@db_option
@click.argument("names", nargs=-1, metavar="[NAME]...")
def command(names: tuple[str, ...]) -> None:
    """Make views anew from the events: the named ones, or all.

    The old views answer until the new ones are complete. A rebuild that was interrupted
    goes on where it stopped when the same is asked for again.
    """
    from eventstore.storage.connection import create_or_open, open_readonly  # noqa: PLC0415
    from projections.engine.rebuild import rebuild  # noqa: PLC0415
    from projections.engine.views import Views  # noqa: PLC0415

    path = database_path()
    open_readonly(path).close()  # what is not there is not made
    with create_or_open(path) as store:
        views = Views(store)
        with progress("rebuilding") as advance:
            done = rebuild(views, names, advance, processes=min(os.cpu_count() or 1, 4))
    click.echo(f"rebuilt: {', '.join(done)}")
