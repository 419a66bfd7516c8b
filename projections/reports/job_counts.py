# SPDX-License-Identifier: LGPL-3.0
"""How many jobs ended in a period, by result.

A job ends when it becomes inactive, whether it ran or not. Active jobs have no result yet, and
are not counted.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator

import apsw

from projections.job.run_time import microseconds
from projections.job.state import RESULTS
from projections.reports import hourly_sums, single_jobs
from projections.reports.hourly_sums import Part
from projections.reports.report import Column, Question, Report, Row, Values, ordered
from projections.reports.single_jobs import JobRow

_RESULTS = tuple(result.name for result in RESULTS)
_NONE = (0,) * len(_RESULTS)
_Totals = dict[tuple[int, Values], tuple[int, ...]]


def _rows(db: apsw.Connection, question: Question) -> Iterator[Row]:
    totals: _Totals = {}
    group = question.group
    rest = hourly_sums.parts_of_hours(question.periods)
    if group.needs_jobs or len(rest) > hourly_sums.MOST_PARTS:
        jobs = single_jobs.ended_between(db, group, question.start, question.end)
        _count(totals, jobs, hourly_sums.whole(question.periods))
    else:
        for number, period in hourly_sums.with_sums(db, question.periods):
            for values, results in hourly_sums.results(db, period, group):
                _add(totals, number, values, results)
        for part in rest:
            _count(totals, single_jobs.ended_between(db, group, part.start, part.end), [part])
    for period, values, total in ordered(question, totals):
        results = total or _NONE
        yield Row(period, values, (sum(results), *results))


def _count(totals: _Totals, jobs: Iterable[JobRow], parts: list[Part]) -> None:
    starts = [part.start for part in parts]
    for job in jobs:
        assert job.t_inactive is not None
        ended = microseconds(job.t_inactive)
        part = parts[bisect_right(starts, ended) - 1]
        if part.start <= ended < part.end:
            results = tuple(int(job.result == name) for name in _RESULTS)
            _add(totals, part.number, job.group, results)


def _add(totals: _Totals, number: int, group: Values, results: tuple[int, ...]) -> None:
    if any(results):
        before = totals.get((number, group), _NONE)
        totals[number, group] = tuple(map(sum, zip(before, results, strict=True)))


JOBS = Report(
    columns=(Column("jobs"), *(Column(name.lower()) for name in _RESULTS)),
    rows=_rows,
    chart="jobs",
)
