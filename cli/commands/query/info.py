# SPDX-License-Identifier: LGPL-3.0
"""``flux-jobdb info``."""

from __future__ import annotations

import sys

import click

from cli.database import reading
from cli.options import JobId, db_option
from cli.output.streams import say

__all__ = ["command"]


@click.command(epilog="Example: flux-jobdb info f2poFkQF jobspec --original")
@db_option
@click.option("--original", is_flag=True, help="jobspec and R without updates applied.")
@click.argument("jobid", type=JobId(), metavar="JOBID")
@click.argument(
    "keys",
    nargs=-1,
    required=True,
    type=click.Choice(["eventlog", "jobspec", "R"]),
    metavar="KEY...",
)
def command(jobid: int, keys: tuple[str, ...], original: bool) -> None:
    """Print KEY (eventlog, jobspec or R) of a job, as `flux job info` does.

    Works for purged jobs, too. jobspec and R are as the journal has them: without
    the job's environment and the scheduler's key.
    """
    from eventstore.errors import StoreError  # noqa: PLC0415
    from projections.notation.jobid import encode  # noqa: PLC0415
    from projections.queries import job_info  # noqa: PLC0415

    with reading() as store, store.snapshot() as db:
        job = job_info.find(db, jobid)
        if job is None:
            raise StoreError(
                f"{encode(jobid)}: no such job here; `flux-jobdb list -a` shows jobs"
            )
        for key in keys:
            found = job.text(key, original=original)
            if found is None:
                raise StoreError(f"{encode(jobid)}: no {key} was seen of this job")
            if original and job.updated_before_seen(key):
                say(
                    f"flux-jobdb: {key} came from a backlog, with updates applied; "
                    "the original was not seen",
                    err=True,
                )
            sys.stdout.buffer.write(found.rstrip(b"\n") + b"\n")
