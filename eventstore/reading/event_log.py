# SPDX-License-Identifier: LGPL-3.0
"""Reading back what is stored: by the order of arrival, or one job in its own order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import apsw

from eventstore.events.compression import FORMS, WHOLE, inflate
from eventstore.events.dedup import anchored
from eventstore.events.journal_line import Entry, decode_event
from eventstore.events.records import Notice, Record
from eventstore.storage.sql import fetch, value

_CHUNK = 10_000  # rows held at a time
_COLUMNS = "e.seq, job, jobid, stream, replayed, anchor, timestamp, name, form, e.data"
_EVENTS = (
    f"SELECT {_COLUMNS} FROM event e JOIN job ON key = job"
    " WHERE e.seq > ? AND e.seq <= ? AND e.job % ? = ? ORDER BY e.seq"
)
_PAYLOADS = (
    "SELECT p.seq, p.data, b.data FROM {0} p LEFT JOIN {0} b ON b.seq = p.base"
    " WHERE p.seq > ? AND p.seq <= ? ORDER BY p.seq"
)


def head(db: apsw.Connection) -> int:
    """Highest seq that was given out; 0 where nothing is stored."""
    sql = "SELECT last FROM batch WHERE batch = (SELECT max(batch) FROM batch)"
    return number_of(value(db, sql) or 0)


def number_of(stored: object) -> int:
    """Return a stored number that others follow; raises CorruptError where none ever does."""
    if isinstance(stored, int) and -1 <= stored < 2**62:
        return stored
    raise apsw.CorruptError(f"{stored!r:.50} is no number that was ever given")


def latest(db: apsw.Connection) -> float:
    """Time that events have reached, 0.0 where there are none; jobs interleave, a little."""
    recent = "SELECT timestamp FROM event ORDER BY seq DESC LIMIT 10000"
    return time_of(value(db, f"SELECT max(timestamp) FROM ({recent})")) or 0.0


def time_of(stored: object) -> float | None:
    """Return a stored timestamp, or None; raises CorruptError for anything else."""
    if stored is None or isinstance(stored, float):
        return stored
    raise apsw.CorruptError("a stored timestamp has another type")


def knows_boot(db: apsw.Connection, boot: str) -> bool:
    """Whether a source came from this boot of the broker."""
    return value(db, "SELECT 1 FROM source WHERE boot = ? LIMIT 1", (boot,)) is not None


Part = tuple[int, int]
"""Of so many parts of the jobs, which one: those with key % parts == part."""

ALL: Part = (1, 0)


def following(db: apsw.Connection, after: int, last: int) -> int:
    """Return the lowest seq behind ``after`` that is stored, ``last`` + 1 where there is none.

    What was recovered from damage has holes, and damage can make one of any size.
    """
    lowest = [
        value(db, f"SELECT min(seq) FROM {table} WHERE seq > ?", (after,))
        for table in ("event", "notice")
    ]
    return min(*(last + 1 if seq is None else int(seq) for seq in lowest), last + 1)


def records(
    db: apsw.Connection, after: int = 0, upto: int | None = None, part: Part = ALL
) -> Iterator[Record | Notice]:
    """Everything stored with ``after`` < seq <= ``upto``, in the order of seq.

    Of the events, those of the jobs of ``part``.
    """
    last = head(db) if upto is None else upto
    while (after := max(after, following(db, after, last) - 1)) < last:
        until = min(after + _CHUNK, last)
        yield from _chunk(db, after, until, part)
        after = until


def _chunk(
    db: apsw.Connection, after: int, until: int, part: Part
) -> Iterator[Record | Notice]:
    window = (after, until)
    jobspecs, rs = (
        {seq: row for seq, *row in db.execute(_PAYLOADS.format(table), window)}
        for table in ("jobspec", "R")
    )
    within = "FROM notice WHERE seq > ? AND seq <= ? ORDER BY seq"
    notices = [
        _notice(row) for row in db.execute(f"SELECT seq, time, kind, data {within}", window)
    ]
    for row in _rows(db, _EVENTS, (*window, *part)):
        seq = row[0]
        while notices and notices[0].seq < seq:
            yield notices.pop(0)
        jobspec, r = jobspecs.get(seq), rs.get(seq)
        yield _record(
            row,
            None if jobspec is None else payload(*jobspec),
            None if r is None else payload(*r),
        )
    yield from notices


def payload(data: Any, base: bytes | None) -> Any:  # noqa: ANN401 - None stays None
    """Return a jobspec or R as it came; raises CorruptError where it was changed since."""
    try:
        return inflate(data, base)
    except ValueError as error:
        raise apsw.CorruptError(f"a stored payload cannot be inflated ({error})") from error


_OF_JOBS = (
    f"SELECT {_COLUMNS}, j.data, j.base, r.data, r.base FROM event e JOIN job ON key = job"
    " LEFT JOIN jobspec j ON j.seq = e.seq LEFT JOIN R r ON r.seq = e.seq"
    " WHERE job IN (SELECT value FROM json_each(?)) AND e.seq <= ? ORDER BY job, e.seq"
)
_TOGETHER = 500  # jobs whose events are read at once


def job_records(db: apsw.Connection, job: int, upto: int | None = None) -> list[Record]:
    """One job's events up to a seq, in the job's order."""
    return next(iter(records_of(db, [job], upto)))[1]


def records_of(
    db: apsw.Connection, jobs: Sequence[int], upto: int | None = None
) -> Iterator[tuple[int, list[Record]]]:
    """Yield each job with its events up to a seq, in the job's order."""
    bound = 2**63 - 1 if upto is None else upto
    for start in range(0, len(jobs), _TOGETHER):
        some = jobs[start : start + _TOGETHER]
        found: dict[int, list[Record]] = {job: [] for job in some}
        bases: dict[tuple[str, int], bytes] = {}
        for row in fetch(db, _OF_JOBS, (_json(some), bound)):
            jobspec, r = row[10], row[12]
            if jobspec is not None:
                jobspec = _based(db, bases, "jobspec", jobspec, row[11])
            if r is not None:
                r = _based(db, bases, "R", r, row[13])
            found[row[1]].append(_record(row, jobspec, r))
        for job, records in found.items():
            yield job, _in_order(records)


