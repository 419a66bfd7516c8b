# SPDX-License-Identifier: LGPL-3.0
"""``flux-jobdb stats``."""

from __future__ import annotations

import json
from pathlib import Path

import click

from cli.database import database_path
from cli.options import db_option

__all__ = ["command"]

_COUNTS = {
    "jobs": "SELECT count(*) FROM job",
    "events": "SELECT count(*) FROM event",
    "jobspecs": "SELECT count(*) FROM jobspec",
    "Rs": "SELECT count(*) FROM R",
    "batches": "SELECT count(*) FROM batch",
    "rejects": "SELECT count(*) FROM reject",
    "purges": "SELECT count(*) FROM notice WHERE kind = 'purge'",
    "boots": "SELECT count(*) FROM notice WHERE kind = 'boot'",
    "sources": "SELECT count(*) FROM source",
    "sources_unfinished": "SELECT count(*) FROM source WHERE ended IS NULL",
    "first_event": "SELECT timestamp FROM event ORDER BY seq LIMIT 1",
    "last_event": "SELECT timestamp FROM event ORDER BY seq DESC LIMIT 1",
}


@click.command(epilog="Example: flux-jobdb stats --json | jq .events")
@db_option
@click.option("--json", "as_json", is_flag=True, help="A JSON object.")
def command(as_json: bool) -> None:
    """Show counts, sizes in bytes, times in seconds since the epoch.

    Gaps are counted by kind; `flux-jobdb gaps` lists them.
    """
    from eventstore.reading.gaps import counts  # noqa: PLC0415
    from eventstore.storage.connection import open_readonly  # noqa: PLC0415
    from eventstore.storage.sql import value  # noqa: PLC0415

    path = database_path()
    with open_readonly(path) as store, store.snapshot() as db:
        found = {name: value(db, sql) for name, sql in _COUNTS.items()}
        found |= {f"gaps_{kind}": count for kind, count in counts(db, path).items()}
    for name, suffix in (("bytes", ""), ("wal_bytes", "-wal")):
        file = Path(path + suffix)
        found[name] = file.stat().st_size if file.exists() else 0
    if as_json:
        click.echo(json.dumps(found))
        return
    for name, number in found.items():
        click.echo(f"{name:<20} {'-' if number is None else number}")
