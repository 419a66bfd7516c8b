# SPDX-License-Identifier: LGPL-3.0
"""Saving what can be saved of a damaged database, and saying what cannot.

Events keep their bytes, their seq, their batches and their sources; what is missing leaves a
gap, which the same journal, given again, or the next backlog fills. Bytes that are not those
that were appended (their checksum says so) become rejects. Where nothing is missing, the new
database has the head digest of the old one.
"""

from __future__ import annotations

import struct
import time
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import apsw

from eventstore.errors import StoreError
from eventstore.events import digest_chain
from eventstore.events.compression import inflate
from eventstore.events.journal_line import decode_purge
from eventstore.events.records import Notice, Record
from eventstore.ingest.inserts import Payloads, append_events
from eventstore.maintenance.integrity import purge_key
from eventstore.maintenance.salvage import Row, Salvage, salvage
from eventstore.reading.event_log import entry
from eventstore.storage.connection import Store, create_or_open

Progress = Callable[[int, int], None]
"""Called with (done, total) seqs."""

Rejected = tuple["int | None", str, bytes]
"""A job id, a reason, and bytes."""

_EVENT = "job, timestamp, name, replayed, anchor, form, data"


@dataclass
class Recovered:
    """What was saved, and what was not: each of ``losses`` is a line that names it."""

    events: int = 0
    head: bytes = digest_chain.GENESIS
    losses: list[str] = field(default_factory=list)


class _Batch(NamedTuple):
    """A batch as its row says; where the row is lost, ``checks`` and ``digest`` are empty."""

    number: int
    source: int
    committed: float
    first: int
    last: int
    checks: bytes = b""
    digest: bytes = b""
    previous: bytes = b""  # digest of the batch before, if that is known


def recover(path: str, to: str, progress: Progress = lambda done, total: None) -> Recovered:
    """Make the new database ``to`` from what can be read of ``path``, which stays as it is.

    Raises StoreError where ``to`` exists already, or where nothing at all can be read.
    """
    if not Path(path).exists():
        raise StoreError(f"{path}: there is no such database")
    if Path(to).exists():
        raise StoreError(f"{to}: exists already; name a new file")
    with salvage(path, Path(to).resolve().parent) as found:
        if not found.readings:
            raise StoreError(f"{path}: nothing of it can be read; restore it from a backup")
        with create_or_open(to) as store:
            return _Recovery(found, store).run(path, progress)


