# SPDX-License-Identifier: LGPL-3.0
"""Notices of the resource module as inputs of the fold, in the order of their times.

Equal times are in the order of arrival. A restart is folded with what was stored later, but
belongs to it: what the KVS still had, and which nodes are excluded, for as long as it lasts.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from math import inf
from typing import NamedTuple

import apsw

from eventstore.events import resource_notices as kinds
from eventstore.storage.sql import fetch, statements, value
from projections.nodes import loads
from projections.nodes.inputs import Change, read_change, read_status
from projections.nodes.reducers import Event

SQL = statements(__file__)

FOLDED = (kinds.EVENT, kinds.STATUS, kinds.END, kinds.BACKLOG)
"""The kinds of notices that are folded."""


class Input(NamedTuple):
    """A notice, in the order of which it is folded."""

    time: float
    seq: int
    kind: str
    data: bytes

    def event(self) -> Event:
        """Return the event that it is."""
        entry = kinds.decode(kinds.EVENT, self.data)
        return Event(self.time, self.seq, entry.name, entry.context)


def inputs(db: apsw.Connection, after: float, until: float = inf) -> Iterator[Input]:
    """Yield the inputs with ``after`` < time <= ``until``."""
    streams = [
        map(Input._make, db.execute(SQL["inputs_of_kind"], (kind, after, until)))
        for kind in FOLDED
    ]
    return heapq.merge(*streams)


class Log:
    """Looks up what a restart needs, as far as it is stored."""

    def __init__(self, db: apsw.Connection) -> None:
        self._db = db

    def knows(self, restart: float) -> loads.Shown:
        """Return what is known of the load that begins with a restart of this time."""
        for (data,) in fetch(self._db, SQL["backlog_at"], (restart,)):
            shown = kinds.decode(kinds.BACKLOG, data)
            if shown.restart != restart:
                continue
            # Where the backlog was truncated, what it lacks before that time says nothing.
            times = [t for t in (shown.until, shown.truncated) if t is not None]
            until = max(times) if times else None
            exclude = self._excluded(restart)
            return loads.Shown(shown.first, until, shown.own, exclude, has_backlog=True)
        return loads.Shown()  # the backlog is not complete yet

    def _excluded(self, restart: float) -> tuple[tuple[int, int], ...] | None:
        found = first_status(self._db, restart)
        if found is None:
            return None
        status = read_status(kinds.decode(kinds.STATUS, found[1]).status)
        return None if status is None else status.exclude

    def history(self, first: float, before: float) -> Iterable[Change]:
        """Yield the drains and undrains with ``first`` <= time < ``before``."""
        for time, seq, data in self._db.execute(SQL["events_between"], (first, before)):
            event = Input(time, seq, kinds.EVENT, data).event()
            if event.name in {"drain", "undrain"}:
                change = read_change(event.name, time, seq, event.context)
                if change is not None:
                    yield change


def first_status(db: apsw.Connection, restart: float) -> tuple[float, bytes] | None:
    """Return (time, data) of the first status in the load that begins with a restart."""
    found = fetch(db, SQL["first_status"], (restart,))
    following = value(db, SQL["next_restart"], (restart,))
    if not found or (following is not None and found[0][0] >= following):
        return None
    time, data = found[0]
    return time, data


def last_restart(db: apsw.Connection, time: float) -> float | None:
    """Return the time of the last restart before a time, whose backlog is stored."""
    found: float | None = value(db, SQL["last_restart"], (time,))
    return found


def has_status(db: apsw.Connection, after: float, before: int) -> bool:
    """Whether a payload behind a time is stored with a seq below ``before``."""
    return value(db, SQL["has_status"], (after, before)) is not None
