# SPDX-License-Identifier: LGPL-3.0
"""What reports are made of: node- and core-time and results of finished jobs, by hour and day.

A job adds to each hour that it ran in, once, when it has ended, and to the days of these. One
that ran for a month, or on more nodes or cores than any machine has, gets a row of its own
instead: it would add to many rows, or to sums that exceed 64 bits. Active jobs are few, and are
counted when a report is made (projections/reports/).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from operator import add
from typing import Any

from eventstore.storage.sql import script
from projections.definitions.interface import Add, Bulk, Put, Puts
from projections.job.run_time import HOUR, SECOND, Span, microseconds, run_of, units
from projections.job.state import CLEANUP, INACTIVE, RESULTS, RUN, Job

NONE = b""
"""Stands for a queue, bank or project that a job does not have: no text is equal to it."""

MOST_HOURS = 31 * 24
MOST_UNITS = 2**24
"""Nodes or cores. The sum of an hour stays below 2^63 up to a machine of 2^31 cores."""

_NO_RESULT = (0,) * len(RESULTS)
_RESULT = {one.mask: tuple(int(one is other) for other in RESULTS) for one in RESULTS}
_NO_TIME = (0, 0, 0, 0)


_Values = tuple[Any, ...]
_Share = tuple[_Values, tuple[int, ...]]  # key and amounts
_Totals = dict[_Values, tuple[int, ...]]


class Reports(Bulk):
    """Sums by hour and by day, and long jobs: ``report_hour``, ``_day`` and ``_alone``."""

    name = "reports"
    version = 2
    schema = script(__file__, "reports.sql")

    def rows(self, job: Job) -> Sequence[Add | Put]:
        """Return what an inactive job adds to the hours of its run, and to that of its end."""
        if job.state != INACTIVE:
            return ()
        alone, hours = _shares(job)
        adds = [Add("report_hour", key, amounts) for key, amounts in hours]
        adds += [Add("report_day", key, amounts) for key, amounts in _days(hours)]
        return adds if alone is None else [Put("report_alone", alone), *adds]

    def finished(self, jobs: Sequence[Job], puts: Puts, sums: Counter[Add]) -> None:
        """Add the rows of many jobs: those of the same hour and group are summed up first."""
        by_hour: _Totals = {}
        by_day: _Totals = {}
        for job in jobs:
            alone, hours = _shares(job)
            if alone is not None:
                puts.setdefault("report_alone", []).append(alone)
            for key, amounts in hours:
                _sum_up(by_hour, key, amounts)
            for key, amounts in _days(hours):
                _sum_up(by_day, key, amounts)
        for table, totals in (("report_hour", by_hour), ("report_day", by_day)):
            for key, total in totals.items():
                sums[Add(table, key, total)] += 1


def _shares(job: Job) -> tuple[_Values | None, list[_Share]]:
    """Return the row of a job that is alone, None of others, and key and amounts by hour."""
    group = (
        NONE if job.queue is None else job.queue,
        job.userid,
        NONE if job.bank is None else job.bank,
        NONE if job.project is None else job.project,
    )
    ended, result = microseconds(job.t_inactive) // HOUR, _RESULT[job.result]
    at_end = (ended, *group), (*_NO_TIME, *result)
    if not job.states_mask & RUN:
        return None, [at_end]
    span, nodes, cores = run(job), units(job.nnodes), units(job.ncores)
    if is_alone(span, nodes, cores):
        return (job.key, *span, nodes, cores, *group), [at_end]
    hours = [
        ((hour, *group),
            (1, int(not place), nodes * time, cores * time,
             *(result if hour == ended else _NO_RESULT)))
        for place, (hour, time) in enumerate(span.by_hour())
    ]  # fmt: skip
    first, last = hours[0][0][0], hours[-1][0][0]
    return None, hours if first <= ended <= last else [*hours, at_end]


def _sum_up(totals: _Totals, key: _Values, amounts: tuple[int, ...]) -> None:
    total = totals.get(key)
    totals[key] = amounts if total is None else tuple(map(add, total, amounts))


def _days(hours: list[_Share]) -> list[_Share]:
    """Return what a job adds to days: seconds and the rest are parted for each job and hour."""
    found: list[_Share] = []
    for (hour, *group), (jobs, started, node_us, core_us, *results) in hours:
        day, hour_of_day = divmod(hour, 24)
        before = 0 if hour_of_day else jobs - started
        times = divmod(node_us, SECOND) + divmod(core_us, SECOND)
        found.append(((day, *group), (started, before, *times, *results)))
    return found


def run(job: Job) -> Span:
    """Return when an inactive job that was in the state RUN ran, in microseconds."""
    return run_of(job.t_run, job.t_cleanup if job.states_mask & CLEANUP else job.t_inactive)


def is_alone(span: Span, nodes: int, cores: int) -> bool:
    """Whether a run is too long, or on too much, to be in the sums; the job's result is."""
    hours = span.last_hour - span.start // HOUR
    return hours >= MOST_HOURS or nodes > MOST_UNITS or cores > MOST_UNITS
