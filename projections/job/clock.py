# SPDX-License-Identifier: LGPL-3.0
"""Clocks that were set while a job was there: timestamps that are not monotonic.

Events are stored with the times that came, and views are made from these. Who shows a
duration, or charges it, asks here whether the two times can be subtracted.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import NamedTuple

UNSET_BEFORE = 1e9
"""Seconds since the epoch: September 2001, before there was Flux. A clock that tells less was
not set yet, as that of a node that boots without a battery or a time server."""


class Step(NamedTuple):
    """The clock was set between two events of a job.

    By so many ``seconds``: negative if it went back. A step forward is recognised only where
    the clock told a time before 2001: any other gap may be one in which nothing happened.
    """

    seconds: float
    before: str  # names of the events
    after: str

    def __str__(self) -> str:
        went = "back" if self.seconds < 0 else "forward"
        amount = f"{abs(self.seconds):.6f}".rstrip("0").rstrip(".")
        return f"the clock went {went} by {amount} s between `{self.before}` and `{self.after}`"


def steps(events: Iterable[tuple[float, str]]) -> list[Step]:
    """Return where the clock was set, from a job's (timestamp, name) in the job's order."""
    return [
        Step(after - before, name, next_name)
        for (before, name), (after, next_name) in pairwise(events)
        if not comparable(before, after)
    ]


def comparable(start: float, end: float) -> bool:
    """Whether ``end`` - ``start`` (seconds since the epoch) is a duration."""
    return start <= end and not start < UNSET_BEFORE <= end
