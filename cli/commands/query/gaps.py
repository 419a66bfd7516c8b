# SPDX-License-Identifier: LGPL-3.0
"""``flux-jobdb gaps``."""

from __future__ import annotations

import json
from datetime import datetime, timezone

import click

from cli.database import database_path
from cli.options import db_option

__all__ = ["command"]


@click.command(epilog="Example: flux-jobdb gaps --json | jq -r .kind | sort | uniq -c")
@db_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def command(as_json: bool) -> None:
    """List what is missing from the database: kind, job, from, to (UTC), and why.

    "-" means: no single job, since the beginning, or until now. Everything else is complete.
    """
    from cli.flux_jobs.jobid import encode  # noqa: PLC0415
    from eventstore.reading.gaps import gaps  # noqa: PLC0415
    from eventstore.storage.connection import open_readonly  # noqa: PLC0415

    path = database_path()
    with open_readonly(path) as store, store.snapshot() as db:
        for gap in gaps(db, path):
            if as_json:
                click.echo(json.dumps(gap._asdict()))
                continue
            job = "-" if gap.jobid is None else encode(gap.jobid % 2**64)
            times = f"{_time(gap.since):<27} {_time(gap.until):<27}"
            click.echo(f"{gap.kind:<9} {job:>14} {times} {gap.why}")


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    try:
        return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    except (ValueError, OverflowError, OSError):
        return repr(seconds)
