# SPDX-License-Identifier: LGPL-3.0
"""Reading back what is stored: by the order of arrival, or one job in its own order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from operator import attrgetter
from typing import Any

import apsw

from eventstore.events.compression import FORMS, WHOLE, inflate
from eventstore.events.dedup import anchored
from eventstore.events.journal_line import Entry, decode_event
from eventstore.events.records import Notice, Record
from eventstore.storage.sql import fetch, statements, value

_CHUNK = 10_000  # rows held at a time
SQL = statements(__file__)


def head(db: apsw.Connection) -> int:
    """The highest seq that was given out; 0 if nothing is stored."""
    sql = "SELECT last FROM batch WHERE batch = (SELECT max(batch) FROM batch)"
    return number_of(value(db, sql) or 0)


def number_of(stored: object) -> int:
    """Return a sequence number, validated; raises CorruptError if it cannot be one."""
    if isinstance(stored, int) and -1 <= stored < 2**62:
        return stored
    raise apsw.CorruptError(f"{stored!r:.50} is no sequence number")


def latest(db: apsw.Connection) -> float:
    """The highest timestamp, 0.0 if there are no events.

    Of the last 10,000 events only: timestamps are monotonic but for small differences, as
    events of different jobs are not stored in the order of their times.
    """
    recent = "SELECT timestamp FROM event ORDER BY seq DESC LIMIT 10000"
    return time_of(value(db, f"SELECT max(timestamp) FROM ({recent})")) or 0.0


def time_of(stored: object) -> float | None:
    """Return a stored timestamp, or None; raises CorruptError for anything else."""
    if stored is None or isinstance(stored, float):
        return stored
    raise apsw.CorruptError("a stored timestamp has another type")


def knows_boot(db: apsw.Connection, boot: str) -> bool:
    """Whether there is a source of this boot of the broker."""
    return value(db, "SELECT 1 FROM source WHERE boot = ? LIMIT 1", (boot,)) is not None


Part = tuple[int, int]
"""(parts, part): the jobs with key % parts == part."""

ALL: Part = (1, 0)
"""All jobs."""


def following(db: apsw.Connection, after: int, last: int) -> int:
    """Return the lowest stored seq that is higher than ``after``, at most ``last`` + 1.

    A database that was recovered from damage has holes in its numbers, of any size.
    """
    lowest = [
        value(db, f"SELECT min(seq) FROM {table} WHERE seq > ?", (after,))
        for table in ("event", "notice")
    ]
    return min(*(last + 1 if seq is None else int(seq) for seq in lowest), last + 1)


def records(
    db: apsw.Connection, after: int = 0, upto: int | None = None, part: Part = ALL
) -> Iterator[Record | Notice]:
    """Events and notices with ``after`` < seq <= ``upto``, in the order of seq.

    Without ``upto``, all. ``part`` selects the events of a part of the jobs.
    """
    last = head(db) if upto is None else upto
    while (after := max(after, following(db, after, last) - 1)) < last:
        until = min(after + _CHUNK, last)
        yield from _chunk(db, after, until, part)
        after = until


def _chunk(db: apsw.Connection, after: int, until: int, part: Part) -> list[Record | Notice]:
    window = (after, until)
    payloads = {
        table: {seq: payload(*row) for seq, *row in db.execute(SQL[name], window)}
        for table, name in (("jobspec", "jobspecs_between"), ("R", "Rs_between"))
    }
    jobspec_of, r_of = payloads["jobspec"].get, payloads["R"].get
    found: list[Record | Notice] = []
    for row in db.execute(SQL["events_between"], (*window, *part)).fetchall():
        seq = row[0]
        found.append(_record(row, jobspec_of(seq), r_of(seq)))
    told = notices(db, *window)
    if told:
        found = sorted([*found, *told], key=attrgetter("seq"))
    return found


def notices(db: apsw.Connection, after: int, upto: int) -> list[Notice]:
    """Return the notices with ``after`` < seq <= ``upto``, in the order of seq."""
    return [_notice(row) for row in db.execute(SQL["notices_between"], (after, upto))]


def payload(data: Any, base: bytes | None) -> Any:  # noqa: ANN401 - None stays None
    """Return a jobspec or R as received; raises CorruptError if it cannot be inflated."""
    try:
        return inflate(data, base)
    except ValueError as error:
        raise apsw.CorruptError(f"a stored payload cannot be inflated ({error})") from error


_TOGETHER = 500  # jobs whose events are read at once
_MOST_BASES = 256  # that are kept


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
        jobspecs, rs = Bases(db, "jobspec"), Bases(db, "R")
        for row in fetch(db, SQL["events_of_jobs"], (_json(some), bound)):
            jobspec, r = jobspecs.payload(row[10], row[11]), rs.payload(row[12], row[13])
            found[row[1]].append(_record(row[:10], jobspec, r))
        for job, records in found.items():
            yield job, in_order(records)


def in_order(records: list[Record]) -> list[Record]:
    """Return a job's records, given by seq, in the job's order."""
    if not any(record.late for record in records):
        return records
    return [records[i] for i in anchored([(record.seq, record.anchor) for record in records])]


class Bases:
    """Inflates jobspecs or Rs (``table``); the bases that were read last are kept."""

    def __init__(self, db: apsw.Connection, table: str) -> None:
        self._db = db
        self._sql = f"SELECT data FROM {table} WHERE seq = ?"
        self._kept: dict[int, bytes] = {}

    def payload(self, data: bytes | None, base: int | None) -> bytes | None:
        """Return a payload as received, given what is stored and the key of its base."""
        if data is None or base is None:
            return data
        found = self._kept.get(base)
        if found is None:
            if len(self._kept) >= _MOST_BASES:
                self._kept.clear()
            found = self._kept[base] = value(self._db, self._sql, (base,)) or b""
        inflated: bytes = payload(data, found)
        return inflated


def of_jobid(db: apsw.Connection, jobid: int, after: int = 0) -> list[Record]:
    """Return the events of all jobs with this id that have seq > ``after``, by seq."""
    found = [record for key in keys(db, jobid) for record in job_records(db, key)]
    wanted = (record for record in found if record.seq > after)
    return sorted(wanted, key=lambda record: record.seq)


def purges_of(
    db: apsw.Connection, jobs: Sequence[int], upto: int
) -> dict[int, list[tuple[int, float]]]:
    """Return (seq, time) of each purge of these jobs up to a seq, by job key."""
    return _notices_of(db, SQL["purges_of_jobs"], jobs, upto)


def gone_since(
    db: apsw.Connection, jobs: Sequence[int], upto: int
) -> dict[int, list[tuple[int, float]]]:
    """Return (seq, time) of each notice up to a seq that these jobs are gone, by job key."""
    return _notices_of(db, SQL["losses_of_jobs"], jobs, upto)


def _notices_of(
    db: apsw.Connection, sql: str, jobs: Sequence[int], upto: int
) -> dict[int, list[tuple[int, float]]]:
    found: dict[int, list[tuple[int, float]]] = {}
    for job, seq, time in fetch(db, sql, (_json(jobs), upto)):
        found.setdefault(job, []).append((seq, time))
    return found


def _json(numbers: Iterable[int]) -> str:
    return "[" + ",".join(map(str, numbers)) + "]"


def ever_gone(db: apsw.Connection) -> list[int]:
    """Keys of the jobs that a complete backlog did not have at some time."""
    return [key for (key,) in fetch(db, "SELECT DISTINCT job FROM gone")]


def by_seq(db: apsw.Connection, seqs: Iterable[int]) -> list[Record]:
    """Return the events of these seqs, in that order, without jobspec and R."""
    return [
        _record(row)
        for seq in seqs
        for row in fetch(db, SQL["events_between"], (seq - 1, seq, *ALL))
    ]


def boots(db: apsw.Connection) -> list[Notice]:
    """The notices of other boots of the broker, in the order of seq."""
    return [_notice(row) for row in fetch(db, SQL["boots"])]


def keys(db: apsw.Connection, jobid: int) -> list[int]:
    """Keys of the jobs with this id, the newest stream first; empty if there is none."""
    rows = fetch(db, "SELECT key FROM job WHERE jobid = ? ORDER BY stream DESC", (jobid,))
    return [key for (key,) in rows]


def _record(row: Any, jobspec: bytes | None = None, r: bytes | None = None) -> Record:  # noqa: ANN401
    seq, job, jobid, stream, replayed, anchor, timestamp, name, form, kept = row
    if not (type(jobspec) in _BLOB and type(r) in _BLOB and type(anchor) in _INTEGER):
        raise apsw.CorruptError(f"event {seq} has columns of other types")
    if form in _SHORTENED and (type(timestamp), type(name), type(kept)) == _TYPES:
        stored = Entry(timestamp, name, kept or None, None, form, kept)
    else:
        stored = entry(timestamp, name, form, kept)
    return Record(seq, job, jobid, stream, replayed == 1, anchor, stored, jobspec, r)


_SHORTENED = frozenset(FORMS) - {WHOLE}
_TYPES = (float, str, bytes)
_BLOB = frozenset((bytes, type(None)))
_INTEGER = frozenset((int, type(None)))


def entry(timestamp: float, name: str, form: int, kept: bytes) -> Entry:
    """Return a stored event; raises CorruptError if no event has such columns."""
    if (type(timestamp), type(name), type(kept)) != _TYPES or form not in FORMS:
        raise apsw.CorruptError("a stored event has columns of other types")
    if form != WHOLE:
        return Entry(timestamp, name, kept or None, None, form, kept)
    found = decode_event(kept)
    if not isinstance(found, Entry):
        # Only what decodes is appended: this was changed since.
        raise apsw.CorruptError(f"a stored event cannot be decoded ({found.reason})")
    return found


def _notice(row: Any) -> Notice:  # noqa: ANN401
    notice = Notice(*row)
    if not notice.well_formed:
        raise apsw.CorruptError(f"notice {notice.seq} is not well-formed")
    return notice
