# SPDX-License-Identifier: LGPL-3.0
"""Gaps: what may be missing from the store, from when to when, and why.

beginning  a job whose ``submit`` is not stored: what came before was never seen
backlog    a job that was first seen in a backlog: what was posted live only (annotations,
           volatile memos) and the jobspec as it was submitted are not known
gone       a job that a complete backlog did not have any more: how it ended is not known
source     a source that was never closed, or closed before its end: what was posted live
           only, between its last batch and the next source of its name, may be missing
damage     missing sequence numbers: `flux-jobdb recover` could not read these events. Where
           the journal was given again since, they are stored under other numbers
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import apsw

from eventstore.reading.event_log import head
from eventstore.storage.connection import MEMORY
from eventstore.storage.file_lock import is_being_written
from eventstore.storage.sql import fetch, statements, value

SQL = statements(__file__)


class Gap(NamedTuple):
    """One gap.

    Times are in seconds since the epoch; ``since`` None: from the beginning, ``until`` None:
    until now. ``jobid`` None: it concerns no single job.
    """

    kind: str
    jobid: int | None
    since: float | None
    until: float | None
    why: str


def gaps(db: apsw.Connection, path: str) -> Iterator[Gap]:
    """Yield all gaps, kind by kind. ``path`` is the database's, to see who writes it."""
    for jobid, first in db.execute(SQL["beginning"]):
        yield Gap("beginning", jobid, None, first, "its first stored event is not submit")
    why = "first seen in a backlog: live-only events and the original jobspec are not known"
    for jobid, first, last in db.execute(SQL["backlog"]):
        yield Gap("backlog", jobid, first, last, why)
    why = "a complete backlog did not have it: how it ended is not known"
    for jobid, last, time in db.execute(SQL["gone"]):
        yield Gap("gone", jobid, last, max(last, time), why)
    yield from _unfinished_sources(db, path)
    for last, following, since, until in db.execute(SQL["damage"]):
        why = f"events {last + 1} to {following - 1} could not be recovered"
        yield Gap("damage", None, since, until, why)


def counts(db: apsw.Connection, path: str) -> dict[str, int]:
    """Return how many gaps there are of each kind."""
    found = {kind: _count(db, SQL[kind]) for kind in ("beginning", "backlog", "gone")}
    found["source"] = _count(db, SQL["source"], (_being_read(db, path),))
    stored = value(db, "SELECT (SELECT count(*) FROM event) + (SELECT count(*) FROM notice)")
    numbered = max(head(db), value(db, "SELECT coalesce(max(last), 0) FROM batch"))
    found["damage"] = _count(db, SQL["damage"]) if stored != numbered else 0
    return found


def _unfinished_sources(db: apsw.Connection, path: str) -> Iterator[Gap]:
    reading = _being_read(db, path)
    for name, outcome, last, following in db.execute(SQL["source"], (reading,)):
        never = "was never closed (crash or disconnect)"
        how = never if outcome is None else f"was closed before its end ({outcome})"
        yield Gap("source", None, last, following, f"source {name} {how}")


def _count(db: apsw.Connection, sql: str, bindings: tuple[int, ...] = ()) -> int:
    return int(value(db, f"SELECT count(*) FROM ({sql})", bindings))


def _being_read(db: apsw.Connection, path: str) -> int:
    """Return the source that a running writer reads, 0 where there is none."""
    if path == MEMORY or not is_being_written(path):
        return 0
    return sum(source for (source,) in fetch(db, SQL["being_read"]))
