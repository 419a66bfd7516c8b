# SPDX-License-Identifier: LGPL-3.0
"""``flux-jobdb why``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cli.database import reading
from cli.options import JobId, db_option
from cli.output.streams import say
from projections.notation.timespec import format_moment

if TYPE_CHECKING:
    from eventstore.events.records import Record
    from projections.job.state import Job
    from projections.node_queries.history import NodeInterval

__all__ = ["command"]

_SHOWING = frozenset(("exception", "finish", "clean", "alloc"))
_MOST_NODES = 5  # that the paragraph names


@click.command(epilog="Example: flux-jobdb why f2poFkQF")
@db_option
@click.option("--local", is_flag=True, help="Local times, with their zone.")
@click.argument("jobid", type=JobId(), metavar="JOBID")
def command(jobid: int, local: bool) -> int:
    """Say in a paragraph how a job ended: its exception, and what became of its nodes.

    Below it stand the events that say so.
    """
    from eventstore.errors import StoreError  # noqa: PLC0415
    from eventstore.reading import event_log  # noqa: PLC0415
    from projections.engine.fold_batch import refold  # noqa: PLC0415
    from projections.node_queries.around_job import cause  # noqa: PLC0415
    from projections.notation.jobid import encode  # noqa: PLC0415

    with reading() as store, store.snapshot() as db:
        keys = event_log.keys(db, jobid)
        job = refold(db, keys[0], event_log.head(db)) if keys else None
        if job is None:
            raise StoreError(
                f"{encode(jobid)}: no such job here; `flux-jobdb list -a` shows jobs"
            )
        nodes = cause(db, job)
        records = event_log.job_records(db, keys[0])
    sentences = [*_of_job(job, encode(jobid), local=local), *_of_nodes(nodes, local=local)]
    say(" ".join(sentences))
    for record in records:
        if record.entry.name in _SHOWING:
            say(_event(record, local=local))
    for one in nodes:
        say(f"  {format_moment(one.begun, local=local)} {one.kind} {one.host}")
    return 0


def _of_job(job: Job, name: str, *, local: bool) -> list[str]:
    from projections.job.state import INACTIVE, RESULTS  # noqa: PLC0415

    where = f" on {job.nodelist}" if job.t_run and job.nodelist else ""
    if job.state != INACTIVE:
        return [f"Job {name} has not ended{where and f'; it runs{where}'}."]
    result = next((one.key for one in RESULTS if one.mask == job.result), "unknown")
    when = format_moment(job.t_inactive, local=local)
    ran = (
        f"it ran{where} for {job.t_cleanup - job.t_run:.1f} s" if job.t_run else "it never ran"
    )
    found = [f"Job {name} ended as {result} at {when}: {ran}."]
    if job.exception_occurred:
        note = f": {job.exception_note}" if job.exception_note else ""
        severity = f"(severity {job.exception_severity})"
        found.append(f"It had an exception of type {job.exception_type} {severity}{note}.")
    if job.wait_status > 0:
        found.append(f"{_status(job.wait_status)}.")
    return found


def _status(status: int) -> str:
    signal = status & 0x7F
    return f"Its tasks ended by signal {signal}" if signal else (
        f"Its tasks ended with exit code {status >> 8}"
    )  # fmt: skip


def _of_nodes(nodes: list[NodeInterval], *, local: bool) -> list[str]:
    found = []
    for one in nodes[:_MOST_NODES]:
        begun = format_moment(one.begun, local=local)
        until = "" if one.to is None else f" until {format_moment(one.to, local=local)}"
        reason = f" ({one.reason})" if one.reason else ""
        found.append(f"{one.host} was {one.kind} from {begun}{until}{reason}.")
    if len(nodes) > _MOST_NODES:
        found.append(f"{len(nodes) - _MOST_NODES} more are below.")
    return found


def _event(record: Record, *, local: bool) -> str:
    context = (record.entry.context or b"").decode()
    when = format_moment(record.entry.timestamp, local=local)
    return f"  {when} {record.entry.name} {context}".rstrip()
