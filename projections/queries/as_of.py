# SPDX-License-Identifier: LGPL-3.0
"""A past moment: the jobs that were alive then, as they were.

Only these are folded again, from their events up to that moment; lifetimes are found by an
index. Of what had ended by then, the inactive list knows all that there is to know.
"""

from __future__ import annotations

import apsw

from eventstore.reading import event_log
from projections.constraints import interval_index
from projections.engine.fold_batch import replay, replays
from projections.job.state import INACTIVE, NEW, Job
from projections.queries.list_jobs import active_jobs, alive, overlapping


def jobs_at(db: apsw.Connection, time: float) -> list[Job]:
    """Return the jobs that were active at ``time``, in their states of then."""
    head = event_log.head(db)
    keys = {key for ended, key in alive(db, time) if ended > time}
    keys |= {
        key for _, key in overlapping(db, interval_index.span(interval_index.DISORDERED, 0, 0))
    }
    keys |= {job.key for job in active_jobs(db) if job.t_submit <= time}
    keys |= set(event_log.ever_gone(db))
    states = replays(db, sorted(keys), head, until=time)
    return [job for job in states if job is not None and job.state not in {NEW, INACTIVE}]


def job_at(db: apsw.Connection, jobid: int, time: float) -> Job | None:
    """Return the job of this id as it was at ``time``: of several, the last submitted."""
    head = event_log.head(db)
    for key in event_log.keys(db, jobid):
        job = replay(db, key, head, until=time)
        if job is not None and job.state != NEW:
            return job
    return None
