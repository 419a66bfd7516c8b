# SPDX-License-Identifier: LGPL-3.0
"""Listing jobs: which match, in job-list's order, without looking at more than is needed.

Active jobs are few: each is looked at. Inactive ones are led to by an index, as ``plan.py``
says, in streams that are merged in the order of the list; whoever reads stops when it has
enough. Nothing here knows who asks.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache, partial
from itertools import groupby
from math import ceil, floor, inf
from typing import Any, NamedTuple, TypeAlias

import apsw

from eventstore.storage.sql import fetch, value
from projections.constraints import interval_index
from projections.constraints.evaluate import Matcher
from projections.constraints.possible_states import reachable
from projections.constraints.sql_plan import Among, Drive, Side, Window, listed, plan
from projections.constraints.tree import TIMESTAMPS, Constraint
from projections.engine.fold_batch import decode_state
from projections.job.attributes import packed
from projections.job.state import CLEANUP, DEPEND, INACTIVE, PENDING, RUN, RUNNING, Job
from projections.queries.render import Picker

_PROBE = 500  # candidates beyond which drives count as equally expensive
_MOST_STREAMS = 200
_GATHERED = 100  # jobs that are read at a time
_ORDER = "ORDER BY t_inactive DESC, jobid DESC"
# What a row has: its place in the order, the answer, and what a constraint may ask for.
_PLACE = "t_inactive, jobid, job, answer"
_FACTS = ", userid, name, queue, result, ranks, nodelist, " + ", ".join(TIMESTAMPS[:-1])

_Row: TypeAlias = "tuple[Any, ...]"
_Bindings: TypeAlias = "tuple[str | int | float, ...]"


Pack: TypeAlias = Callable[[Job], str]
"""Packs a job's values (answer.py)."""


class Scope(NamedTuple):
    """Which inactive jobs count at all.

    Those that ended after ``since`` and not after ``until``; and, where ``follow`` is set,
    were not purged by ``until``. Seconds since the epoch.
    """

    since: float = 0.0
    until: float = inf
    follow: bool = False

    def where(self) -> tuple[str, tuple[float, ...]]:
        """Return this as SQL over the inactive list."""
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


def active_jobs(db: apsw.Connection) -> list[Job]:
    """Return all active jobs."""
    sql = "SELECT data FROM active JOIN fold USING (job)"
    return [decode_state(data) for (data,) in fetch(db, sql)]


def unpurged(db: apsw.Connection) -> list[int]:
    """Return the keys of the inactive jobs that the job manager has not purged."""
    sql = "SELECT job FROM inactive WHERE t_purged IS NULL"
    return [key for (key,) in fetch(db, sql)]


def listing(
    db: apsw.Connection,
    constraint: Constraint,
    picker: Picker,
    *,
    active: Callable[[], Iterable[Job]],
    scope: Scope,
    max_comparisons: int = 0,
    pack: Pack = packed,
) -> Iterator[bytes]:
    """Return the jobs that match, as JSON text: pending, running, then inactive ones.

    Pending jobs are in the order of priority (highest first) and id, running ones by
    ``t_run`` and inactive ones by ``t_inactive`` (latest first) and id. Which of the three
    are looked at at all is decided as job-list does it (state_match.c).

    With ``max_comparisons``, jobs are compared one by one as job-list does, and beyond that
    number TooManyComparisonsError is raised: nothing is found by an index then.

    ``pack`` packs the values of active jobs.

    An inactive job that was looked at and does not match is an empty text: whoever takes
    turns with others can pause there, however few jobs match.
    """
    matcher = Matcher(constraint, max_comparisons)
    pending, running = reachable(constraint, PENDING), reachable(constraint, RUNNING)
    if pending or running:
        jobs = list(active())

        def picked(job: Job) -> bytes:
            return picker.text(job.id, pack(job))

        if pending:
            yield from _active(jobs, PENDING, _pending_order, matcher, picked)
        if running:
            yield from _active(jobs, RUNNING, _running_order, matcher, picked)
    if not reachable(constraint, INACTIVE):
        return
    if max_comparisons:
        for row in _stream(db, None, Side("1", exact=False), scope):
            yield picker.text(row[1], row[3]) if matcher.matches(_facts(row)) else b""
        return
    side = plan(constraint, cache(partial(_cost, db)))
    for row in candidates(db, side, scope):
        fits = side.exact or matcher.matches(_facts(row))
        yield picker.text(row[1], row[3]) if fits else b""


