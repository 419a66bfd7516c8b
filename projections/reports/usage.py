# SPDX-License-Identifier: LGPL-3.0
"""Usage: how many jobs ran in a period, and the nodes and cores that they had, times seconds.

A job's time is shared out to the periods that it ran in, to the microsecond. A job that ran in
two periods is counted in both of them, so that numbers of jobs, unlike times, do not add up.
Jobs that still run are counted up to the end of the range.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from itertools import islice

import apsw

from projections.definitions.reports import is_alone
from projections.job.run_time import HOUR, Span, run_of
from projections.reports import hourly_sums, single_jobs
from projections.reports.hourly_sums import Part
from projections.reports.report import Column, Group, Question, Report, Row, Values, ordered
from projections.reports.single_jobs import JobRow


class _Totals:
    """Numbers of jobs, node-time and core-time by period and group."""

    def __init__(self) -> None:
        self.found: dict[tuple[int, Values], tuple[int, int, int]] = {}

    def add(self, number: int, group: Values, jobs: int, nodes: int, cores: int) -> None:
        """Add to a period, which is given by its number; nodes and cores times microseconds."""
        before = self.found.get((number, group), (0, 0, 0))
        total = before[0] + jobs, before[1] + nodes, before[2] + cores
        self.found[number, group] = total

    def share(self, group: Values, span: Span, units: tuple[int, int], parts: _Parts) -> None:
        """Share out a job's time to the parts of periods that it ran in."""
        nodes, cores = units
        for part in parts.from_(span.start):
            begins = part.start <= span.start < part.end
            time = min(span.end, part.end) - max(span.start, part.start)
            if begins or time > 0:
                counted = int(begins or part.first)
                self.add(part.number, group, counted, nodes * time, cores * time)
            elif part.start >= span.end:
                return


class _Parts:
    """Parts of periods, in their order."""

    def __init__(self, parts: list[Part]) -> None:
        self.parts = parts
        self._starts = [part.start for part in parts]

    def from_(self, moment: int) -> Iterator[Part]:
        """Yield the parts from the one that has this moment on, or the next one."""
        return islice(self.parts, max(bisect_right(self._starts, moment) - 1, 0), None)


def _rows(db: apsw.Connection, question: Question) -> Iterator[Row]:
    totals, group = _Totals(), question.group
    whole = _Parts(hourly_sums.whole(question.periods))
    rest = _Parts(hourly_sums.parts_of_hours(question.periods))
    _share(totals, single_jobs.started(db, group), whole, question.end)
    if group.needs_jobs or len(rest.parts) > hourly_sums.MOST_PARTS:
        jobs = single_jobs.finished_since(db, group, question.start)
        _share(totals, jobs, whole, question.end)
    else:
        for one in hourly_sums.alone(db, group):
            totals.share(one.group, one.span, (one.nodes, one.cores), whole)
        _add_sums(db, totals, question)
        for part in rest.parts:
            jobs = _in_sums(single_jobs.finished_within(db, group, part.start, part.end))
            _share(totals, jobs, _Parts([part]), question.end)
    for period, values, total in ordered(question, totals.found):
        yield Row(period, values, total or (0, 0, 0))


def _share(totals: _Totals, jobs: Iterable[JobRow], parts: _Parts, now: int) -> None:
    for job in jobs:
        span = job.run(now)
        if span is not None:
            totals.share(job.group, span, (job.nodes, job.cores), parts)


def _in_sums(jobs: Iterable[JobRow]) -> Iterator[JobRow]:
    """Leave out finished jobs that are in no sum: they are counted without."""
    for job in jobs:
        if job.t_run is None or job.ended is None:
            continue
        if not is_alone(run_of(job.t_run, job.ended), job.nodes, job.cores):
            yield job


def _add_sums(db: apsw.Connection, totals: _Totals, question: Question) -> None:
    for number, period in hourly_sums.with_sums(db, question.periods):
        for group, used in hourly_sums.used(db, period, question.group):
            # Those that ran before the first hour are counted in the period's first part.
            before = used.before if period.start % HOUR == 0 else 0
            totals.add(number, group, used.started + before, used.node_us, used.core_us)


def _note(db: apsw.Connection, question: Question) -> str:
    jobs = single_jobs.started(db, Group())
    count = sum(job.ended is None and job.run(question.end) is not None for job in jobs)
    if not count:
        return ""
    still = "job still runs and is" if count == 1 else "jobs still run and are"
    return f"{count} {still} counted up to the end of the range"


USAGE = Report(
    columns=(Column("jobs"), Column("node_seconds", True), Column("core_seconds", True)),
    rows=_rows,
    chart="node_seconds",
    note=_note,
)