class _Recovery:
    def __init__(self, found: Salvage, store: Store) -> None:
        self._found = found
        self._store = store
        self._result = Recovered()
        self._jobs: dict[int, tuple[int, int]] = {}  # key -> (jobid, stream)
        self._payload_rows = Payloads()
        self._loose: list[Rejected] = []  # what cannot be trusted, or has no job

    def run(self, path: str, progress: Progress) -> Recovered:
        self._jobs = _jobs(self._found)
        batches = self._batches()
        with self._store.transaction() as db:
            _copy_sources(db, self._found)
            db.executemany(
                "INSERT INTO job (key, jobid, stream) VALUES (?, ?, ?)",
                [(key, *names) for key, names in sorted(self._jobs.items())],
            )
        for batch in batches:
            with self._store.transaction() as db:
                self._append(db, batch, self._contents(batch))
            progress(batch.last, batches[-1].last)
        with self._store.transaction() as db:
            self._finish(db, path, batches)
        return self._result

    def _lose(self, what: str) -> None:
        self._result.losses.append(what)

    # -- which batches there were

    def _batches(self) -> list[_Batch]:
        """Return all batches in order; others stand in for those whose rows are lost."""
        columns = "source, committed, first, last, checks, digest"
        rows = self._found.rows("batch", columns)
        batches: list[_Batch] = []
        for number, copies in sorted(rows.items()):
            sane = [_Batch(*row) for row in copies if _is_sane(row, self._found.room)]
            after = batches[-1].last + 1 if batches else 1
            if not sane or sane[0].first < after:
                continue
            self._stand_in(batches, number - 1, sane[0].first - 1)
            whole = batches[-1].digest if batches else digest_chain.GENESIS
            batches.append(sane[0]._replace(previous=whole))
        numbered = ("event", "notice", "jobspec", "R")
        for name in numbered:
            for seq in self._found.beyond(name):
                self._lose(f"{name} {seq}: no such number was ever given")
        top = max(self._found.highest(name) for name in numbered)
        if top > (batches[-1].last if batches else 0):
            self._stand_in(batches, len(batches) + 1, top)
        return batches

    def _stand_in(self, batches: list[_Batch], number: int, last: int) -> None:
        """Add batches up to ``number`` and up to the seq ``last``."""
        while len(batches) < number:
            first = batches[-1].last + 1 if batches else 1
            if last >= first:
                self._lose(f"seq {first} to {last}: what proves these events")
            batches.append(_Batch(len(batches) + 1, 0, 0.0, first, last))

    # -- what was in them

    def _contents(self, batch: _Batch) -> digest_chain.Contents:
        """Return what can be trusted of a batch: all that the digest proves, else by row."""
        window = batch.first, batch.last
        events = self._found.rows("event", _EVENT, *window)
        notices = self._found.rows("notice", "time, kind, data", *window)
        jobspecs = self._inflated("jobspec", *window)
        rs = self._inflated("R", *window)
        sql = f"SELECT jobid, reason, data, reject FROM reject WHERE batch = {batch.number}"
        rejects = sorted(self._found.every(sql), key=lambda row: int(row[3]))
        contents = digest_chain.Contents(
            [e for rows in events.values() if (e := self._record(rows[0])) is not None],
            [(seq, copies[0]) for seq, copies in jobspecs.items() if copies],
            [(seq, copies[0]) for seq, copies in rs.items() if copies],
            [Notice(*rows[0]) for rows in notices.values()],
            [row[:3] for row in rejects if _is_reject(row)],
        )
        if _proven(batch, contents):
            return contents
        sums = set(struct.unpack(f"<{len(batch.checks) // 4}I", batch.checks)) or None
        self._name_missing(batch, events.keys() | notices.keys(), len(jobspecs) + len(rs))
        return contents._replace(
            events=[e for rows in events.values() if (e := self._trusted(rows, sums))],
            jobspecs=self._payloads("jobspec", jobspecs, sums),
            Rs=self._payloads("R", rs, sums),
            notices=[n for n in contents.notices if self._is_readable(n)],
        )

    def _inflated(self, table: str, first: int, last: int) -> dict[int, list[bytes]]:
        """Return jobspecs or Rs by seq: each as it may have come, nothing where none can."""
        return {
            seq: [data for _, base, kept in copies for data in self._copies(table, base, kept)]
            for seq, copies in self._found.rows(table, "base, data", first, last).items()
        }

    def _copies(self, table: str, base: object, kept: object) -> list[bytes]:
        if not isinstance(kept, bytes):
            return []
        if not isinstance(base, int):
            return [kept]
        found = []
        for _, base_of, data in self._found.rows(table, "base, data", base, base).get(base, ()):
            with suppress(ValueError):
                found.append(inflate(kept, data if base_of is None else b""))
        return found

    def _record(self, row: Row) -> Record | None:
        seq, job, timestamp, name, replayed, anchor, form, data = row
        if job not in self._jobs:
            return None
        if replayed not in {0, 1} or not isinstance(anchor, int | None):
            return None
        try:
            found = entry(timestamp, name, form, data)
        except apsw.CorruptError:
            return None
        return Record(seq, job, *self._jobs[job], bool(replayed), anchor, found)

    def _trusted(self, rows: list[Row], sums: set[int] | None) -> Record | None:
        """Return the event from a reading that has it as it was appended."""
        for row in rows:
            record = self._record(row)
            if record is not None and _is_among(record.entry.data, sums):
                return record
        seq, job = rows[0][:2]
        why = "its bytes were changed" if job in self._jobs else "its job is not known"
        changed = self._record(rows[0])
        data = rows[0][-1] if changed is None else changed.entry.data
        self._set_aside(f"event {seq}", why, data, self._jobs.get(job, (None,))[0])
        return None

    def _payloads(
        self, table: str, found: dict[int, list[bytes]], sums: set[int] | None
    ) -> list[tuple[int, bytes]]:
        kept: list[tuple[int, bytes]] = []
        for seq, copies in found.items():
            good = [data for data in copies if _is_among(data, sums)]
            if good:
                kept.append((seq, good[0]))
            else:
                changed = copies[0] if copies else None
                self._set_aside(f"{table} of event {seq}", "its bytes were changed", changed)
        return kept

    def _is_readable(self, notice: Notice) -> bool:
        if not notice.well_formed:
            self._set_aside(f"notice {notice.seq}", "its bytes were changed", notice.data)
        return notice.well_formed

    def _set_aside(self, what: str, why: str, data: object, jobid: int | None = None) -> None:
        self._lose(f"{what}: {why}")
        if isinstance(data, bytes):
            self._loose.append((jobid, f"recovered {what}: {why}", data))

    def _name_missing(self, batch: _Batch, there: set[int], payloads: int) -> None:
        where = f"batch {batch.number}"
        missing = 0
        for seq, following in pairwise([batch.first - 1, *sorted(there), batch.last + 1]):
            first, last = seq + 1, following - 1
            if first > last:
                continue
            missing += last - first + 1
            what = f"event {first}" if first == last else f"events {first} to {last}"
            self._lose(f"{what} ({where}): cannot be read")
        # Each row has a checksum: what they say beyond the events is jobspecs and Rs.
        lost = len(batch.checks) // 4 - len(there) - missing - payloads
        if lost > 0:
            self._lose(f"{lost} of jobspecs and Rs ({where}): cannot be read")

    # -- writing

    def _append(
        self, db: apsw.Connection, batch: _Batch, contents: digest_chain.Contents
    ) -> None:
        append_events(db, contents.events)
        self._payload_rows.append(db, "jobspec", contents.jobspecs)
        self._payload_rows.append(db, "R", contents.Rs)
        for notice in contents.notices:
            _append_notice(db, notice)
        rejects = [row for row in contents.rejects if _append_reject(db, batch.number, row)]
        contents = contents._replace(rejects=rejects)
        header = (batch.number, batch.source, batch.committed)
        proof = digest_chain.prove(self._result.head, header, contents)
        self._result.head = proof.digest
        self._result.events += len(contents.events)
        db.execute(
            "INSERT INTO batch (batch, source, committed, first, last, rejects, checks, digest)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (*header, batch.first, batch.last, len(rejects), *proof),
        )  # fmt: skip

    def _finish(self, db: apsw.Connection, path: str, batches: list[_Batch]) -> None:
        """Add what was set aside, and a source that tells of the recovery, if any was lost."""
        if not self._result.losses:
            return
        now = time.time()
        db.execute(
            "INSERT INTO source (name, started, ended, outcome) VALUES (?, ?, ?, 'recovered')",
            (path, now, now),
        )
        last = batches[-1].last if batches else 0
        rest = _Batch(len(batches) + 1, db.last_insert_rowid(), now, last + 1, last)
        if self._loose:
            self._append(db, rest, digest_chain.Contents([], [], [], [], self._loose))


