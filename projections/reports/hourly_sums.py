# SPDX-License-Identifier: LGPL-3.0
"""Sums by hour and day, and jobs that are in none (projections/definitions/reports.py).

Whole days of a period are read as such, what is beside them by the hour. Where a period does
not begin or end with an hour, the rest of it is read job by job.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import apsw

from eventstore.storage.sql import fetch, statements, value
from projections.definitions.reports import NONE
from projections.job.run_time import HOUR, SECOND, Span
from projections.reports.periods import Period
from projections.reports.report import Group, Values

SQL = statements(__file__)
MOST_PARTS = 64
"""Parts of hours in a report that are read on their own; with more, all jobs are read once."""


class Used(NamedTuple):
    """What jobs used in some whole hours: microseconds times nodes, and times cores.

    ``started``: jobs that began to run in them; ``before``: that ran when they began.
    """

    started: int
    before: int
    node_us: int
    core_us: int


class Alone(NamedTuple):
    """A job that is in no sum."""

    span: Span
    nodes: int
    cores: int
    group: Values


def used(db: apsw.Connection, period: Period, group: Group) -> Iterator[tuple[Values, Used]]:
    """Yield what groups used in the whole hours of a period: a group may come several times."""
    for values, row in _sums(db, "usage", period, group):
        started, before, node_s, node_us, core_s, core_us = row
        yield (
            values,
            Used(started, before, node_s * SECOND + node_us, core_s * SECOND + core_us),
        )


def results(
    db: apsw.Connection, period: Period, group: Group
) -> Iterator[tuple[Values, tuple[int, ...]]]:
    """Yield how many jobs of groups ended in the whole hours of a period, by result.

    A group may come several times.
    """
    return _sums(db, "results", period, group)


def alone(db: apsw.Connection, group: Group) -> Iterator[Alone]:
    """Yield the jobs that are in no sum."""
    keys = "".join(f", {column}" for column in group.columns)
    for start, end, nodes, cores, *values in fetch(db, SQL["alone"].format(and_keys=keys)):
        yield Alone(Span(start, end), nodes, cores, _known(values))


def _sums(
    db: apsw.Connection, name: str, period: Period, group: Group
) -> Iterator[tuple[Values, tuple[int, ...]]]:
    keys = "".join(f"{column}, " for column in group.columns)
    grouped = f"GROUP BY {', '.join(group.columns)}" if group.keys else "HAVING count(*)"
    for unit, first, end in _bounds(*period.hours):
        sql = SQL[f"{name}_of_{unit}"].format(keys=keys, grouped=grouped)
        bindings = {"first": first, "end": end, "from": period.hours[0]}
        for row in db.execute(sql, bindings):
            yield _known(row[: len(group.keys)]), row[len(group.keys) :]


def _bounds(first: int, end: int) -> Iterator[tuple[str, int, int]]:
    """Yield which sums have these hours, by day where a day is whole, and which of them."""
    day, last = -(-first // 24), end // 24
    if day >= last:
        yield "hours", first, end
        return
    yield "days", day, last
    for start, stop in ((first, day * 24), (last * 24, end)):
        if start < stop:
            yield "hours", start, stop


def _known(values: Sequence[Any]) -> Values:
    return tuple(None if found == NONE else found for found in values)


class Part(NamedTuple):
    """A period, or a part of it, in microseconds.

    ``number`` is that of the period; ``first``: it begins where the period does.
    """

    number: int
    start: int
    end: int
    first: bool = True


def whole(periods: Iterable[Period]) -> list[Part]:
    """Return each period as one part."""
    return [Part(number, one.start, one.end) for number, one in enumerate(periods)]


def parts_of_hours(periods: Iterable[Period]) -> list[Part]:
    """Return what whole hours leave of periods: at most two parts of each."""
    found: list[Part] = []
    for number, period in enumerate(periods):
        first, end = period.hours
        if first >= end:
            found.append(Part(number, period.start, period.end))
            continue
        if period.start < first * HOUR:
            found.append(Part(number, period.start, first * HOUR))
        if end * HOUR < period.end:
            found.append(Part(number, end * HOUR, period.end, first=False))
    return found


def with_sums(db: apsw.Connection, periods: Iterable[Period]) -> Iterator[tuple[int, Period]]:
    """Yield the periods, with their numbers, that have a sum in their whole hours."""
    upcoming = -1
    for number, period in enumerate(periods):
        first, end = period.hours
        if first < end and upcoming < first:
            sql = "SELECT min(hour) FROM report_hour WHERE hour >= ?"
            found = value(db, sql, (first,))
            if found is None:
                return
            upcoming = found
        if upcoming < end:
            yield number, period
