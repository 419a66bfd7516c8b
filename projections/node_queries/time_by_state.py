# SPDX-License-Identifier: LGPL-3.0
"""For how long nodes were in each state, in parts of a range of time: whole microseconds.

A node counts in one state at a time: the first that holds of unknown (the instance was down,
for one), excluded, offline, drained, torpid, allocated and idle; but a drained node with a job
counts as allocated until the job ends. A node that is not in the instance does not count. So
all states together are nodes times time, exactly.

The work grows with what changed in the range, not with its hours: what lasts over many parts is
added to a sum of differences.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, groupby, pairwise
from math import ceil, floor
from operator import mul

import apsw

from eventstore.reading import event_log
from eventstore.storage.sql import fetch, statements, value
from projections.constraints import interval_index
from projections.job.run_time import HOUR, SECOND, microseconds
from projections.node_queries import allocations
from projections.node_queries.allocations import Allocation
from projections.node_views.moment import nodes_at
from projections.nodes.state import Key
from projections.nodes.timeline import UP, facts, state_of

SQL = statements(__file__)

STATES = ("allocated", "idle", "drained", "offline", "torpid", "excluded", "unknown")
_ALLOCATED, _IDLE, _DRAINED = range(3)
_WITH_JOB = {"drained": _ALLOCATED, UP: _ALLOCATED}
_WITHOUT = {UP: _IDLE, **{name: index for index, name in enumerate(STATES) if index > _IDLE}}
_CHUNK = 14 * 24 * HOUR  # of time that is looked at at once

Times = list[int]
"""Microseconds in each of STATES."""
_Span = tuple[int, int]


class _Sums:
    """Time in each state, in the parts between two neighbours of ``cuts``."""

    def __init__(self, cuts: Sequence[int]) -> None:
        self._cuts = cuts
        size = len(cuts) + 1
        self._part = [[0] * size for _ in STATES]  # of parts that are not filled
        self._whole = [[0] * size for _ in STATES]  # differences of how many fill a part

    def add(self, state: int, start: int, end: int, count: int = 1) -> None:
        """Add [start, end), which is within the cuts."""
        if start >= end:
            return
        cuts, part, whole = self._cuts, self._part[state], self._whole[state]
        first, last = bisect_right(cuts, start) - 1, bisect_right(cuts, end - 1) - 1
        if first == last:
            part[first] += (end - start) * count
            return
        part[first] += (cuts[first + 1] - start) * count
        part[last] += (end - cuts[last]) * count
        whole[first + 1] += count
        whole[last] -= count

    def found(self) -> list[Times]:
        """Return the sums of all parts."""
        lengths = [end - start for start, end in pairwise(self._cuts)]
        columns = []
        for part, whole in zip(self._part, self._whole, strict=True):
            filled = map(mul, accumulate(whole), lengths)
            columns.append([rest + full for rest, full in zip(part, filled, strict=False)])
        return [list(row) for row in zip(*columns, strict=True)]


def measured(db: apsw.Connection, cuts: Sequence[int]) -> list[Times]:
    """Return the times between each two of ``cuts``, ascending microseconds since the epoch."""
    sums = _Sums(cuts)
    first = beginning(db)
    if first is None or len(cuts) < 2:
        return sums.found()
    start, end = max(cuts[0], first), min(cuts[-1], horizon(db))
    states: dict[Key, str] | None = None
    while start < end:
        until = min(start + _CHUNK, end)
        states = _states_at(db, start) if states is None else states
        _add_chunk(db, sums, states, start, until)
        start = until
    return sums.found()


def beginning(db: apsw.Connection) -> int | None:
    """Return when the first node was heard of, in microseconds; None: none was."""
    found = value(db, SQL["first"])
    return None if found is None else microseconds(found)


def horizon(db: apsw.Connection) -> int:
    """Return up to when anything is known: beyond any time while a journal is followed."""
    if value(db, SQL["is_followed"]) is not None:
        return microseconds(float("inf"))
    return microseconds(max(latest_of_nodes(db), event_log.latest(db)))


def latest_of_nodes(db: apsw.Connection) -> float:
    """Return the highest time of the resource module's events, 0.0 where there is none."""
    return float(value(db, SQL["latest_event"]) or 0.0)


def _states_at(db: apsw.Connection, start: int) -> dict[Key, str]:
    nodes = nodes_at(db, start / SECOND)
    return {key: state_of(facts(nodes, node)) for key, node in nodes.nodes.items()}


def _add_chunk(
    db: apsw.Connection, sums: _Sums, states: dict[Key, str], start: int, end: int
) -> None:
    """Add [start, end) to the sums, and have ``states`` be those at its end."""
    used = _used(db, start, end)
    rows = fetch(db, SQL["changes"], (start / SECOND, end / SECOND))
    changes = {Key(*key): list(mine) for key, mine in groupby(rows, key=lambda row: row[:2])}
    quiet: dict[str, int] = {}
    for key, state in states.items():
        if key not in changes and key.host not in used:
            quiet[state] = quiet.get(state, 0) + 1
    for state, count in quiet.items():
        if state in _WITHOUT:
            sums.add(_WITHOUT[state], start, end, count)
    for key in dict.fromkeys([*changes, *(k for k in states if k.host in used)]):
        spans = used.get(key.host, []) if not key.twin else []
        at, state = start, states.get(key, "absent")
        for _, _, begun, following in changes.get(key, ()):
            moment = min(max(microseconds(begun), at), end)
            _add_state(sums, state, at, moment, spans)
            at, state = moment, following
        _add_state(sums, state, at, end, spans)
        states[key] = state


def _add_state(sums: _Sums, state: str, start: int, end: int, spans: Iterable[_Span]) -> None:
    if state not in _WITHOUT or start >= end:
        return
    if state in _WITH_JOB:
        for begun, freed in spans:
            if freed > start and begun < end:
                sums.add(_WITHOUT[state], start, begun)
                sums.add(_ALLOCATED, max(begun, start), min(freed, end))
                start = max(start, freed)
    sums.add(_WITHOUT[state], start, end)


def _used(db: apsw.Connection, start: int, end: int) -> dict[str, list[_Span]]:
    """Return when hosts were allocated, within [start, end): spans apart from each other."""
    found: dict[str, list[_Span]] = {}
    for one in _allocated(db, start, end):
        span = max(microseconds(one.begun), start), min(microseconds(one.freed), end)
        if span[0] < span[1]:
            for host in dict.fromkeys(host for _, host in one.places()):
                found.setdefault(host, []).append(span)
    return {host: list(_united(sorted(spans))) for host, spans in found.items()}


def _united(spans: Iterable[_Span]) -> Iterator[_Span]:
    last: _Span | None = None
    for begun, freed in spans:
        if last is None:
            last = begun, freed
        elif begun <= last[1]:
            last = last[0], max(last[1], freed)
        else:
            yield last
            last = begun, freed
    if last is not None:
        yield last


def _allocated(db: apsw.Connection, start: int, end: int) -> Iterable[Allocation]:
    seconds = floor(start / SECOND), ceil(end / SECOND)
    lifetimes = interval_index.interval_of(interval_index.LIFETIME, *seconds)
    return allocations.during(db, lifetimes)


def by_hour(db: apsw.Connection, first: int, end: int) -> Iterator[tuple[int, Times]]:
    """Yield (hour since the epoch, times) of the stored sums of the hours in [first, end)."""
    if first >= end:
        return
    for hour, *times in db.execute(SQL["hours"], (first, end)):
        yield hour, times
