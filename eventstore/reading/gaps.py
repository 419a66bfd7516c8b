# SPDX-License-Identifier: LGPL-3.0
"""Gaps: what may be missing from the store, from when to when, and why.

beginning  a job whose ``submit`` is not stored: earlier events were never seen
backlog    a job that was first seen in a backlog: what was posted live only (annotations,
           volatile memos) and the jobspec as it was submitted are not known
gone       a job that a complete backlog did not have any more: how it ended is not known
source     a source that was never closed, or closed before its end: what was posted live
           only, between its last batch and the next source of its name, may be missing
damage     missing sequence numbers: `flux-jobdb recover` could not read these events, and
           they have not been ingested again since, as their checksums tell
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import apsw

from eventstore.events.digest_chain import numbers_of
from eventstore.reading.event_log import head
from eventstore.reading.remembered import Remembered
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


_MOST_REMEMBERED = 10_000  # jobs without a submit
KINDS = ("beginning", "backlog", "gone", "source", "damage")


def gaps(db: apsw.Connection, path: str, kinds: Sequence[str] = KINDS) -> Iterator[Gap]:
    """Yield the gaps of these kinds, in the order of KINDS.

    ``path`` is the database's, to see who writes it.
    """
    for kind in KINDS:
        if kind in kinds:
            yield from _BY_KIND[kind](db, path)


def _beginnings(db: apsw.Connection, _: str) -> Iterator[Gap]:
    for jobid, first in db.execute(SQL["beginning"]):
        yield Gap("beginning", jobid, None, first, "its first stored event is not submit")


def _backlogs(db: apsw.Connection, _: str) -> Iterator[Gap]:
    why = "first seen in a backlog: live-only events and the original jobspec are not known"
    for jobid, first, last in db.execute(SQL["backlog"]):
        yield Gap("backlog", jobid, first, last, why)


def _gone(db: apsw.Connection, _: str) -> Iterator[Gap]:
    why = "a complete backlog did not have it: how it ended is not known"
    for jobid, last, time in db.execute(SQL["gone"]):
        yield Gap("gone", jobid, last, max(last, time), why)


def _damages(db: apsw.Connection, _: str) -> Iterator[Gap]:
    if not _has_holes(db):
        return
    for last, following, since, until in _holes(db):
        why = f"events {last + 1} to {following - 1} could not be recovered"
        yield Gap("damage", None, since, until, why)


def _has_holes(db: apsw.Connection, after: int = 0) -> bool:
    """Whether numbers behind ``after`` are missing."""
    counted = "(SELECT count(*) FROM {0} WHERE seq > ?1)"
    sql = f"SELECT {counted.format('event')} + {counted.format('notice')}"
    return bool(value(db, sql, (after,)) != _highest(db) - after)


def _highest(db: apsw.Connection) -> int:
    return max(head(db), int(value(db, "SELECT coalesce(max(last), 0) FROM batch")))


def counts(db: apsw.Connection, path: str) -> dict[str, int]:
    """Return how many gaps there are of each kind."""
    return Counting().counts(db, path)


class _Counted(NamedTuple):
    """What was looked at: all jobs up to ``last``, and whether seqs up to ``whole`` are there.

    ``backlogs``: how many of these jobs that have a submit a backlog showed first; ``without``:
    those that have none.
    """

    last: int = 0
    backlogs: int = 0
    without: tuple[int, ...] = ()
    whole: int = 0


class Counting:
    """Counts gaps again and again: how a job began is looked at once, and then remembered.

    To be used by one thread at a time. A submit may come late, so that jobs without one are
    looked at each time; where these are more than 10,000, all jobs are.
    """

    def __init__(self) -> None:
        self._known = Remembered(_Counted())

    def counts(self, db: apsw.Connection, path: str) -> dict[str, int]:
        """Return how many gaps there are of each kind. Called inside a snapshot."""
        before = self._known.latest(db)
        has_holes = _has_holes(db, before.whole)
        now, backlogs = _jobs(db, before)
        if not has_holes:
            self._known.keep(db, now._replace(whole=_highest(db)))
        found = {"beginning": len(now.without), "backlog": backlogs}
        found["gone"] = _count(db, SQL["gone"])
        found["source"] = _count(db, SQL["source"], (_being_read(db, path),))
        found["damage"] = len(_holes(db)) if has_holes else 0
        return found


def _jobs(db: apsw.Connection, before: _Counted) -> tuple[_Counted, int]:
    """Return what is known now, and how many jobs a backlog showed first."""
    if len(before.without) > _MOST_REMEMBERED:
        before = _Counted(whole=before.whole)
    new = fetch(db, SQL["how_begun"], (before.last,))[0]
    again = fetch(db, SQL["how_these_begun"], (str(list(before.without)),))[0]
    without = [*json.loads(again[1]), *json.loads(new[1])]
    backlogs = before.backlogs + again[2] + new[2]
    now = _Counted(max(before.last, new[0]), backlogs, tuple(without), before.whole)
    return now, backlogs + again[3] + new[3]


def _holes(db: apsw.Connection) -> list[tuple[int, int, float | None, float | None]]:
    """Return the rows of "damage" of which not all events have come again."""
    holes = {hole: _losses(db, hole[0] + 1, hole[1] - 1) for hole in fetch(db, SQL["damage"])}
    lost = [loss for losses in holes.values() for loss in losses if loss is not None]
    last_seen = _last_seen(db, lost)

    def came_again(loss: _Loss | None) -> bool:
        return loss is not None and all(last_seen.get(sum_, 0) > loss[0] for sum_ in loss[1])

    return [
        hole for hole, losses in holes.items() if not (losses and all(map(came_again, losses)))
    ]


_Loss = tuple[int, tuple[int, ...]]  # (batch, checks)


def _losses(db: apsw.Connection, first: int, last: int) -> list[_Loss | None]:
    """Return each batch that has lost these seqs, with the checks of the events that it lost.

    None where the batch's own row was damaged, so that they are not known.
    """
    found: list[_Loss | None] = []
    for batch, missing, checks, stored in fetch(db, SQL["batches_with_losses"], (first, last)):
        lost = numbers_of(checks)[stored:]
        found.append((batch, lost) if len(lost) == missing else None)
    return found


def _last_seen(db: apsw.Connection, lost: list[_Loss]) -> dict[int, int]:
    """Return the last batch in which each of the checks occurs."""
    wanted = {check for _, checks in lost for check in checks}
    found: dict[int, int] = {}
    first = min((batch for batch, _ in lost), default=0)
    sql = "SELECT batch, checks FROM batch WHERE batch > ? ORDER BY batch"
    for batch, checks in db.execute(sql, (first,)) if wanted else ():
        found |= dict.fromkeys(wanted.intersection(numbers_of(checks)), batch)
    return found


def _unfinished_sources(db: apsw.Connection, path: str) -> Iterator[Gap]:
    reading = _being_read(db, path)
    for name, outcome, last, following in db.execute(SQL["source"], (reading,)):
        never = "was never closed (crash or disconnect)"
        how = never if outcome is None else f"was closed before its end ({outcome})"
        yield Gap("source", None, last, following, f"source {name} {how}")


_BY_KIND: dict[str, Callable[[apsw.Connection, str], Iterator[Gap]]] = {
    "beginning": _beginnings,
    "backlog": _backlogs,
    "gone": _gone,
    "source": _unfinished_sources,
    "damage": _damages,
}


def _count(db: apsw.Connection, sql: str, bindings: tuple[int, ...] = ()) -> int:
    return int(value(db, f"SELECT count(*) FROM ({sql})", bindings))


def _being_read(db: apsw.Connection, path: str) -> int:
    """Return the source that a running writer reads, 0 if there is none."""
    if path == MEMORY or not is_being_written(path):
        return 0
    return sum(source for (source,) in fetch(db, SQL["being_read"]))
