# SPDX-License-Identifier: LGPL-3.0
"""``flux-jobdb gaps``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from cli.database import database_path
from cli.options import db_option
from cli.output.streams import say
from projections.notation.jobid import encode
from projections.notation.timespec import format_moment

if TYPE_CHECKING:
    from eventstore.reading.gaps import Gap

__all__ = ["command"]


@click.command(epilog="Example: flux-jobdb gaps --json | jq -r .kind | sort | uniq -c")
@db_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.option("--local", is_flag=True, help="Local times, with their zone.")
def command(as_json: bool, local: bool) -> None:
    """List what is missing from the database: kind, job, from, to (in UTC), and why.

    "-" means: no single job, since the beginning, or until now. Everything else is complete.
    """
    from eventstore.reading.gaps import gaps  # noqa: PLC0415
    from eventstore.storage.connection import open_readonly  # noqa: PLC0415

    path = database_path()
    with open_readonly(path) as store, store.snapshot() as db:
        for gap in gaps(db, path):
            jobid = None if gap.jobid is None else gap.jobid % 2**64
            name = None if jobid is None else encode(jobid)
            if as_json:
                times = {"since": gap.since, "until": gap.until}
                row = {"kind": gap.kind, "id": jobid, "jobid": name, **times, "why": gap.why}
                say(json.dumps(row))
            else:
                say(_line(gap, name or "-", local=local))


def _line(gap: Gap, job: str, *, local: bool) -> str:
    since, until = (
        "-" if time is None else format_moment(time, local=local)
        for time in (gap.since, gap.until)
    )
    width = 32 if local else 27
    return f"{gap.kind:<9} {job:>14} {since:<{width}} {until:<{width}} {gap.why}"
