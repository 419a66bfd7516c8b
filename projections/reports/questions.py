# SPDX-License-Identifier: LGPL-3.0
"""From what is asked for to periods: where a range begins that was not limited."""

from __future__ import annotations

from collections.abc import Callable
from datetime import tzinfo

import apsw

from eventstore.storage.sql import statements, value
from projections.job.run_time import HOUR, microseconds
from projections.reports.periods import Period, periods
from projections.reports.report import Group, Question

SQL = statements(__file__)
_LONGEST = 32 * 24 * HOUR  # longer than any period


def question(
    db: apsw.Connection,
    keys: tuple[str, ...],
    *,
    since: float | None,
    until: float,
    by: str | None,
    where: tzinfo,
    beginning: Callable[[apsw.Connection], int | None] | None = None,
) -> Question:
    """Return the question; times are in seconds since the epoch.

    Without ``since``, the range begins with the first job: cut into periods, with the first of
    them that has anything; ``beginning`` returns when that is. Raises ValueError where the
    range has no length.
    """
    end = microseconds(until)
    start = 0 if since is None else microseconds(since)
    if since is None and by is not None and end > 0:
        first = value(db, SQL["beginning"]) if beginning is None else beginning(db)
        start = _first_period(first, by, where, end).start
    if start >= end:
        raise ValueError("the range of time ends before it begins")
    return Question(list(periods(start, end, by, where)), Group(keys))


def _first_period(first: int | None, by: str, where: tzinfo, end: int) -> Period:
    """Return the period in which the first thing happened, as far as is known."""
    first = end - 1 if first is None else min(max(int(first), 0), end - 1)
    before = max(first - _LONGEST, 0)
    return list(periods(before, first + 1, by, where))[-1]
