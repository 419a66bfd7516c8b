# SPDX-License-Identifier: LGPL-3.0
"""When a job ran, in whole microseconds, and how its time is shared out to hours.

Sums of whole numbers are exact: what a job adds to two hours is what it adds to both of them
together, however the sums are grouped. Timestamps are rounded to the microsecond once, before
anything is subtracted.

A job *ran* from its allocation (``t_run``) to the end of its RUN state (``t_cleanup``): what
`flux jobs` calls its runtime. Where its clock was set meanwhile (clock.py), it ran for an
unknown time, which counts as none.
"""

from __future__ import annotations

from typing import NamedTuple

from projections.job.clock import comparable

SECOND = 1_000_000
"""Microseconds."""
HOUR = 3600 * SECOND
_LAST = 10.0**12  # seconds: beyond any calendar, and below 2^63 microseconds


def microseconds(time: float) -> int:
    """Return a time (seconds since the epoch) as the nearest microsecond, within 0 to 10^18."""
    if 0.0 < time < _LAST:
        return int(time * SECOND + 0.5)
    return 0 if time <= 0.0 else int(_LAST) * SECOND


def units(count: int) -> int:
    """Return a number of nodes or cores as a C int, which it is in job-list; 0: not known."""
    return count if 0 <= count < 2**31 else min(max(count, 0), 2**31 - 1)


class Span(NamedTuple):
    """A time from ``start`` to ``end``, which is not before it; both in microseconds."""

    start: int
    end: int

    @property
    def last_hour(self) -> int:
        """The last hour since the epoch that a part of it lies in."""
        start, end = self
        return (end - 1 if end > start else start) // HOUR

    def by_hour(self) -> list[tuple[int, int]]:
        """Return each hour since the epoch that it touches, with its microseconds in it.

        An empty span touches the hour that it stands in.
        """
        start, end = self
        first, last = start // HOUR, self.last_hour
        if first == last:
            return [(first, end - start)]
        whole = [(hour, HOUR) for hour in range(first + 1, last)]
        return [(first, (first + 1) * HOUR - start), *whole, (last, end - last * HOUR)]


def run_of(t_run: float, ended: float) -> Span:
    """Return when a job ran, from its ``t_run`` and the time at which it no longer did."""
    start = microseconds(t_run)
    return Span(start, microseconds(ended) if comparable(t_run, ended) else start)


def wait_of(t_submit: float, t_run: float) -> int | None:
    """Return how long a job waited to run, in microseconds; None if a clock was set."""
    if not comparable(t_submit, t_run):
        return None
    return microseconds(t_run) - microseconds(t_submit)
