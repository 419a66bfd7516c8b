# SPDX-License-Identifier: LGPL-3.0
"""What a report is: figures in columns, a row for each period and group that has any.

A figure is a number of jobs, or a time in whole microseconds (times nodes, or cores). Whole
numbers make reports add up: those of adjoining ranges to that of both together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, TypeAlias

import apsw

from projections.reports.periods import Period

KEYS = ("queue", "user", "bank", "project", "name")
"""What jobs can be grouped by."""

_COLUMNS = {"user": "userid"}


class Group(NamedTuple):
    """By which of KEYS jobs are grouped, in this order; by none: all of them together."""

    keys: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns of jobs that the keys stand for."""
        return tuple(_COLUMNS.get(key, key) for key in self.keys)

    @property
    def needs_jobs(self) -> bool:
        """Whether the sums by hour do not have one of the keys: names are too many."""
        return "name" in self.keys


Values: TypeAlias = "tuple[str | int | None, ...]"
"""What a group's jobs have in common, in the order of its keys; None: they do not have it."""


class Column(NamedTuple):
    """A column of figures: microseconds (``is_time``), or a number of jobs."""

    name: str
    is_time: bool = False


class Row(NamedTuple):
    """The figures of a period and a group, in the order of the columns; None: there is none."""

    period: Period
    group: Values
    figures: tuple[int | None, ...]


class Question(NamedTuple):
    """What is asked: which periods, by which group. Periods follow each other without a gap."""

    periods: Sequence[Period]
    group: Group

    @property
    def start(self) -> int:
        """The beginning of the range."""
        return self.periods[0].start

    @property
    def end(self) -> int:
        """Its end."""
        return self.periods[-1].end


def _nothing(_: apsw.Connection, __: Question) -> str:
    return ""


class Report(NamedTuple):
    """A kind of report: its columns, what makes its rows, and which column a chart shows.

    ``note`` returns what is to be said below the rows; "": nothing. ``beginning`` is given for
    a report that is not of jobs: when what it shows begins, in microseconds; None: never.
    """

    columns: tuple[Column, ...]
    rows: Callable[[apsw.Connection, Question], Iterable[Row]]
    chart: str
    note: Callable[[apsw.Connection, Question], str] = _nothing
    beginning: Callable[[apsw.Connection], int | None] | None = None


def ordered(question: Question, totals: dict[tuple[int, Values], Any]) -> Iterator[Any]:
    """Yield (period, group, total) by period, then by group; ``totals`` has periods by number.

    Where neither periods nor groups are asked for, there is always the one total, or None.
    """
    if not question.periods[0].name and not question.group.keys:
        yield question.periods[0], (), totals.get((0, ()))
        return
    for number, group in sorted(totals, key=_order):
        yield question.periods[number], group, totals[number, group]


def _order(key: tuple[int, Values]) -> tuple[int, list[tuple[bool, Any]]]:
    number, group = key
    return number, [(value is None, value) for value in group]
