# SPDX-License-Identifier: LGPL-3.0
"""Storing the sums by hour up to the last hour that is over, by the events' times."""

from __future__ import annotations

import apsw

from eventstore.reading import event_log
from projections.job.run_time import HOUR, microseconds
from projections.node_queries.time_by_state import beginning, latest_of_nodes, measured
from projections.node_views import hours

_MOST = 24 * 366 * 40
"""Hours between first and last event beyond which no sums are stored: clocks were set."""


def settle(db: apsw.Connection, most: int = _MOST) -> int:
    """Store the sums that are missing, in an open transaction; returns of how many hours.

    ``most``: of not more than so many.
    Each journal's last event counts: what the other one brings of an hour may still come.
    """
    first = beginning(db)
    latest = min(latest_of_nodes(db), event_log.latest(db) or latest_of_nodes(db))
    if first is None:
        return 0
    start = max(hours.settled(db), first // HOUR)
    end = microseconds(latest) // HOUR
    if not start < end or end - start > _MOST:
        return 0
    end = min(end, start + most)
    cuts = [hour * HOUR for hour in range(start, end + 1)]
    hours.store(db, zip(range(start, end), measured(db, cuts), strict=True), end)
    return end - start