def _active(
    jobs: Iterable[Job],
    states: int,
    order: Callable[[Job], tuple[float, float]],
    matcher: Matcher,
    picked: Callable[[Job], bytes],
) -> Iterator[bytes]:
    for job in sorted((job for job in jobs if job.state & states), key=order):
        if matcher.matches(job):
            yield picked(job)


def _pending_order(job: Job) -> tuple[float, float]:
    return -job.priority, job.id


def _running_order(job: Job) -> tuple[float, float]:
    # Of equal times, the one that came last is in front (flux-core, job_state.c).
    return -job.t_run, -job.entered


def _facts(row: _Row) -> Job:
    """Return what a constraint may ask of an inactive job."""
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
        result=result,
        ranks=ranks,
        nodelist=nodelist,
        state=INACTIVE,
        states_mask=mask,
        submit_version=1,  # t_depend is what it says, whatever the version was
        t_submit=t_submit,
        t_depend=t_depend or 0.0,
        t_priority=t_priority or 0.0,
        t_sched=t_sched or 0.0,
        t_run=t_run or 0.0,
        t_cleanup=t_cleanup or 0.0,
        t_inactive=t_inactive,
    )


# -- candidates among the inactive jobs


def candidates(db: apsw.Connection, side: Side, scope: Scope) -> Iterator[_Row]:
    """Return rows that pass the filter, in the order of the list, each job once."""
    if side.drives is None:
        yield from _stream(db, None, side, scope)
        return
    streams = [stream for drive in side.drives for stream in _streams(db, drive, side, scope)]
    if len(streams) == 1:
        yield from streams[0]
        return
    last = None
    for row in heapq.merge(*streams, key=_place, reverse=True):
        if row[2] != last:
            yield row
        last = row[2]


def _place(row: _Row) -> tuple[float, int, int]:
    place: tuple[float, int, int] = row[:3]
    return place


def _streams(
    db: apsw.Connection, drive: Drive, side: Side, scope: Scope
) -> list[Iterator[_Row]]:
    if isinstance(drive, Among):
        if len(drive.values) > _MOST_STREAMS:
            ends = sorted(_among(db, drive), reverse=True)
            return [_gathered(db, ends, side, scope)]
        ones = [drive._replace(values=(value,)) for value in drive.values]
        return [_stream(db, one, side, scope) for one in ones]
    if isinstance(drive, Window):
        odd = interval_index.span(interval_index.DISORDERED, 0, 0)
        found = overlapping(db, odd)
        if drive.before < inf:
            found |= alive(db, drive.before)
        ends = sorted(found, reverse=True)
        return [_stream(db, drive, side, scope), _gathered(db, ends, side, scope)]
    return [_gathered(db, _latest_overlapping(db, drive.spans), side, scope)]


def _select(side: Side, scope: Scope) -> tuple[str, _Bindings]:
    """Return the filter of a stream, with its bindings."""
    within, bounds = scope.where()
    return f"{within} AND {side.where}", (*bounds, *side.bindings)


def _columns(side: Side) -> str:
    return _PLACE if side.exact else _PLACE + _FACTS


def _stream(
    db: apsw.Connection, drive: Among | Window | None, side: Side, scope: Scope
) -> Iterator[_Row]:
    """Read an index in the order of the list: all of it, a window, or of one value."""
    index, driven = "time", "1"
    bindings: _Bindings = ()
    if isinstance(drive, Among):
        index, driven, bindings = drive.column, f"{drive.column} = ?", drive.values
    elif drive is not None:
        driven, bindings = "t_inactive BETWEEN ? AND ?", drive
    where, bound = _select(side, scope)
    return _rows(
        db,
        f"SELECT {_columns(side)} FROM inactive INDEXED BY inactive_by_{index}"
        f" WHERE {driven} AND {where} {_ORDER}",
        (*bindings, *bound),
    )


