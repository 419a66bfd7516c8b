# SPDX-License-Identifier: LGPL-3.0
"""Rows of many finished jobs are those of each: of all built-in projections that give them."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from eventstore.events.records import Record
from eventstore.ingest.writer import Writer
from eventstore.reading import event_log
from projections.definitions import inactive
from projections.definitions.interface import Add, Bulk, Put, Puts
from projections.definitions.registry import BUILTIN
from projections.job.attributes import values_of
from projections.job.reducers import fold, purged
from projections.job.state import INACTIVE, Job
from tests.support.recordings import new_store, recordings
from tests.support.strategies import journals

BULK = [projection for projection in BUILTIN if isinstance(projection, Bulk)]


def finished_jobs(lines: list[bytes]) -> list[Job]:
    """Fold all jobs, each also as it is once it is purged; returns those that are over."""
    store, _ = new_store()
    Writer(store, "test").append(lines)
    jobs: dict[int, list[Record]] = {}
    for record in event_log.records(store.db):
        if isinstance(record, Record):
            jobs.setdefault(record.job, []).append(record)
    folded = [job for job in (fold(None, records) for records in jobs.values()) if job]
    over = [job for job in folded if job.state == INACTIVE]
    return over + [purged(job, 1800.5 + index) for index, job in enumerate(over)]


def totals(sums: Counter[Add]) -> dict[tuple[Any, ...], list[float]]:
    """Return what is added to each row, by table and key."""
    found: dict[tuple[Any, ...], list[float]] = {}
    for (table, key, amounts), times in sums.items():
        total = found.setdefault((table, key), [0] * len(amounts))
        total[:] = [old + times * amount for old, amount in zip(total, amounts, strict=True)]
    return found


def both(projection: Any, jobs: list[Job]) -> None:
    puts: Puts = {}
    sums: Counter[Add] = Counter()
    projection.finished(jobs, puts, sums)
    rows = [row for job in jobs for row in projection.rows(job)]
    assert totals(Counter(row for row in rows if isinstance(row, Add))) == totals(sums)
    given_one_by_one = Counter((row.table, row.values) for row in rows if isinstance(row, Put))
    assert given_one_by_one == Counter((name, row) for name in puts for row in puts[name])


def test_the_built_in_projections_are_bulk() -> None:
    assert len(BULK) >= 4


@given(lines=st.booleans().flatmap(lambda legal: journals(legal=legal)))
def test_rows_of_generated_jobs(lines: list[bytes]) -> None:
    jobs = finished_jobs(lines)
    for projection in BULK:
        both(projection, jobs)
    for job in jobs:
        intervals(job)


def test_rows_of_recorded_jobs() -> None:
    jobs = [job for one in recordings() for job in finished_jobs(one.lines("backlog"))]
    assert len(jobs) > 100
    for projection in BULK:
        both(projection, jobs)
    for job in jobs:
        intervals(job)


def intervals(job: Job) -> None:
    times = values_of(job)[inactive._TIMES]
    few = inactive.few_intervals(job, times)
    assert few is None or sorted(set(inactive.any_intervals(job, times))) == sorted(few)
