# SPDX-License-Identifier: LGPL-3.0
"""Reading candidates from the inactive list by the access paths of a plan, in the list's order.

Each access path becomes one or more *scans*: generators over an index that is in the order of
the list (latest ``t_inactive`` first), or over keys that were found in the interval index and
are read some at a time. The scans are merged, so that a reader who wants the newest jobs only
stops early, and little more than these is read.

A row is (t_inactive, jobid, key, packed values), followed by the columns that a constraint
compares if the plan needs a residual check; `compared` makes a job of such a row.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from functools import cache, partial
from itertools import groupby
from math import ceil, floor, inf
from typing import Any, NamedTuple, TypeAlias

import apsw

from eventstore.storage.sql import fetch, value
from projections.constraints import interval_index
from projections.constraints.access_paths import AccessPath, Cost, InList, TimeRange
from projections.constraints.sql_plan import ALL_TIME, Plan, listed
from projections.constraints.tree import TIMESTAMPS
from projections.job.state import CLEANUP, DEPEND, INACTIVE, RESULTS, RUN, Job

_PROBE = 500  # candidates beyond which access paths count as equally expensive
_MOST_SCANS = 200
_GATHERED = 100  # jobs that are read at a time
_ORDER = "ORDER BY t_inactive DESC, jobid DESC"
_PLACE_AND_ANSWER = "t_inactive, jobid, job, answer"
_RESULTS = {result.name: result.mask for result in RESULTS}
_COMPARED = ", userid, name, queue, result, ranks, nodelist, " + ", ".join(TIMESTAMPS[:-1])

Row: TypeAlias = "tuple[Any, ...]"
_Bindings: TypeAlias = "tuple[str | int | float, ...]"


class Scope(NamedTuple):
    """Which inactive jobs are listed at all.

    Those that ended after ``since`` and not after ``until``; and, where ``follow`` is set,
    were not purged by ``until``. Seconds since the epoch.
    """

    since: float = 0.0
    until: float = inf
    follow: bool = False

    def predicate(self) -> tuple[str, tuple[float, ...]]:
        """Return this as SQL over the inactive list, with its bindings."""
        terms, bindings = ["1"], []
        if self.since > 0:
            terms.append("t_inactive > ?")
            bindings.append(self.since)
        if self.until < inf:
            terms.append("t_inactive <= ?")
            bindings.append(self.until)
        if self.follow:
            terms.append("(t_purged IS NULL OR t_purged > ?)")
            bindings.append(self.until)
        return " AND ".join(terms), tuple(bindings)


def compared(row: Row) -> Job:
    """Return what a constraint compares of an inactive job; other members are not set."""
    t_inactive, jobid, key, _, userid, name, queue, result, ranks, nodelist, *times = row
    t_submit, t_depend, t_priority, t_sched, t_run, t_cleanup = times
    mask = INACTIVE
    for bit, time in ((DEPEND, t_depend), (RUN, t_run), (CLEANUP, t_cleanup)):
        mask |= bit if time is not None else 0
    return Job(
        key,
        jobid,
        0,
        userid=userid,
        name=name,
        queue=queue,
        result=_RESULTS.get(result, 0),
        ranks=ranks,
        nodelist=nodelist,
        state=INACTIVE,
        states_mask=mask,
        submit_version=1,  # the column t_depend is as shown, for every version
        t_submit=t_submit,
        t_depend=t_depend or 0.0,
        t_priority=t_priority or 0.0,
        t_sched=t_sched or 0.0,
        t_run=t_run or 0.0,
        t_cleanup=t_cleanup or 0.0,
        t_inactive=t_inactive,
    )


def candidates(db: apsw.Connection, plan: Plan, scope: Scope) -> Iterator[Row]:
    """Yield the rows that the predicate is true for, in the list's order, each job once."""
    if plan.access_paths is None:
        yield from _scan(db, None, plan, scope)
        return
    scans = [scan for path in plan.access_paths for scan in _scans(db, path, plan, scope)]
    if len(scans) == 1:
        yield from scans[0]
        return
    last = None  # several access paths may lead to one job; its rows are neighbours then
    for row in heapq.merge(*scans, key=_place, reverse=True):
        _, _, key, *_ = row
        if key != last:
            yield row
        last = key


