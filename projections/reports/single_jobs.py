# SPDX-License-Identifier: LGPL-3.0
"""Jobs one by one, as reports need them: active ones, and what no sum by hour answers.

Times of a JobRow are as stored, in seconds since the epoch. What a clock that was set makes of
them is for run_time.py to say.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import ceil, floor
from typing import Any, NamedTuple

import apsw

from projections.constraints.interval_index import LIFETIME, buckets
from projections.constraints.sql_plan import listed
from projections.job.run_time import SECOND, Span, microseconds, run_of, units
from projections.queries.candidates import disordered, levels
from projections.reports.report import Group, Values

_COLUMNS = (
    "t_submit, t_run, coalesce(t_cleanup, t_inactive), t_inactive, coalesce(nnodes, 0),"
    " coalesce(ncores, 0), result"
)
TIMES = "t_submit, t_run"
"""Columns for who needs no more of a job: read sooner than a JobRow is made."""
Found = tuple[Any, ...]
"""The columns that were asked for, and those of the group."""
_TOGETHER = 500  # jobs that are read at once, by their keys


class JobRow(NamedTuple):
    """A job. ``ended`` is when it no longer ran, None while it does; ``t_run`` None: never.

    ``result`` is the word that `flux jobs` prints, None while it is active.
    """

    t_submit: float
    t_run: float | None
    ended: float | None
    t_inactive: float | None
    nnodes: int
    ncores: int
    result: str | None
    group: Values

    @property
    def nodes(self) -> int:
        """Its nodes, 0 where they are not known."""
        return units(self.nnodes)

    @property
    def cores(self) -> int:
        """Its cores, 0 where they are not known."""
        return units(self.ncores)

    def run(self, now: int) -> Span | None:
        """When it ran, up to ``now`` (microseconds) where it still does; None: not by then."""
        if self.t_run is None or microseconds(self.t_run) >= now:
            return None
        return run_of(self.t_run, now / SECOND if self.ended is None else self.ended)


def started(db: apsw.Connection, group: Group) -> Iterator[JobRow]:
    """Yield the active jobs that have begun to run."""
    return map(_job, active(db, _COLUMNS, group))


def finished_since(db: apsw.Connection, group: Group, start: int) -> Iterator[JobRow]:
    """Yield the finished jobs, but for those that ended before ``start`` (microseconds)."""
    return map(_job, since(db, _COLUMNS, group, start))


def ended_between(db: apsw.Connection, group: Group, start: int, end: int) -> Iterator[JobRow]:
    """Yield the jobs that ended between two times (microseconds), and some just beside them."""
    between = floor(start / SECOND), ceil(end / SECOND)
    source = "inactive WHERE t_inactive BETWEEN ? AND ?"
    return map(_job, _select(db, _COLUMNS, group, source, between))


def finished_within(
    db: apsw.Connection, group: Group, start: int, end: int
) -> Iterator[JobRow]:
    """Yield the finished jobs that lived between two times (microseconds), and some others."""
    return map(_job, within(db, _COLUMNS, group, start, end))


def active(db: apsw.Connection, columns: str, group: Group) -> Iterator[Found]:
    """Yield what `started` does, as rows of some columns."""
    return _select(db, columns, group, "active WHERE t_run IS NOT NULL")


def within(
    db: apsw.Connection, columns: str, group: Group, start: int, end: int
) -> Iterator[Found]:
    """Yield what `finished_within` does, as rows."""
    lo, hi = floor(start / SECOND), ceil(end / SECOND)
    source = (
        "span CROSS JOIN inactive USING (job, t_inactive)"
        " WHERE kind = ? AND level = ? AND bucket BETWEEN ? AND ? AND lo <= ? AND hi >= ?"
    )
    for level in levels(db, LIFETIME):
        bounds = LIFETIME, level, *buckets(level, lo, hi), hi, lo
        yield from _select(db, columns, group, source, bounds)
    yield from _of_keys(db, columns, group, sorted(key for _, key in disordered(db)))


def since(db: apsw.Connection, columns: str, group: Group, start: int) -> Iterator[Found]:
    """Yield what `finished_since` does, as rows."""
    after = start // SECOND
    yield from _select(db, columns, group, "inactive WHERE t_inactive >= ?", (after,))
    odd = [key for time, key in disordered(db) if time < after]
    yield from _of_keys(db, columns, group, odd)


def _of_keys(
    db: apsw.Connection, columns: str, group: Group, keys: list[int]
) -> Iterator[Found]:
    for first in range(0, len(keys), _TOGETHER):
        among, bindings = listed("job", keys[first : first + _TOGETHER])
        source = f"inactive NOT INDEXED WHERE {among}"
        yield from _select(db, columns, group, source, bindings)


def _select(
    db: apsw.Connection,
    columns: str,
    group: Group,
    source: str,
    bindings: Iterable[object] = (),
) -> Iterator[Found]:
    names = ", ".join((columns, *group.columns))
    yield from db.execute(f"SELECT {names} FROM {source}", tuple(bindings))


def _job(row: Found) -> JobRow:
    return JobRow._make((*row[:7], row[7:]))