def _jobs(found: Salvage) -> dict[int, tuple[int, int]]:
    """Return (jobid, stream) of each key: from the table, its index, or the views."""
    jobs: dict[int, tuple[int, int]] = {}
    for sql in (
        "SELECT job, jobid, 1 FROM active",
        "SELECT job, jobid, 1 FROM inactive",
        "SELECT key, jobid, stream FROM job INDEXED BY sqlite_autoindex_job_1",
    ):
        jobs |= {key: (jobid, stream) for key, jobid, stream in found.every(sql)}
    rows = found.rows("job", "jobid, stream")
    jobs |= {key: (copies[0][1], copies[0][2]) for key, copies in rows.items()}
    sane: dict[tuple[int, int], int] = {}
    for key, names in jobs.items():
        if all(isinstance(item, int) for item in (key, *names)):
            sane.setdefault(names, key)
    return {key: names for names, key in sane.items()}


def _copy_sources(db: apsw.Connection, found: Salvage) -> None:
    columns = "name, boot, started, ended, outcome"
    kinds = (int, str, str | None, float, float | None, str | None)
    for _, copies in sorted(found.rows("source", columns).items()):
        for row in copies:
            if all(isinstance(item, kind) for item, kind in zip(row, kinds, strict=True)):
                sql = f"INSERT OR IGNORE INTO source (source, {columns})"
                db.execute(f"{sql} VALUES (?, ?, ?, ?, ?, ?)", row)


def _is_sane(row: Row, room: int) -> bool:
    number, source, committed, first, last, checks, proof = row
    whole = all(isinstance(item, int) for item in (number, source, first, last))
    if not whole or not isinstance(committed, float) or last < first - 1:
        return False
    if max(number, last) > room or min(number, first) < 1 or not -(2**62) < source < 2**62:
        return False
    return isinstance(checks, bytes) and len(checks) % 4 == 0 and isinstance(proof, bytes)


def _is_reject(row: Row) -> bool:
    jobid, reason, data = row[:3]
    return isinstance(jobid, int | None) and isinstance(reason, str) and isinstance(data, bytes)


def _proven(batch: _Batch, contents: digest_chain.Contents) -> bool:
    if not batch.previous:
        return False
    header = (batch.number, batch.source, batch.committed)
    try:
        return batch.digest == digest_chain.prove(batch.previous, header, contents).digest
    except (TypeError, ValueError, OverflowError, AttributeError, struct.error):
        return False  # a column has another type than was written


def _is_among(data: object, sums: set[int] | None) -> bool:
    return isinstance(data, bytes) and (sums is None or zlib.crc32(data) in sums)


def _append_notice(db: apsw.Connection, notice: Notice) -> None:
    recognised = digest_chain.content_digest(notice.data) if notice.kind == "purge" else None
    db.execute(
        "INSERT INTO notice (seq, time, kind, digest, data) VALUES (?, ?, ?, ?, ?)",
        (notice.seq, notice.time, notice.kind, recognised, notice.data),
    )
    named = [] if notice.kind == "boot" else decode_purge(notice.data).jobs
    if notice.kind == "purge":
        named = [key for jobid in named for key in purge_key(db, jobid, notice.seq)]
    table = {"purge": "purged", "gone": "gone"}.get(notice.kind)
    if table is not None:
        sql = f"INSERT OR IGNORE INTO {table} (job, seq) VALUES (?, ?)"
        db.executemany(sql, [(key, notice.seq) for key in named])


def _append_reject(db: apsw.Connection, batch: int, reject: Rejected) -> bool:
    jobid, reason, data = reject
    key = f"{jobid} {reason} ".encode() + data
    db.execute(
        "INSERT OR IGNORE INTO reject (batch, jobid, reason, digest, data)"
        " VALUES (?, ?, ?, ?, ?)",
        (batch, jobid, reason, digest_chain.content_digest(key), data),
    )
    return bool(db.changes())
