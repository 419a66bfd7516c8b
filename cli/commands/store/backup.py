# SPDX-License-Identifier: LGPL-3.0
"""``flux-jobdb backup``."""

from __future__ import annotations

import json

import click

from cli.database import database_path
from cli.options import db_option
from cli.output.streams import say
from cli.progress import progress

__all__ = ["command"]


@click.command(epilog="Example: flux-jobdb backup /backup/jobs-$(date +%F).sqlite")
@db_option
@click.option("--json", "as_json", is_flag=True, help="The report as a JSON object.")
@click.argument("file")
def command(file: str, as_json: bool) -> None:
    """Copy the database, as it is at this moment, into FILE, and verify the copy.

    The database may be written meanwhile. FILE must not exist. To restore, put FILE in the
    database's place while no process writes it, and ingest or follow the journal again: that
    adds the events that came after the backup.
    """
    from eventstore.maintenance.backup import backup  # noqa: PLC0415
    from eventstore.storage.connection import open_readonly  # noqa: PLC0415

    with open_readonly(database_path()) as store, progress("copying") as advance:
        done = backup(store, file, advance)
    report = {
        "file": file,
        "bytes": done.size,
        "batches": done.verified.batches,
        "events": done.verified.events,
        "head": done.verified.head.hex(),
    }
    if as_json:
        say(json.dumps(report))
        return
    say("{file}: {events} events in {batches} batches, {bytes} bytes".format(**report))
    say(f"head {report['head']}")
