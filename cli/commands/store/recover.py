# SPDX-License-Identifier: LGPL-3.0
"""``flux-jobdb recover``."""

from __future__ import annotations

import click

from cli.database import database_path, tell_once
from cli.main import REJECTED
from cli.options import db_option
from cli.output.streams import say
from cli.progress import progress

__all__ = ["command"]

_MOST_LINES = 100


@click.command(epilog="Example: flux-jobdb --db jobs.sqlite recover --to new.sqlite")
@db_option
@click.option("--to", required=True, metavar="NEW", help="The database to create.")
def command(to: str) -> int:
    """Copy what can be read of a damaged database into a new one.

    Events keep their bytes and their order. Losses are listed on standard error, and the exit
    status is 3: ingest the same journals again, or follow the instance's journal, to fill the
    gaps. The damaged files are not changed.
    """
    from eventstore.maintenance.recover import recover  # noqa: PLC0415
    from eventstore.storage.connection import create_or_open  # noqa: PLC0415
    from projections.engine.rebuild import refresh  # noqa: PLC0415
    from projections.engine.views import Views  # noqa: PLC0415
    from projections.queries.job_ids import JOB_IDS  # noqa: PLC0415

    path = database_path()
    with progress("recovering") as advance:
        found = recover(path, to, advance, job_ids=JOB_IDS)
    with create_or_open(to) as store, progress("building views") as advance:
        views = Views(store)
        views.tell(tell_once)
        refresh(views, advance)
    for loss in found.losses[:_MOST_LINES]:
        say(f"lost: {loss}", err=True)
    if len(found.losses) > _MOST_LINES:
        say(f"lost: {len(found.losses) - _MOST_LINES} more", err=True)
    say(f"{to}: {found.events} events saved, {len(found.losses)} losses")
    say(f"head {found.head.hex()}")
    return REJECTED if found.losses else 0
