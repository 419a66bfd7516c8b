# SPDX-License-Identifier: LGPL-3.0
"""What is stored of a job already: read where what is remembered does not suffice."""

from __future__ import annotations

import apsw
from msgspec import Struct

from eventstore.events.dedup import LIVE_ONLY, Known, anchored
from eventstore.events.journal_line import Glimpse
from eventstore.reading.event_log import entry, time_of
from eventstore.storage.sql import fetch, statements

SQL = statements(__file__)


class JobPlace(Struct, gc=False):
    """Where a job stands: what is stored of it, and how far this source has read it.

    ``submitted`` is the timestamp of its submit event, ``latest`` its highest timestamp.
    ``count`` events are stored, of which ``cursor`` precede what this source reads next.
    ``known`` holds them, where they were read.
    """

    key: int
    jobid: int
    stream: int
    submitted: float | None = None
    latest: float = float("-inf")
    count: int = 0
    cursor: int = 0
    known: list[Known] | None = None


def places(db: apsw.Connection, jobid: int) -> list[JobPlace]:
    """Return where the jobs of this id stand, in the order of their streams."""
    found: list[JobPlace] = []
    for key, stream in fetch(db, SQL["jobs_of_id"], (jobid,)):
        job = JobPlace(key, jobid, stream)
        job.count, stored, submitted = fetch(db, SQL["extent_of_job"], (key,))[0]
        job.submitted, latest = time_of(submitted), time_of(stored)
        if latest is not None:
            job.latest = latest
        found.append(job)
    return found


def events(db: apsw.Connection, key: int) -> list[Known]:
    """Return a job's stored events, in the job's order."""
    rows = fetch(db, SQL["events_of_job"], (key,))
    found = [
        Known(
            timestamp, name, seq, None if replayed else entry(timestamp, name, form, kept).data
        )
        for seq, _, timestamp, name, replayed, form, kept in rows
    ]
    return [found[i] for i in anchored([(row[0], row[1]) for row in rows])]


def all_known(db: apsw.Connection, seen: Glimpse) -> int | None:
    """Return the key of the job of which all these events are stored; None: decode them.

    None does not say that one of them is missing. It is also returned where the times and
    names of events do not decide: where there are several jobs of this id, where events were
    read late, where there are memos (`Backlog` has to note which of them the backlog shows), or
    where a stored event that is not live-only is missing from this backlog.
    """
    keys = fetch(db, "SELECT key FROM job WHERE jobid = ?", (seen.id,))
    if len(keys) != 1:
        return None
    sql = "SELECT timestamp, name, anchor FROM event WHERE job = ? ORDER BY seq"
    stored = fetch(db, sql, keys[0])
    if any(anchor is not None or name == "memo" for _, name, anchor in stored):
        return None
    said = {(event.timestamp, event.name) for event in seen.events}
    if any(row[:2] not in said and row[1] not in LIVE_ONLY for row in stored):
        return None
    rest = iter([(timestamp, name) for timestamp, name, _ in stored])
    # Each is looked for behind the one before: live-only events stand in between.
    if all((event.timestamp, event.name) in rest for event in seen.events):
        return int(keys[0][0])
    return None
