# SPDX-License-Identifier: LGPL-3.0
"""Jobs as they were at a past moment.

Only jobs that were active then are folded again, from their events up to that moment; an index
of lifetimes finds them. For jobs that had ended by then, the inactive list has all there is.
"""

from __future__ import annotations

import apsw

from eventstore.reading import event_log
from projections.engine.fold_batch import refold, refold_jobs
from projections.job.state import INACTIVE, NEW, Job
from projections.queries.candidates import alive, disordered
from projections.queries.list_jobs import active_jobs


def jobs_at(db: apsw.Connection, time: float) -> list[Job]:
    """Return the jobs that were active at ``time`` (seconds since the epoch), as they were."""
    head = event_log.head(db)
    keys = {key for ended, key in alive(db, time) if ended > time}
    keys |= {key for _, key in disordered(db)}
    keys |= {job.key for job in active_jobs(db) if job.t_submit <= time}
    keys |= set(event_log.ever_gone(db))
    states = refold_jobs(db, sorted(keys), head, until=time)
    return [job for job in states if job is not None and job.state not in {NEW, INACTIVE}]


def job_at(db: apsw.Connection, jobid: int, time: float) -> Job | None:
    """Return the job of this id as it was at ``time``; None if there was none yet.

    ``time`` is in seconds since the epoch. Of several jobs of this id, the last one that had
    been submitted by then is meant.
    """
    head = event_log.head(db)
    for key in event_log.keys(db, jobid):
        job = refold(db, key, head, until=time)
        if job is not None and job.state != NEW:
            return job
    return None
