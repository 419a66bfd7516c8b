# SPDX-License-Identifier: LGPL-3.0
"""``flux-jobdb events``."""

from __future__ import annotations

import sys

import click

from cli.database import reading
from cli.options import JobId, db_option

__all__ = ["command"]


@click.command(epilog="Example: flux-jobdb events --jobid f2poFkQF --raw")
@db_option
@click.option("--jobid", type=JobId(), help="Only events of this job.")
@click.option(
    "--after", type=int, default=0, metavar="SEQ", help="Only events with a larger seq."
)
@click.option("--raw", is_flag=True, help="Exactly the bytes that came, one event a line.")
def command(jobid: int | None, after: int, raw: bool) -> None:
    """Print the stored events in the order of their seq.

    Each line has seq, job id and the event; with --raw the event alone. Those of the resource
    journal have "resource" in place of a job id.
    """
    from eventstore.events.records import Record  # noqa: PLC0415
    from eventstore.events.resource_notices import EVENT  # noqa: PLC0415
    from eventstore.reading import event_log  # noqa: PLC0415
    from projections.notation.jobid import encode  # noqa: PLC0415

    out = sys.stdout.buffer
    with reading() as store, store.snapshot() as db:
        found = (
            event_log.records(db, after)
            if jobid is None
            else event_log.of_jobid(db, jobid, after)
        )
        for record in found:
            if isinstance(record, Record):
                name = encode(record.jobid) if record.jobid >= 0 else str(record.jobid)
                text = record.entry.data
            elif record.kind == EVENT:
                name, text = EVENT, record.data
            else:
                continue
            if not raw:
                out.write(f"{record.seq} {name} ".encode())
            out.write(text + b"\n")
