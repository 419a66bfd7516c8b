# SPDX-License-Identifier: LGPL-3.0
"""Nodes: how many seconds nodes spent in each state, in each period.

Sums of whole hours are stored up to some hour (node_views/hours.py). What is behind it, and
parts of hours at the ends of periods, are measured; with many such parts, all is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import add

import apsw

from projections.job.run_time import HOUR
from projections.node_queries.time_by_state import STATES, Times, beginning, by_hour, measured
from projections.node_views.hours import settled
from projections.reports.hourly_sums import Part
from projections.reports.periods import Period
from projections.reports.report import Column, Question, Report, Row

_MOST_RANGES = 16
"""Ranges between stored sums that are measured one by one."""


def _rows(db: apsw.Connection, question: Question) -> Iterator[Row]:
    periods = question.periods
    for period, times in zip(periods, times_of(db, periods), strict=True):
        if any(times) or not period.name:
            yield Row(period, (), tuple(times))


def times_of(db: apsw.Connection, periods: Sequence[Period]) -> list[Times]:
    """Return the times of periods, which follow each other without a gap."""
    until = settled(db)
    ranges = _joined(
        part for number, period in enumerate(periods) for part in _rest(number, period, until)
    )
    if len(ranges) > _MOST_RANGES:
        return measured(db, [*(period.start for period in periods), periods[-1].end])
    found = [[0] * len(STATES) for _ in periods]
    for parts in ranges:
        cuts = [*(part.start for part in parts), parts[-1].end]
        for part, times in zip(parts, measured(db, cuts), strict=True):
            found[part.number] = _sum(found[part.number], times)
    _add_stored(db, found, periods, until)
    return found


def _add_stored(
    db: apsw.Connection, found: list[Times], periods: Sequence[Period], until: int
) -> None:
    number, (first, end) = 0, periods[0].hours
    for hour, times in by_hour(db, periods[0].hours[0], min(periods[-1].hours[1], until)):
        while periods[number].end <= hour * HOUR:
            number += 1
            first, end = periods[number].hours
        if first <= hour < end:
            found[number] = _sum(found[number], times)


def _sum(total: Times, times: Sequence[int]) -> Times:
    return list(map(add, total, times))


def _rest(number: int, period: Period, until: int) -> Iterator[Part]:
    """Yield the parts of a period of which no sums are stored."""
    first, end = period.hours
    end = min(end, until)
    if first >= end:
        yield Part(number, period.start, period.end)
        return
    if period.start < first * HOUR:
        yield Part(number, period.start, first * HOUR)
    if end * HOUR < period.end:
        yield Part(number, end * HOUR, period.end)


def _joined(parts: Iterator[Part]) -> list[list[Part]]:
    """Return ranges: parts that follow each other without a gap."""
    ranges: list[list[Part]] = []
    for part in parts:
        if ranges and ranges[-1][-1].end == part.start:
            ranges[-1].append(part)
        else:
            ranges.append([part])
    return ranges


NODES = Report(
    columns=tuple(Column(state, is_time=True) for state in STATES),
    rows=_rows,
    chart="allocated",
    beginning=beginning,
)
