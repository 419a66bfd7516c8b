# SPDX-License-Identifier: LGPL-3.0
"""The inactive job list: finished jobs, ready to be answered and indexed for constraints.

An inactive job does not change any more (but for a purge, or events that are read late), so its
job-list answer is encoded once, when ``clean`` is folded, and stored in the column ``answer``.
Other columns are its attributes one by one: what constraints compare, and what the public view
`jobs` shows. Hosts, ranks and the job's lifetime become rows of
the table ``span``, an interval index (see constraints/interval_index.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import ceil, floor

from eventstore.storage.sql import script
from projections.constraints import interval_index
from projections.definitions import job_columns
from projections.definitions.interface import Put
from projections.formats import hostlist, idset
from projections.job.attributes import ATTRIBUTES, annotations_in, pack, values_of
from projections.job.state import INACTIVE, Job

_TIMES = slice(*(list(ATTRIBUTES).index(name) for name in ("t_submit", "state")))


class Inactive:
    """Finished jobs: the tables ``inactive`` and ``span``."""

    name = "inactive"
    version = 3
    schema = script(__file__, "inactive.sql")

    def rows(self, job: Job) -> Iterator[Put]:
        """Yield the job's row and those of its intervals, once the job is inactive."""
        if job.state != INACTIVE:
            return
        values = values_of(job)
        answer = pack(values)
        ids = (job.key, job.id, job.stream, job.t_purged or None)
        columns = job_columns.of_inactive(values, job)
        yield Put("inactive", (*ids, *columns, *annotations_in(answer), answer))
        for kind, level, bucket, lo, hi in set(_intervals(job, values[_TIMES])):
            yield Put("span", (kind, level, bucket, job.t_inactive, job.key, lo, hi))


def _intervals(job: Job, times: Sequence[float | None]) -> Iterator[interval_index.Interval]:
    known = [time for time in times if time is not None]
    if all(job.t_submit <= time <= job.t_inactive for time in known):
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
