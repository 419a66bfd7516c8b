# SPDX-License-Identifier: LGPL-3.0
"""Job statistics as sums: how many jobs are in each state, and how they ended, by queue.

Each job adds ones to a few shared rows. The table ``stats`` answers ``job-list.job-stats`` for
now; ``ended`` and ``purged_by_hour`` hold the same counts by hour, so that a past moment needs
the single jobs of one hour only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache

from eventstore.storage.sql import script
from projections.definitions.interface import Add, Bulk, Put, Puts
from projections.job.state import INACTIVE, LISTED_STATES, NEW, RESULTS, Job

_NONE_ENDED = (0,) * len(RESULTS)
_LAST_HOUR = 2**40


class Stats(Bulk):
    """Sums: the tables ``stats``, ``ended``, ``purged_by_hour`` and ``left_queue``."""

    name = "stats"
    version = 1
    schema = script(__file__, "stats.sql")

    def rows(self, job: Job) -> Iterator[Add | Put]:
        """Yield what the job adds to the sums, and each queue that it has left."""
        over = job.state == INACTIVE
        if job.state != NEW:
            result = job.result if over else 0
            yield from _counted(job.queue, job.state, result, bool(job.t_purged))
        for queue in job.queues:
            if queue != job.queue or job.state == NEW:
                yield Put("left_queue", (job.key, queue))
        if over:
            yield from _ended("ended", hour(job.t_inactive), job.queue, job.result)
            if job.t_purged:
                yield from _ended("purged_by_hour", hour(job.t_purged), job.queue, job.result)

    def finished(self, jobs: Sequence[Job], puts: Puts, sums: Counter[Add]) -> None:
        """Add the rows of many jobs: those that are alike are counted first."""
        alike: Counter[tuple[str | None, int, int]] = Counter()
        for job in jobs:
            if job.t_purged or job.queues not in {(), (job.queue,)}:
                for row in self.rows(job):
                    if isinstance(row, Add):
                        sums[row] += 1
                    else:
                        puts.setdefault(row.table, []).append(row.values)
            else:
                alike[job.queue, job.result, hour(job.t_inactive)] += 1
        for (queue, result, ended), count in alike.items():
            for add in _counted(queue, INACTIVE, result, False):
                sums[add] += count
            for add in _ended("ended", ended, queue, result):
                sums[add] += count


# Cached: there are few combinations of queue, state and result, and every job has one of them.


@lru_cache(256)
def _counted(queue: str | None, state: int, result: int, purged: bool) -> tuple[Add, ...]:
    states = tuple(int(state == one.mask) for one in LISTED_STATES)
    ended = tuple(int(result == one.mask) for one in RESULTS)
    amounts = states + ended + (ended if purged else _NONE_ENDED)
    return tuple(Add("stats", key, amounts) for key in _sums_of(queue))


@lru_cache(256)
def _ended(table: str, hour: int, queue: str | None, result: int) -> tuple[Add, ...]:
    ended = tuple(int(result == one.mask) for one in RESULTS)
    return tuple(Add(table, (hour, *key), ended) for key in _sums_of(queue))


def _sums_of(queue: str | None) -> tuple[tuple[str, int], ...]:
    """Return the keys of the sums that count a job: that of all jobs, and its queue's."""
    return (("", 1),) if queue is None else (("", 1), (queue, 0))


def hour(time: float) -> int:
    """Return the hour since the epoch that contains ``time`` (seconds), within +-2^40."""
    return int(min(max(time // 3600, -_LAST_HOUR), _LAST_HOUR))