def _in_order(records: list[Record]) -> list[Record]:
    if not any(record.late for record in records):
        return records
    return [records[i] for i in anchored([(record.seq, record.anchor) for record in records])]


def _based(
    db: apsw.Connection,
    bases: dict[tuple[str, int], bytes],
    table: str,
    data: bytes,
    base: int | None,
) -> bytes:
    """Return a payload as it came; ``bases`` remembers what others have as base, too."""
    if base is None:
        return data
    if (table, base) not in bases:
        found = value(db, f"SELECT data FROM {table} WHERE seq = ?", (base,))
        bases[table, base] = found or b""
    return bytes(payload(data, bases[table, base]))


def of_jobid(db: apsw.Connection, jobid: int, after: int = 0) -> list[Record]:
    """Return the events of all jobs with this id that have seq > ``after``, by seq."""
    found = [record for key in keys(db, jobid) for record in job_records(db, key)]
    wanted = (record for record in found if record.seq > after)
    return sorted(wanted, key=lambda record: record.seq)


def purges_of(
    db: apsw.Connection, jobs: Sequence[int], upto: int
) -> dict[int, list[tuple[int, float]]]:
    """Return (seq, time) of the notices up to a seq that jobs were purged, by job."""
    return _notices(db, "purged", jobs, upto)


def gone_since(
    db: apsw.Connection, jobs: Sequence[int], upto: int
) -> dict[int, list[tuple[int, float]]]:
    """Return (seq, time) of the notices up to a seq that jobs were lost, by job."""
    return _notices(db, "gone", jobs, upto)


def _notices(
    db: apsw.Connection, table: str, jobs: Sequence[int], upto: int
) -> dict[int, list[tuple[int, float]]]:
    found: dict[int, list[tuple[int, float]]] = {}
    for job, seq, time in fetch(
        db,
        f"SELECT job, n.seq, time FROM {table} g JOIN notice n ON n.seq = g.seq"
        " WHERE job IN (SELECT value FROM json_each(?)) AND g.seq <= ? ORDER BY job, g.seq",
        (_json(jobs), upto),
    ):
        found.setdefault(job, []).append((seq, time))
    return found


def _json(numbers: Iterable[int]) -> str:
    return "[" + ",".join(map(str, numbers)) + "]"


def ever_gone(db: apsw.Connection) -> list[int]:
    """Keys of the jobs that the job manager lost at some time."""
    return [key for (key,) in fetch(db, "SELECT DISTINCT job FROM gone")]


def by_seq(db: apsw.Connection, seqs: Iterable[int]) -> list[Record]:
    """Return the events of these seqs, in that order, without jobspec and R."""
    return [_record(row) for seq in seqs for row in fetch(db, _EVENTS, (seq - 1, seq, *ALL))]


def boots(db: apsw.Connection) -> list[Notice]:
    """The notices of other boots of the broker, in the order of seq."""
    rows = fetch(
        db, "SELECT seq, time, kind, data FROM notice WHERE kind = 'boot' ORDER BY seq"
    )
    return [_notice(row) for row in rows]


def keys(db: apsw.Connection, jobid: int) -> list[int]:
    """Keys of the jobs with this id, the newest stream first; empty where there is none."""
    rows = fetch(db, "SELECT key FROM job WHERE jobid = ? ORDER BY stream DESC", (jobid,))
    return [key for (key,) in rows]


def _record(row: Any, jobspec: bytes | None = None, r: bytes | None = None) -> Record:  # noqa: ANN401
    seq, job, jobid, stream, replayed, anchor, timestamp, name, form, kept = row[:10]
    if not (type(jobspec) in _BLOB and type(r) in _BLOB and type(anchor) in _INTEGER):
        raise apsw.CorruptError(f"event {seq} is not as it was stored")
    stored = entry(timestamp, name, form, kept)
    return Record(seq, job, jobid, stream, replayed == 1, anchor, stored, jobspec, r)


_BLOB = frozenset((bytes, type(None)))
_INTEGER = frozenset((int, type(None)))


def _rows(db: apsw.Connection, sql: str, bindings: tuple[int, ...]) -> Iterator[Any]:
    yield from db.execute(sql, bindings)


_TYPES = (float, str, bytes)


def entry(timestamp: float, name: str, form: int, kept: bytes) -> Entry:
    """Return a stored event; raises CorruptError where its columns cannot be one's."""
    if (type(timestamp), type(name), type(kept)) != _TYPES or form not in FORMS:
        raise apsw.CorruptError("a stored event has columns of other types")
    if form != WHOLE:
        return Entry(timestamp, name, kept or None, None, form, kept)
    found = decode_event(kept)
    if not isinstance(found, Entry):
        # Only an event that decoded was appended, so this one was changed since.
        raise apsw.CorruptError(f"a stored event cannot be decoded ({found.reason})")
    return found


def _notice(row: Any) -> Notice:  # noqa: ANN401
    notice = Notice(*row)
    if not notice.sound:
        raise apsw.CorruptError(f"notice {notice.seq} is not as it was stored")
    return notice
