# SPDX-License-Identifier: LGPL-3.0
"""Sums by hour: they are stored up to the last hour that is over, by the events' times."""

from __future__ import annotations

import apsw

from eventstore.reading import event_log
from projections.job.run_time import HOUR, microseconds
from projections.node_queries.time_by_state import (
    STATES,
    beginning,
    by_hour,
    latest_of_nodes,
    measured,
)
from projections.node_views import hours

_MOST = 24 * 366 * 40
"""Hours between first and last event beyond which no sums are stored: clocks were set."""
_AT_ONCE = 24 * 14  # hours
_NONE = [0] * len(STATES)


def settle(db: apsw.Connection, most: int = _MOST) -> int:
    """Store the sums that are missing, in an open transaction; returns of how many hours.

    ``most``: of not more than so many.
    Each journal's last event counts: what the other one brings of an hour may still come.
    """
    first, end = beginning(db), _over(db)
    if first is None:
        return 0
    start = max(hours.settled(db), first // HOUR)
    if not start < end or end - start > _MOST:
        return 0
    end = min(end, start + most)
    cuts = [hour * HOUR for hour in range(start, end + 1)]
    hours.store(db, zip(range(start, end), measured(db, cuts), strict=True), end)
    return end - start


def _over(db: apsw.Connection) -> int:
    """Return the hour of the last event of both journals: those before it are over."""
    latest = latest_of_nodes(db)
    return microseconds(min(latest, event_log.latest(db) or latest)) // HOUR


def differing(db: apsw.Connection) -> str | None:
    """Return which hour's stored sums are not those of the views; None: all of them are.

    Called inside a snapshot, of views that are current and right.
    """
    first, end = beginning(db), hours.settled(db)
    if end > _over(db) or hours.marks(db) > 1:
        return _fault("node_settled", "it must be one hour, which is over")
    start = end if first is None else first // HOUR
    for hour in hours.outside(db, start, end):
        return _fault("node_hour", f"hour {hour} must have no sums")
    for at in range(start, end, _AT_ONCE):
        until = min(at + _AT_ONCE, end)
        stored = dict(by_hour(db, at, until))
        cuts = [hour * HOUR for hour in range(at, until + 1)]
        for hour, times in zip(range(at, until), measured(db, cuts), strict=True):
            if stored.get(hour, _NONE) != times:
                return _fault("node_hour", f"hour {hour} has other sums than the views lead to")
    return None


def _fault(table: str, what: str) -> str:
    return f"projection nodes: table {table}: {what}; run `flux-jobdb rebuild nodes`"
