# SPDX-License-Identifier: LGPL-3.0
"""What the store cannot know, and why: its gaps.

Kinds, each with the time from which and until which something may be missing:

    beginning  a job whose ``submit`` is not here: what came before was never seen
    backlog    a job that was met in a backlog: what was posted live only (annotations,
               volatile memos) and the jobspec as it was submitted are not known
    gone       a job that the job manager did not have any more, when it was looked at again:
               how it ended is not known
    source     a source that ended without a goodbye: what was posted live only, between its
               last batch and the next source of its name, may be missing
    damage     numbers of events that are not here: `flux-jobdb recover` could not read them,
               and where the journal was given again since, they are here under other numbers
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import apsw

from eventstore.reading.event_log import head
from eventstore.storage.connection import MEMORY
from eventstore.storage.sql import value
from eventstore.storage.writer_lock import is_being_written


class Gap(NamedTuple):
    """One gap. Times are in seconds since the epoch; None: from ever, until now."""

    kind: str
    jobid: int | None  # None: it concerns no single job
    since: float | None
    until: float | None
    why: str


_BEGINNING = """
FROM job WHERE NOT EXISTS (SELECT 1 FROM event WHERE job = key AND name = 'submit')"""
_BACKLOG = """
FROM job WHERE (SELECT replayed FROM event WHERE job = key ORDER BY seq LIMIT 1)"""
# An event that came later shows that the job is there after all.
_GONE = """
FROM gone g JOIN job ON key = g.job JOIN notice n ON n.seq = g.seq
WHERE NOT EXISTS (SELECT 1 FROM event e WHERE e.job = g.job AND e.seq > g.seq)"""
_SOURCE = """
FROM source s WHERE (ended IS NULL OR outcome NOT IN ('done', 'recovered')) AND source != ?"""
_DAMAGE = """
FROM (SELECT seq, lead(seq) OVER (ORDER BY seq) AS next FROM
      (SELECT 0 AS seq UNION ALL SELECT seq FROM event UNION ALL SELECT seq FROM notice
       UNION ALL SELECT max(last) + 1 FROM batch))
WHERE next > seq + 1"""


def gaps(db: apsw.Connection, path: str) -> Iterator[Gap]:
    """Yield all gaps, kind by kind. ``path`` is the database's, to see who writes it."""
    for jobid, first in db.execute(
        "SELECT jobid, (SELECT min(timestamp) FROM event WHERE job = key)" + _BEGINNING
    ):
        yield Gap("beginning", jobid, None, first, "its first event here is not submit")
    for jobid, first, last in db.execute(
        "SELECT jobid, (SELECT min(timestamp) FROM event WHERE job = key),"
        " (SELECT max(timestamp) FROM event WHERE job = key AND replayed)" + _BACKLOG
    ):
        yield Gap("backlog", jobid, first, last, "met in a backlog: live-only events and the"
                  " original jobspec are not known")  # fmt: skip
    for jobid, last, time in db.execute(
        "SELECT jobid, (SELECT max(timestamp) FROM event e WHERE e.job = g.job), n.time" + _GONE
    ):
        yield Gap("gone", jobid, last, max(last, time), "a complete backlog did not have it:"
                  " how it ended is not known")  # fmt: skip
    for name, outcome, last, following in db.execute(
        "SELECT name, outcome, coalesce((SELECT max(committed) FROM batch b WHERE"
        " b.source = s.source), started), (SELECT min(started) FROM source o WHERE"
        " o.source > s.source AND o.name = s.name)" + _SOURCE,
        (_reading(db, path),),
    ):
        how = "without a goodbye" if outcome is None else f"before its end ({outcome})"
        yield Gap("source", None, last, following, f"source {name} ended {how}")
    if value(db, "SELECT count(*)" + _DAMAGE):
        yield from _damage(db)


def counts(db: apsw.Connection, path: str) -> dict[str, int]:
    """Return how many gaps there are of each kind."""
    found = {
        kind: value(db, "SELECT count(*)" + sql)
        for kind, sql in (("beginning", _BEGINNING), ("backlog", _BACKLOG), ("gone", _GONE))
    }
    found["source"] = value(db, "SELECT count(*)" + _SOURCE, (_reading(db, path),))
    stored = value(db, "SELECT (SELECT count(*) FROM event) + (SELECT count(*) FROM notice)")
    numbered = max(head(db), value(db, "SELECT coalesce(max(last), 0) FROM batch"))
    found["damage"] = value(db, "SELECT count(*)" + _DAMAGE) if stored != numbered else 0
    return found


def _damage(db: apsw.Connection) -> Iterator[Gap]:
    at = "(SELECT timestamp FROM event WHERE seq {} ORDER BY seq {} LIMIT 1)"
    before, after = at.format("<= s", "DESC"), at.format(">= n", "ASC")
    for last, following, since, until in db.execute(
        f"WITH hole AS (SELECT seq AS s, next AS n {_DAMAGE})"
        f" SELECT s, n, {before}, {after} FROM hole"
    ):
        why = f"events {last + 1} to {following - 1} could not be recovered"
        yield Gap("damage", None, since, until, why)


def _reading(db: apsw.Connection, path: str) -> int:
    """Return the source that is being read by a living writer, 0 where there is none."""
    if path == MEMORY or not is_being_written(path):
        return 0
    newest = "SELECT max(source) FROM source"
    return int(
        value(db, f"SELECT source FROM source WHERE source = ({newest}) AND ended IS NULL") or 0
    )
