# SPDX-License-Identifier: LGPL-3.0
"""The inactive job list: finished jobs, ready to be answered and indexed for constraints.

An inactive job does not change any more (but for a purge, or events that are read late), so its
job-list answer is encoded once, when ``clean`` is folded, and stored in the column ``answer``.
Other columns are its attributes one by one: what constraints compare, and what the public view
`jobs` shows. Hosts, ranks and the job's lifetime become rows of
the table ``span``, an interval index (see constraints/interval_index.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from math import ceil, floor
from typing import Any

from eventstore.storage.sql import script
from projections.constraints import interval_index
from projections.constraints.interval_index import Interval, interval_of
from projections.definitions import job_columns
from projections.definitions.interface import Add, Bulk, Put, Puts
from projections.formats import hostlist, idset
from projections.job.attributes import ATTRIBUTES, values_of
from projections.job.packing import annotations_in, pack, packed_usual
from projections.job.state import INACTIVE, Job

_TIMES = slice(*(list(ATTRIBUTES).index(name) for name in ("t_submit", "state")))


class Inactive(Bulk):
    """Finished jobs: the tables ``inactive`` and ``span``."""

    name = "inactive"
    version = 4
    schema = script(__file__, "inactive.sql")

    def rows(self, job: Job) -> Iterator[Put]:
        """Yield the job's row and those of its intervals, once the job is inactive."""
        if job.state == INACTIVE:
            row, spans = _rows(job)
            yield Put("inactive", row)
            for span in spans:
                yield Put("span", span)

    def finished(self, jobs: Sequence[Job], puts: Puts, sums: Counter[Add]) -> None:
        """Add the rows of many jobs."""
        inactive, spans = puts.setdefault("inactive", []), puts.setdefault("span", [])
        for job in jobs:
            row, more = _rows(job)
            inactive.append(row)
            spans += more


_Row = tuple[Any, ...]


def _rows(job: Job) -> tuple[_Row, list[_Row]]:
    """Return the rows of an inactive job in the tables ``inactive`` and ``span``."""
    values = values_of(job)
    answer = packed_usual(job) or pack(values)
    ids = (job.key, job.id, job.stream, job.t_purged or None)
    columns = job_columns.of_inactive(values, job)
    times = values[_TIMES]
    found: Iterable[Interval] = few_intervals(job, times) or set(any_intervals(job, times))
    ended, key = job.t_inactive, job.key
    return (
        (*ids, *columns, *annotations_in(answer), answer, job.t_free or None),
        [(kind, level, bucket, ended, key, lo, hi) for kind, level, bucket, lo, hi in found],
    )


def few_intervals(job: Job, times: Sequence[float | None]) -> tuple[Interval, ...] | None:
    """Return the intervals of a job on one range of ranks and hosts; None of any other.

    ``times`` are its attributes of that name. Most jobs are so: `any_intervals` gives the same.
    """
    ranks = idset.one_range(job.ranks or "")
    hosts = hostlist.one_range(job.nodelist or "")
    if ranks is None or hosts is None:
        return None
    by_ranks, by_hosts = interval_index.rank_range(*ranks), interval_index.host_range(hosts)
    return _lifetime(job, times), by_ranks, by_hosts


def any_intervals(job: Job, times: Sequence[float | None]) -> Iterator[Interval]:
    """Yield the intervals of a job; may repeat some."""
    yield _lifetime(job, times)
    # Decoded when R was read, in the same fold as a rule: both come from a cache then.
    if job.ranks:
        yield from interval_index.rank_intervals(idset.decode(job.ranks))
    hosts = hostlist.decode_own(job.nodelist) if job.nodelist else None
    if hosts:
        yield from interval_index.host_intervals(hosts)


def _lifetime(job: Job, times: Sequence[float | None]) -> Interval:
    first, last = job.t_submit, job.t_inactive
    for time in times:
        if time is not None and not first <= time <= last:
            return interval_of(interval_index.DISORDERED, 0, 0)
    return interval_of(interval_index.LIFETIME, floor(first), ceil(last))
