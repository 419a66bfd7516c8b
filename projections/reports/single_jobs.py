# SPDX-License-Identifier: LGPL-3.0
"""Jobs one by one, as reports need them: active ones, and what no sum by hour answers.

Times of a JobRow are as stored, in seconds since the epoch. What a clock that was set makes of
them is for run_time.py to say.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import ceil, floor
from typing import NamedTuple

import apsw

from projections.constraints.interval_index import LIFETIME, interval_of
from projections.constraints.sql_plan import listed
from projections.job.run_time import SECOND, Span, microseconds, run_of, units
from projections.queries.candidates import disordered, overlapping
from projections.reports.report import Group, Values

_COLUMNS = (
    "t_submit, t_run, coalesce(t_cleanup, t_inactive), t_inactive, coalesce(nnodes, 0),"
    " coalesce(ncores, 0), result"
)
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
    return _read(db, group, "active WHERE t_run IS NOT NULL")


def finished_since(db: apsw.Connection, group: Group, start: int) -> Iterator[JobRow]:
    """Yield the finished jobs, but for those that ended before ``start`` (microseconds)."""
    after = start // SECOND
    yield from _read(db, group, "inactive WHERE t_inactive >= ?", (after,))
    odd = [key for time, key in disordered(db) if time < after]
    yield from _of_keys(db, group, odd)


def ended_between(db: apsw.Connection, group: Group, start: int, end: int) -> Iterator[JobRow]:
    """Yield the jobs that ended between two times (microseconds), and some just beside them."""
    between = floor(start / SECOND), ceil(end / SECOND)
    return _read(db, group, "inactive WHERE t_inactive BETWEEN ? AND ?", between)


def finished_within(
    db: apsw.Connection, group: Group, start: int, end: int
) -> Iterator[JobRow]:
    """Yield the finished jobs that lived between two times (microseconds), and some others."""
    wanted = interval_of(LIFETIME, floor(start / SECOND), ceil(end / SECOND))
    keys = {key for _, key in overlapping(db, wanted) | disordered(db)}
    return _of_keys(db, group, sorted(keys))


def _of_keys(db: apsw.Connection, group: Group, keys: list[int]) -> Iterator[JobRow]:
    for first in range(0, len(keys), _TOGETHER):
        among, bindings = listed("job", keys[first : first + _TOGETHER])
        yield from _read(db, group, f"inactive NOT INDEXED WHERE {among}", bindings)


def _read(
    db: apsw.Connection, group: Group, source: str, bindings: Iterable[object] = ()
) -> Iterator[JobRow]:
    columns = ", ".join((_COLUMNS, *group.columns))
    for row in db.execute(f"SELECT {columns} FROM {source}", tuple(bindings)):
        yield JobRow._make((*row[:7], row[7:]))
