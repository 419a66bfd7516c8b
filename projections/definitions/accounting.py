# SPDX-License-Identifier: LGPL-3.0
"""The accounting feed: finished jobs that ran, as flux-accounting wants them.

The view does not repeat jobspec and R: it refers to them where the event store has them, by
seq, and holds only what was updated since. The row's own key is the highest seq of the job's
events, so that consumers can ask for what is new (engine/consumer_cursor.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from eventstore.storage.sql import script
from projections.definitions.interface import Add, Bulk, Put, Puts
from projections.job.state import INACTIVE, RUN, Job


class Accounting(Bulk):
    """Finished jobs that ran: the table ``accounting``."""

    name = "accounting"
    version = 1
    schema = script(__file__, "accounting.sql")

    def rows(self, job: Job) -> Sequence[Put]:
        """Return one row, once a job that ran is inactive."""
        if job.state != INACTIVE or not job.states_mask & RUN:
            return ()
        return (Put("accounting", _row(job)),)

    def finished(self, jobs: Sequence[Job], puts: Puts, sums: Counter[Add]) -> None:
        """Add the rows of many jobs."""
        rows = [_row(job) for job in jobs if job.states_mask & RUN]
        puts.setdefault("accounting", []).extend(rows)


def _row(job: Job) -> tuple[Any, ...]:
    return (
        job.seq, job.key, job.id, job.userid, job.t_submit, job.t_run, job.t_inactive,
        job.ranks,
        job.R_seq or None,
        job.jobspec_seq or None,
        None if job.R_seq else job.R,
        b"[%b]" % b",".join(job.jobspec_updates) if job.jobspec_updates else None,
    )  # fmt: skip
