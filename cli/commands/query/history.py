# SPDX-License-Identifier: LGPL-3.0
"""``flux-jobdb history``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cli.database import reading
from cli.options import JobId, db_option
from cli.output.streams import say
from projections.job.clock import comparable
from projections.notation.timespec import format_moment

if TYPE_CHECKING:
    import apsw

    from eventstore.events.records import Record

__all__ = ["command"]


@click.command(epilog="Example: flux-jobdb history f2poFkQF")
@db_option
@click.option("--local", is_flag=True, help="Local times, with their zone.")
@click.option("--nodes", is_flag=True, help="What became of its nodes, too.")
@click.argument("jobid", type=JobId(), metavar="JOBID")
def command(jobid: int, local: bool, nodes: bool) -> None:
    """Show a job's events: when (in UTC), seconds since it was submitted, name, context.

    Events that only a backlog showed are marked with *: the job manager may have changed
    their contexts since. If several streams have a job of this id, all are shown.
    With --nodes, what became of the job's nodes follows, from a minute before it had them to an
    hour after it ended.
    """
    from eventstore.errors import StoreError  # noqa: PLC0415
    from eventstore.reading import event_log  # noqa: PLC0415
    from projections.notation.jobid import encode  # noqa: PLC0415

    with reading() as store, store.snapshot() as db:
        keys = event_log.keys(db, jobid)
        if not keys:
            raise StoreError(
                f"{encode(jobid)}: no such job here; `flux-jobdb list -a` shows jobs"
            )
        for key in reversed(keys):
            records = event_log.job_records(db, key)
            if len(keys) > 1:
                say(f"{encode(jobid)}, stream {records[0].stream}:")
            for record in records:
                say(_line(record, records[0].entry.timestamp, local=local))
            for seq, time in event_log.purges_of(db, [key], event_log.head(db)).get(key, ()):
                when = format_moment(time, local=local)
                say(f"{when} {'':>11}  (purged by the job manager, notice {seq})")
            if nodes:
                _say_nodes(db, key, local=local)


def _say_nodes(db: apsw.Connection, key: int, *, local: bool) -> None:
    from eventstore.reading import event_log  # noqa: PLC0415
    from projections.engine.fold_batch import refold  # noqa: PLC0415
    from projections.node_queries.around_job import around  # noqa: PLC0415

    job = refold(db, key, event_log.head(db))
    for one in [] if job is None else around(db, job):
        begun = format_moment(one.begun, local=local)
        to = "" if one.to is None else f" until {format_moment(one.to, local=local)}"
        reason = f" {one.reason}" if one.reason else ""
        say(f"{begun} {'':>11}  {one.host} {one.kind}{to}{reason}")


def _line(record: Record, start: float, *, local: bool) -> str:
    entry = record.entry
    context = (entry.context or b"").decode()
    mark = "*" if record.replayed else " "
    since = f"{entry.timestamp - start:+.6f}"
    offset = since if comparable(start, entry.timestamp) or entry.timestamp < start else "-"
    when = format_moment(entry.timestamp, local=local)
    return f"{when} {offset:>11} {mark}{entry.name} {context}".rstrip()
