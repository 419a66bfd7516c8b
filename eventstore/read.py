# SPDX-License-Identifier: LGPL-3.0
"""Reading back what is stored: by the order of arrival, or one job in its own order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import apsw

from .journal import Entry, decode_event
from .merge import anchored
from .record import Notice, Record
from .store import fetch, value

_CHUNK = 10_000  # rows held at a time
_EVENTS = (
    "SELECT seq, job, jobid, stream, replayed, anchor, data FROM event JOIN job ON key = job "
    "WHERE seq > ? AND seq <= ? ORDER BY seq"
)


def head(db: apsw.Connection) -> int:
    """Highest seq that is stored; 0 where nothing is."""
    return int(
        value(
            db,
            "SELECT max(coalesce((SELECT max(seq) FROM event), 0),"
            " coalesce((SELECT max(seq) FROM notice), 0))",
        )
    )


def records(
    db: apsw.Connection, after: int = 0, upto: int | None = None
) -> Iterator[Record | Notice]:
    """Everything stored with ``after`` < seq <= ``upto``, in the order of seq."""
    last = head(db) if upto is None else upto
    while after < last:
        until = min(after + _CHUNK, last)
        yield from _chunk(db, after, until)
        after = until


def _chunk(db: apsw.Connection, after: int, until: int) -> Iterator[Record | Notice]:
    window = (after, until)
    within = "FROM {} WHERE seq > ? AND seq <= ? ORDER BY seq"
    jobspecs: dict[int, bytes] = dict(
        db.execute("SELECT seq, data " + within.format("jobspec"), window)
    )
    rs: dict[int, bytes] = dict(db.execute("SELECT seq, data " + within.format("R"), window))
    notices = [
        Notice(*row)
        for row in db.execute("SELECT seq, time, kind, data " + within.format("notice"), window)
    ]
    for row in _rows(db, _EVENTS, window):
        seq = row[0]
        while notices and notices[0].seq < seq:
            yield notices.pop(0)
        yield _record(row, jobspecs.get(seq), rs.get(seq))
    yield from notices


def job_records(db: apsw.Connection, job: int, upto: int | None = None) -> list[Record]:
    """One job's events up to a seq, in the job's order."""
    bound = 2**63 - 1 if upto is None else upto
    rows = fetch(
        db,
        "SELECT e.seq, e.job, jobid, stream, replayed, anchor, e.data, j.data, r.data"
        " FROM event e JOIN job ON key = e.job"
        " LEFT JOIN jobspec j ON j.seq = e.seq LEFT JOIN R r ON r.seq = e.seq"
        " WHERE e.job = ? AND e.seq <= ? ORDER BY e.seq",
        (job, bound),
    )
    found = [_record(row, row[7], row[8]) for row in rows]
    if not any(record.late for record in found):
        return found
    return [
        found[index] for index in anchored([(record.seq, record.anchor) for record in found])
    ]


def of_jobid(db: apsw.Connection, jobid: int, after: int = 0) -> list[Record]:
    """Return the events of all jobs with this id that have seq > ``after``, by seq."""
    found = [record for key in keys(db, jobid) for record in job_records(db, key)]
    wanted = (record for record in found if record.seq > after)
    return sorted(wanted, key=lambda record: record.seq)


def purges_of(db: apsw.Connection, job: int) -> list[tuple[int, float]]:
    """Return (seq, time) of the notice that the job manager purged this job."""
    return fetch(
        db,
        "SELECT n.seq, time FROM purged p JOIN notice n ON n.seq = p.seq WHERE job = ?",
        (job,),
    )


def gone_since(db: apsw.Connection, job: int, upto: int) -> list[tuple[int, float]]:
    """Return (seq, time) of the notices up to a seq that the job manager lost this job."""
    return fetch(
        db,
        "SELECT n.seq, time FROM gone g JOIN notice n ON n.seq = g.seq"
        " WHERE job = ? AND g.seq <= ? ORDER BY g.seq",
        (job, upto),
    )


def ever_gone(db: apsw.Connection) -> list[int]:
    """Keys of the jobs that the job manager lost at some time."""
    return [key for (key,) in fetch(db, "SELECT DISTINCT job FROM gone")]


def by_seq(db: apsw.Connection, seqs: Iterable[int]) -> list[Record]:
    """Return the events of these seqs, in that order, without jobspec and R."""
    return [_record(row) for seq in seqs for row in fetch(db, _EVENTS, (seq - 1, seq))]


def boots(db: apsw.Connection) -> list[Notice]:
    """The notices of other boots of the broker, in the order of seq."""
    rows = fetch(
        db, "SELECT seq, time, kind, data FROM notice WHERE kind = 'boot' ORDER BY seq"
    )
    return [Notice(*row) for row in rows]


def keys(db: apsw.Connection, jobid: int) -> list[int]:
    """Keys of the jobs with this id, the newest stream first; empty where there is none."""
    rows = fetch(db, "SELECT key FROM job WHERE jobid = ? ORDER BY stream DESC", (jobid,))
    return [key for (key,) in rows]


def _record(row: Any, jobspec: bytes | None = None, r: bytes | None = None) -> Record:  # noqa: ANN401
    seq, job, jobid, stream, replayed, anchor, data = row[:7]
    return Record(seq, job, jobid, stream, bool(replayed), anchor, _entry(data), jobspec, r)


def _rows(db: apsw.Connection, sql: str, bindings: tuple[int, int]) -> Iterator[Any]:
    yield from db.execute(sql, bindings)


def _entry(data: bytes) -> Entry:
    entry = decode_event(data)
    if not isinstance(entry, Entry):
        # Only an event that decoded was appended, so this one was changed since.
        raise apsw.CorruptError(f"a stored event cannot be decoded ({entry.reason})")
    return entry


def latest(db: apsw.Connection) -> float:
    """Return the time that events have reached; jobs interleave, but not by much."""
    recent = "SELECT timestamp FROM event ORDER BY seq DESC LIMIT 10000"
    return float(value(db, f"SELECT max(timestamp) FROM ({recent})") or 0.0)


def unseen(db: apsw.Connection, boot: str) -> bool:
    """Tell whether no source came from this boot of a broker."""
    return value(db, "SELECT 1 FROM source WHERE boot = ? LIMIT 1", (boot,)) is None
