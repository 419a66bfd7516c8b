# SPDX-License-Identifier: LGPL-3.0
"""The second opinion: reports made from job-list's answers, job by job, with fractions.

Nothing of the program is used. A job is the object that job-list answers for it. Times are
taken as the microsecond nearest to them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Any

Job = dict[str, Any]
Range = tuple[Fraction, Fraction]  # seconds since the epoch: from, to before
RESULTS = {1: "completed", 2: "failed", 4: "canceled", 8: "timeout"}
_KEY = {"user": "userid"}
_CLOCK_WAS_SET = Fraction(10**9)  # a clock that told less had not been set


def exact(time: float) -> Fraction:
    """Return the microsecond nearest to a time."""
    digits = Decimal(repr(time * 1_000_000)).quantize(Decimal(1), ROUND_HALF_UP)
    return Fraction(digits) / 1_000_000


def group_of(job: Job, keys: Iterable[str]) -> tuple[Any, ...]:
    return tuple(job.get(_KEY.get(key, key)) for key in keys)


def run_of(job: Job, now: Fraction) -> Range | None:
    """Return from when to when a job ran, None if it did not."""
    if "t_run" not in job:
        return None
    start = exact(job["t_run"])
    ended = job.get("t_cleanup", job.get("t_inactive"))
    if ended is None and start >= now:
        return None
    ended = float(now) if ended is None else ended
    return start, exact(ended) if subtracts(job["t_run"], ended) else start


def subtracts(start: float, end: float) -> bool:
    return end >= start and (start >= _CLOCK_WAS_SET or end < _CLOCK_WAS_SET)


def usage(
    jobs: Iterable[Job], ranges: Sequence[Range], keys: Sequence[str] = ()
) -> dict[tuple[Any, ...], list[Fraction]]:
    """Return [jobs, node-seconds, core-seconds] by (range, group)."""
    found: dict[tuple[Any, ...], list[Fraction]] = defaultdict(lambda: [Fraction(0)] * 3)
    for job in jobs:
        run = run_of(job, ranges[-1][1])
        for one in ranges if run is not None else ():
            low, high = max(run[0], one[0]), min(run[1], one[1])
            if low < high or one[0] <= run[0] < one[1]:
                seconds = max(high - low, Fraction(0))
                units = 1, job.get("nnodes", 0) * seconds, job.get("ncores", 0) * seconds
                row = found[(one, *group_of(job, keys))]
                row[:] = [a + b for a, b in zip(row, units, strict=True)]
    return dict(found)


def job_counts(
    jobs: Iterable[Job], ranges: Sequence[Range], keys: Sequence[str] = ()
) -> dict[tuple[Any, ...], list[int]]:
    """Return [jobs, completed, failed, canceled, timeout] by (range, group)."""
    found: dict[tuple[Any, ...], list[int]] = defaultdict(lambda: [0] * 5)
    for job in jobs:
        for one in ranges if "t_inactive" in job else ():
            if one[0] <= exact(job["t_inactive"]) < one[1]:
                row = found[(one, *group_of(job, keys))]
                row[0] += 1
                row[1 + list(RESULTS).index(job["result"])] += 1
    return dict(found)


def waits(
    jobs: Iterable[Job], ranges: Sequence[Range], keys: Sequence[str] = ()
) -> dict[tuple[Any, ...], list[Fraction]]:
    """Return the waits, shortest first, by (range, group)."""
    found: dict[tuple[Any, ...], list[Fraction]] = defaultdict(list)
    for job in jobs:
        if "t_run" not in job or not subtracts(job["t_submit"], job["t_run"]):
            continue
        began = exact(job["t_run"])
        for one in ranges:
            if one[0] <= began < one[1]:
                wait = began - exact(job["t_submit"])
                found[(one, *group_of(job, keys))].append(wait)
    return {key: sorted(several) for key, several in found.items()}
