# SPDX-License-Identifier: LGPL-3.0
"""One job by its id, as ``list-id`` needs it.

A job id can occur more than once: an instance with an empty KVS counts its ids from the start
again. The newest job, the one with the highest key, is meant.
"""

from __future__ import annotations

from operator import itemgetter
from typing import NamedTuple

import apsw

from eventstore.storage.sql import fetch, statements, value
from projections.engine.fold_batch import decode_state
from projections.job.state import Job

SQL = statements(__file__)


class InactiveJob(NamedTuple):
    """A row of the inactive list: when it was purged (None: not yet), and its packed values."""

    t_purged: float | None
    userid: int
    values: str


def newest(db: apsw.Connection, jobid: int) -> tuple[Job | None, InactiveJob | None]:
    """Return the state of an active job, or the row of an inactive one; None for the other."""
    # A job that finishes between the two statements is found by both: no snapshot is needed.
    found = [*fetch(db, SQL["active"], (jobid,)), *fetch(db, SQL["inactive"], (jobid,))]
    if not found:
        return None, None
    _, *columns = max(found, key=itemgetter(0))
    if len(columns) == 1:
        return decode_state(columns[0]), None
    return None, InactiveJob(*columns)


def newest_is_purged(db: apsw.Connection, jobid: int) -> bool:
    """Whether the newest job of this id is inactive, and the job manager has purged it."""
    return value(db, SQL["newest_purged"], (jobid,)) is not None
