# SPDX-License-Identifier: LGPL-3.0
"""The inactive job list: finished jobs, ready to be answered and indexed for constraints.

An inactive job does not change any more (but for a purge, or events that are read late), so its
job-list answer is encoded once, when ``clean`` is folded, and stored in the column ``answer``.
Other columns are what constraints compare. Hosts, ranks and the job's lifetime become rows of
the table ``span``, an interval index (see constraints/interval_index.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil, floor

from eventstore.storage.sql import script
from projections.constraints import interval_index
from projections.definitions.interface import Put
from projections.formats import hostlist, idset
from projections.job.attributes import ATTRIBUTES, packed
from projections.job.state import INACTIVE, Job

_TIMES = ("t_depend", "t_priority", "t_sched", "t_run", "t_cleanup")


class Inactive:
    """Finished jobs: the tables ``inactive`` and ``span``."""

    name = "inactive"
    version = 2
    schema = script(__file__, "inactive.sql")

    def rows(self, job: Job) -> Iterator[Put]:
        """Yield the job's row and those of its intervals, once the job is inactive."""
        if job.state != INACTIVE:
            return
        values = (job.key, job.id, job.userid, job.name, job.queue, job.result, job.t_submit)
        times = tuple(ATTRIBUTES[name](job) for name in _TIMES)
        ended = (job.t_inactive, job.t_purged or None)
        yield Put(
            "inactive",
            (*values, *times, *ended, job.ranks, job.nodelist, packed(job)),
        )
        for kind, level, bucket, lo, hi in set(_intervals(job, times)):
            yield Put("span", (kind, level, bucket, job.t_inactive, job.key, lo, hi))


def _intervals(job: Job, times: tuple[float | None, ...]) -> Iterator[interval_index.Interval]:
    known = [time for time in times if time is not None]
    if all(job.t_submit <= time <= job.t_inactive for time in (*known, job.t_inactive)):
        first, last = floor(job.t_submit), ceil(job.t_inactive)
        yield interval_index.interval_of(interval_index.LIFETIME, first, last)
    else:
        yield interval_index.interval_of(interval_index.DISORDERED, 0, 0)
    # Decoded when R was read, in the same fold as a rule: both come from a cache then.
    if job.ranks:
        yield from interval_index.rank_intervals(idset.decode(job.ranks))
    hosts = hostlist.decode_own(job.nodelist) if job.nodelist else None
    if hosts:
        yield from interval_index.host_intervals(hosts)
