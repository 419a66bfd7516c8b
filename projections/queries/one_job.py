# SPDX-License-Identifier: LGPL-3.0
"""One job by its id, as ``list-id`` needs it.

A job id can occur more than once: an instance with an empty KVS counts its ids from the start
again. The newest job, the one with the highest key, is meant.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter
from typing import NamedTuple

import apsw

from eventstore.storage.sql import fetch, statements, value
from projections.engine.fold_batch import decode_state
from projections.job.state import Job

SQL = statements(__file__)
Active = Callable[[int], "Job | None"]


class InactiveJob(NamedTuple):
    """A row of the inactive list: when it was purged (None: not yet), and its packed values."""

    t_purged: float | None
    userid: int
    values: str


def newest(
    db: apsw.Connection, jobid: int, active: Active | None = None
) -> tuple[Job | None, InactiveJob | None]:
    """Return the state of an active job, or the row of an inactive one; None for the other.

    ``active`` gives the newest active job of an id, where the caller keeps them in memory.
    """
    if active is None:
        rows = fetch(db, SQL["jobs"], (jobid, jobid))
        job = None
    else:
        rows = fetch(db, SQL["inactive"], (jobid,))
        job = active(jobid)
    if not rows:
        return job, None
    row = rows[0] if len(rows) == 1 else max(rows, key=itemgetter(0))
    key, state, *columns = row
    if job is not None and job.key > key:
        return job, None
    if state is not None:
        return decode_state(state), None
    return None, InactiveJob(*columns)


def newest_is_purged(db: apsw.Connection, jobid: int) -> bool:
    """Whether the newest job of this id is inactive, and the job manager has purged it."""
    return value(db, SQL["newest_purged"], (jobid,)) is not None