def _gathered(
    db: apsw.Connection, jobs: Iterable[tuple[float, int]], side: Side, scope: Scope
) -> Iterator[_Row]:
    """Read jobs, (t_inactive, key) latest first, some at a time, in the list's order."""
    where, bound = _select(side, scope)
    wanted = ((time, key) for time, key in jobs if scope.since < time <= scope.until)
    for keys in _together(wanted):
        among, bindings = listed("job", keys)
        sql = f"SELECT {_columns(side)} FROM inactive NOT INDEXED WHERE {among} AND {where}"
        rows = _rows(db, sql, (*bindings, *bound))
        yield from sorted(rows, key=_place, reverse=True)


def _together(jobs: Iterable[tuple[float, int]]) -> Iterator[list[int]]:
    """Return some keys at a time; those of the same time are not separated."""
    keys: list[int] = []
    for _, same in groupby(jobs, key=lambda item: item[0]):
        keys += [key for _, key in same]
        if len(keys) >= _GATHERED:
            yield keys
            keys = []
    if keys:
        yield keys


def _rows(db: apsw.Connection, sql: str, bindings: _Bindings) -> Iterator[_Row]:
    yield from db.execute(sql, bindings)


def alive(db: apsw.Connection, time: float) -> set[tuple[float, int]]:
    """Return (t_inactive, key) of finished jobs that lived in the second around ``time``."""
    return overlapping(
        db, interval_index.span(interval_index.LIFETIME, floor(time), ceil(time))
    )


def overlapping(
    db: apsw.Connection, wanted: interval_index.Span, limit: int = -1
) -> set[tuple[float, int]]:
    """Return (t_inactive, key) of jobs with an interval that overlaps this one."""
    found: set[tuple[float, int]] = set()
    for level in _levels(db, wanted.kind):
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


def _levels(db: apsw.Connection, kind: int) -> Iterator[int]:
    level = -1
    while True:
        sql = "SELECT min(level) FROM span WHERE kind = ? AND level > ?"
        level = value(db, sql, (kind, level))
        if level is None:
            return
        yield level


def _latest_overlapping(
    db: apsw.Connection, wanted: Sequence[interval_index.Span]
) -> Iterator[tuple[float, int]]:
    """Yield (t_inactive, key) of jobs with an interval that overlaps one of these.

    Latest first, so that whoever wants the newest does not wait for all. Each bucket is in that
    order; where there are very many, all are read and sorted.
    """
    buckets = [
        (one.kind, level, one.hi, one.lo, bucket)
        for one in wanted
        for level in _levels(db, one.kind)
        for bucket in _few(*interval_index.buckets(level, one.lo, one.hi))
    ]
    if len(buckets) > _MOST_STREAMS:
        found = {pair for one in wanted for pair in overlapping(db, one)}
        yield from sorted(found, reverse=True)
        return
    sql = f"{_OVERLAPPING} AND bucket = ? ORDER BY t_inactive DESC, job DESC"
    streams = [_rows(db, sql, bindings) for bindings in buckets]
    for pair, _ in groupby(heapq.merge(*streams, reverse=True)):
        yield pair


def _few(first: int, last: int) -> range:
    """Return the buckets, or one more than can be read one by one."""
    return range(first, min(last, first + _MOST_STREAMS) + 1)


def _among(db: apsw.Connection, drive: Among, limit: int = -1) -> set[tuple[float, int]]:
    """Return (t_inactive, key) of jobs that have one of these values."""
    among, bindings = listed(drive.column, drive.values)
    source = f"inactive INDEXED BY inactive_by_{drive.column}"
    sql = f"SELECT t_inactive, job FROM {source} WHERE {among} LIMIT ?"
    return set(fetch(db, sql, (*bindings, limit)))


def _cost(db: apsw.Connection, drive: Drive) -> int:
    """Count candidates, up to a number beyond which it does not matter."""
    if isinstance(drive, Among):
        return len(_among(db, drive, _PROBE))
    if isinstance(drive, Window):
        sql = "SELECT 1 FROM inactive WHERE t_inactive BETWEEN ? AND ? LIMIT ?"
        return len(fetch(db, sql, (*drive, _PROBE)))
    found = 0
    for wanted in drive.spans:
        found += len(overlapping(db, wanted, _PROBE))
        if found >= _PROBE:
            break
    return found
