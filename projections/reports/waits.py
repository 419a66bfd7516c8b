# SPDX-License-Identifier: LGPL-3.0
"""How long jobs waited: from their submission to their allocation (``t_run - t_submit``).

A job belongs to the period in which it began to run, whether it has ended or not. One whose
clock was set while it waited is left out. Every wait is looked at, so that quantiles are exact;
eight bytes are kept of each.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterator
from itertools import chain

import apsw

from eventstore.storage.sql import value
from projections.job.run_time import microseconds, wait_of
from projections.reports import single_jobs
from projections.reports.quantiles import mean, quantile
from projections.reports.report import Column, Question, Report, Row, Values, ordered

_PERCENTS = (50, 90, 99)
_FEW = 3  # a job that is looked up takes so many times as long as the next one of a table


def _rows(db: apsw.Connection, question: Question) -> Iterator[Row]:
    waits: dict[tuple[int, Values], array[int]] = {}
    starts = [period.start for period in question.periods]
    begin, end = question.start, question.end
    active = single_jobs.active(db, single_jobs.TIMES, question.group)
    for t_submit, t_run, *values in chain(active, _finished(db, question)):
        began = -1 if t_run is None else microseconds(t_run)
        if not begin <= began < end or (wait := wait_of(t_submit, t_run)) is None:
            continue
        key = bisect_right(starts, began) - 1, tuple(values)
        found = waits.get(key)
        if found is None:
            found = waits[key] = array("q")
        found.append(wait)
    for period, group, some in ordered(question, waits):
        yield Row(period, group, _figures(some))


def _finished(db: apsw.Connection, question: Question) -> Iterator[single_jobs.Found]:
    """Yield those that may have begun in the range: by their lifetimes, where these are few."""
    start, end = question.start, question.end
    last = microseconds(value(db, "SELECT max(t_inactive) FROM inactive") or 0.0)
    if end - start < (last - start) // _FEW:
        return single_jobs.within(db, single_jobs.TIMES, question.group, start, end)
    return single_jobs.since(db, single_jobs.TIMES, question.group, start)


def _figures(waits: array[int] | None) -> tuple[int | None, ...]:
    if waits is None:
        return (0, *[None] * (len(_PERCENTS) + 2))
    ranked = sorted(waits)
    quantiles = (quantile(ranked, percent) for percent in _PERCENTS)
    return len(ranked), *quantiles, ranked[-1], mean(ranked)


WAITS = Report(
    columns=(
        Column("count"),
        *(Column(name, True) for name in ("median", "p90", "p99", "max", "mean")),
    ),
    rows=_rows,
    chart="median",
)
