# SPDX-License-Identifier: LGPL-3.0
"""``flux-jobdb backup``."""

from __future__ import annotations

import json

import click

from cli.options import database_path, db_option, progress


@click.command(epilog="Example: flux-jobdb backup /backup/jobs-$(date +%F).sqlite")
@db_option
@click.option("--json", "as_json", is_flag=True, help="The report as a JSON object.")
@click.argument("file")
def command(file: str, as_json: bool) -> None:
    """Copy the database, as it is at this moment, into FILE, and verify the copy.

    Others may write meanwhile. FILE must not exist. To restore, put FILE in the database's
    place while nobody writes, and ingest or follow the journal again: what came after the
    backup is filled in.
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
        click.echo(json.dumps(report))
        return
    click.echo("{file}: {events} events in {batches} batches, {bytes} bytes".format(**report))
    click.echo(f"head {report['head']}")
