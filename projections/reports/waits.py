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

from projections.job.run_time import microseconds, wait_of
from projections.reports import single_jobs
from projections.reports.quantiles import mean, quantile
from projections.reports.report import Column, Question, Report, Row, Values, ordered

_PERCENTS = (50, 90, 99)


def _rows(db: apsw.Connection, question: Question) -> Iterator[Row]:
    waits: dict[tuple[int, Values], array[int]] = {}
    starts = [period.start for period in question.periods]
    for job in chain(
        single_jobs.started(db, question.group),
        single_jobs.finished_since(db, question.group, question.start),
    ):
        if job.t_run is None:
            continue
        began, wait = microseconds(job.t_run), wait_of(job.t_submit, job.t_run)
        if wait is not None and question.start <= began < question.end:
            key = bisect_right(starts, began) - 1, job.group
            waits.setdefault(key, array("q")).append(wait)
    for period, group, found in ordered(question, waits):
        yield Row(period, group, _figures(found))


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
