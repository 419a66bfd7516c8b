# SPDX-License-Identifier: LGPL-3.0
"""Waits as a histogram: how many jobs waited for how long until they ran, by queue.

A job counts from the moment at which it has its resources, for ever: these numbers only grow,
as counters of a monitoring system do. Reports have exact quantiles (../reports/waits.py).
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence

from eventstore.storage.sql import script
from projections.definitions.interface import Add, Bulk, Puts
from projections.definitions.reports import NONE
from projections.job.run_time import wait_of
from projections.job.state import RUN, Job

BUCKETS = (1, 10, 60, 300, 900, 3600, 4 * 3600, 12 * 3600, 86400, 3 * 86400, 7 * 86400)
"""Upper bounds in seconds; what waited for longer is in a last bucket."""
_BOUNDS = [bound * 1_000_000 for bound in BUCKETS]
_LONGEST = 2**38  # ms, nine years: a sum of millions of these stays below 2^63


class Waits(Bulk):
    """Sums of waits: the table ``wait_bucket``."""

    name = "waits"
    version = 1
    schema = script(__file__, "waits.sql")

    def rows(self, job: Job) -> Sequence[Add]:
        """Return what a job that ran, or runs, adds."""
        found = _sum_of(job)
        return () if found is None else (Add("wait_bucket", found[0], (1, found[1])),)

    def finished(self, jobs: Sequence[Job], puts: Puts, sums: Counter[Add]) -> None:
        """Add the rows of many jobs: those in the same bucket are summed up first."""
        del puts
        alike: dict[tuple[str | bytes, int], list[int]] = {}
        for job in jobs:
            found = _sum_of(job)
            if found is not None:
                alike.setdefault(found[0], []).append(found[1])
        for key, waits in alike.items():
            sums[Add("wait_bucket", key, (len(waits), sum(waits)))] += 1


def _sum_of(job: Job) -> tuple[tuple[str | bytes, int], int] | None:
    """Return the key that a job is counted under, and its milliseconds; None: under none."""
    if not job.states_mask & RUN:
        return None
    wait = wait_of(job.t_submit, job.t_run)
    if wait is None:
        return None
    key = NONE if job.queue is None else job.queue, bisect_left(_BOUNDS, wait)
    return key, min(wait // 1000, _LONGEST)