def _place(row: Row) -> tuple[float, int, int]:
    """Return (t_inactive, jobid, key), by which the list is ordered: highest first."""
    place: tuple[float, int, int] = row[:3]
    return place


def _scans(
    db: apsw.Connection, path: AccessPath, plan: Plan, scope: Scope
) -> list[Iterator[Row]]:
    if isinstance(path, InList):
        if len(path.values) > _MOST_SCANS:
            ends = sorted(_in_list(db, path), reverse=True)
            return [_gathered(db, ends, plan, scope)]
        ones = [path._replace(values=(value,)) for value in path.values]
        return [_scan(db, one, plan, scope) for one in ones]
    if isinstance(path, TimeRange):
        ends = sorted(_others(db, path), reverse=True)
        return [_scan(db, path, plan, scope), _gathered(db, ends, plan, scope)]
    found = _latest_overlapping(db, path.intervals)
    return [_gathered(db, _within(db, plan.time_range, found), plan, scope)]


def _others(db: apsw.Connection, path: TimeRange) -> set[tuple[float, int]]:
    """Return (t_inactive, key) of jobs alive in a range of time that may have ended later.

    Those whose t_inactive says nothing, since the clock was set, are among them.
    """
    found = disordered(db)
    return found | alive(db, path.before) if path.before < inf else found


def _within(
    db: apsw.Connection, wanted: TimeRange, jobs: Iterator[tuple[float, int]]
) -> Iterator[tuple[float, int]]:
    """Leave out jobs that were not alive in a range of time, before they are read."""
    others: set[tuple[float, int]] | None = None  # not read while no job ended outside
    for job in jobs:
        if wanted == ALL_TIME or wanted.after <= job[0] <= wanted.before:
            yield job
            continue
        if others is None:
            others = _others(db, wanted)
        if job in others:
            yield job


def _select(plan: Plan, scope: Scope) -> tuple[str, _Bindings]:
    """Return the predicate of a scan, with its bindings."""
    within, bounds = scope.predicate()
    # The sign keeps SQLite from looking for indexes in the predicate: the access path is
    # chosen, and for thousands of terms that takes it time in the square of their number.
    return f"{within} AND +({plan.predicate})", (*bounds, *plan.bindings)


def _columns(plan: Plan) -> str:
    return _PLACE_AND_ANSWER + (_COMPARED if plan.residual_check else "")


def _scan(
    db: apsw.Connection, path: InList | TimeRange | None, plan: Plan, scope: Scope
) -> Iterator[Row]:
    """Read an index in the order of the list: all of it, a range of time, or one value."""
    index, access = "time", "1"
    bindings: _Bindings = ()
    if isinstance(path, InList):
        index, access, bindings = path.column, f"{path.column} = ?", path.values
    elif path is not None:
        access, bindings = "t_inactive BETWEEN ? AND ?", path
    where, bound = _select(plan, scope)
    return _rows(
        db,
        f"SELECT {_columns(plan)} FROM inactive INDEXED BY inactive_by_{index}"
        f" WHERE {access} AND {where} {_ORDER}",
        (*bindings, *bound),
    )


def _gathered(
    db: apsw.Connection, jobs: Iterable[tuple[float, int]], plan: Plan, scope: Scope
) -> Iterator[Row]:
    """Read jobs, (t_inactive, key) latest first, some at a time, in the list's order."""
    where, bound = _select(plan, scope)
    wanted = ((time, key) for time, key in jobs if scope.since < time <= scope.until)
    for keys in _together(wanted):
        among, bindings = listed("job", keys)
        sql = f"SELECT {_columns(plan)} FROM inactive NOT INDEXED WHERE {among} AND {where}"
        rows = _rows(db, sql, (*bindings, *bound))
        yield from sorted(rows, key=_place, reverse=True)


def _together(jobs: Iterable[tuple[float, int]]) -> Iterator[list[int]]:
    """Yield about 100 keys at a time; jobs with the same time stay together."""
    keys: list[int] = []
    for _, same in groupby(jobs, key=lambda item: item[0]):
        keys += [key for _, key in same]
        if len(keys) >= _GATHERED:
            yield keys
            keys = []
    if keys:
        yield keys


def _rows(db: apsw.Connection, sql: str, bindings: _Bindings) -> Iterator[Row]:
    yield from db.execute(sql, bindings)


def alive(db: apsw.Connection, time: float) -> set[tuple[float, int]]:
    """Return (t_inactive, key) of finished jobs that were alive in the second around ``time``.

    ``time`` is in seconds since the epoch. Those of `disordered` are not among them.
    """
    second = interval_index.interval_of(interval_index.LIFETIME, floor(time), ceil(time))
    return overlapping(db, second)


def disordered(db: apsw.Connection) -> set[tuple[float, int]]:
    """Return (t_inactive, key) of finished jobs without a lifetime: their clock was set."""
    return overlapping(db, interval_index.interval_of(interval_index.DISORDERED, 0, 0))


def overlapping(
    db: apsw.Connection, wanted: interval_index.Interval, limit: int = -1
) -> set[tuple[float, int]]:
    """Return (t_inactive, key) of jobs with an interval that overlaps this one.

    ``limit``: about so many at most; -1: all.
    """
    found: set[tuple[float, int]] = set()
    for level in levels(db, wanted.kind):
        if 0 <= limit <= len(found):
            break
        first, last = interval_index.buckets(level, wanted.lo, wanted.hi)
        sql = f"{_OVERLAPPING} AND bucket BETWEEN ? AND ? LIMIT ?"
        bindings = (wanted.kind, level, wanted.hi, wanted.lo, first, last, limit)
        found.update(fetch(db, sql, bindings))
    return found


_OVERLAPPING = (
    "SELECT t_inactive, job FROM span WHERE kind = ? AND level = ? AND lo <= ? AND hi >= ?"
)


def levels(db: apsw.Connection, kind: int) -> Iterator[int]:
    """Yield the levels at which there are intervals of a kind."""
    level = -1
    while True:
        sql = "SELECT min(level) FROM span WHERE kind = ? AND level > ?"
        level = value(db, sql, (kind, level))
        if level is None:
            return
        yield level


def _latest_overlapping(
    db: apsw.Connection, wanted: Sequence[interval_index.Interval]
) -> Iterator[tuple[float, int]]:
    """Yield (t_inactive, key) of jobs with an interval that overlaps one of these.

    Latest first, which is the order within each bucket: a reader that wants the newest jobs
    does not wait for all. Where there are more than 200 buckets, all are read and sorted.
    """
    known = {kind: list(levels(db, kind)) for kind in {one.kind for one in wanted}}
    buckets = [
        (one.kind, level, one.hi, one.lo, bucket)
        for one in wanted
        for level in known[one.kind]
        for bucket in _few(*interval_index.buckets(level, one.lo, one.hi))
    ]
    if len(buckets) > _MOST_SCANS:
        found = {pair for one in wanted for pair in overlapping(db, one)}
        yield from sorted(found, reverse=True)
        return
    sql = f"{_OVERLAPPING} AND bucket = ? ORDER BY t_inactive DESC, job DESC"
    scans = [_rows(db, sql, bindings) for bindings in buckets]
    for pair, _ in groupby(heapq.merge(*scans, reverse=True)):
        yield pair


def _few(first: int, last: int) -> range:
    """Return the buckets: all, or one more than may be read one by one."""
    return range(first, min(last, first + _MOST_SCANS) + 1)


def _in_list(db: apsw.Connection, path: InList, limit: int = -1) -> set[tuple[float, int]]:
    """Return (t_inactive, key) of jobs that have one of these values."""
    among, bindings = listed(path.column, path.values)
    source = f"inactive INDEXED BY inactive_by_{path.column}"
    sql = f"SELECT t_inactive, job FROM {source} WHERE {among} LIMIT ?"
    return set(fetch(db, sql, (*bindings, limit)))


def cost_of(db: apsw.Connection) -> Cost:
    """Return the cost function for `sql_plan.plan`: it counts candidates, up to 500."""
    return cache(partial(_cost, db))


def _cost(db: apsw.Connection, path: AccessPath) -> int:
    if isinstance(path, InList):
        return len(_in_list(db, path, _PROBE))
    if isinstance(path, TimeRange):
        sql = "SELECT 1 FROM inactive WHERE t_inactive BETWEEN ? AND ? LIMIT ?"
        return len(fetch(db, sql, (*path, _PROBE)))
    found = 0
    for wanted in path.intervals:
        found += len(overlapping(db, wanted, _PROBE))
        if found >= _PROBE:
            return _PROBE  # at one of several levels the limit may be exceeded
    return found
