# SPDX-License-Identifier: LGPL-3.0
"""Appending: recognise what is stored, append the rest verbatim, one transaction a batch.

A Writer reads one source, in order. Whoever keeps views gives a ``derive`` function: it is
called inside the transaction with what the batch appended, so that events and the views
that follow from them commit together or not at all.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from math import inf, nextafter

import apsw
import msgspec

from eventstore.events import digest_chain
from eventstore.events.dedup import Known, place, taken_back
from eventstore.events.journal_line import (
    SENTINEL,
    Entry,
    Purge,
    Reject,
    Response,
    decode_any,
    decode_live,
    glimpse,
)
from eventstore.events.records import Notice, Record
from eventstore.ingest import stored_events
from eventstore.ingest.inserts import Payloads, append_batch, append_events
from eventstore.ingest.source_state import Counts, JobPlace, Rows, by_time
from eventstore.reading.event_log import head, knows_boot, latest, number_of
from eventstore.storage.connection import Store
from eventstore.storage.sql import value

Derive = Callable[[apsw.Connection, "Sequence[Record | Notice]"], None]

_LATEST = nextafter(inf, 0.0)  # the highest time that is one
_CACHED_JOBS = 30_000  # jobs whose place is remembered between batches


class Writer:
    """Appends what one source brings.

    ``boot`` names the broker's boot that the source comes from, where that is known: a
    broker that starts again has lost what its job manager kept in memory (annotations), and
    the notice of it lets views follow.

    ``expected`` is given where the source begins with a complete backlog: it returns the keys
    of the jobs that the backlog ought to have. Those that it has not are noticed as gone.
    """

    def __init__(
        self,
        store: Store,
        name: str,
        derive: Derive,
        *,
        boot: str | None = None,
        expected: Callable[[], Iterable[int]] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._derive = derive
        self._clock = clock
        self.counts = Counts()
        self._jobs: dict[int, list[JobPlace]] = {}
        self._payloads = Payloads()
        self._last_time = 0.0  # highest timestamp of an event: the time of a notice
        # Memos that this source's backlog showed, by job: they outlive a boot.
        self._memos: dict[int, list[int]] | None = {}
        # Keys of the jobs that a complete backlog must have, and has not yet shown.
        self._awaited = None if expected is None else set(expected())
        with store.transaction() as db:
            self._boot = boot
            self._history = head(db) > 0  # whether other sources came before
            self._rebooted = self._history and boot is not None and not knows_boot(db, boot)
            db.execute(
                "INSERT INTO source (name, boot, started) VALUES (?, ?, ?)",
                (name, boot, clock()),
            )
            self.source = db.last_insert_rowid()
            self._last_time = self._joined = latest(db)
        self._loaded: list[JobPlace] = []  # with their stored events at hand, in this batch
        self._reset()

    def close(self, outcome: str = "done") -> None:
        """Record how the source ended."""
        with self._store.transaction() as db:
            db.execute(
                "UPDATE source SET ended = ?, outcome = ? WHERE source = ?",
                (self._clock(), outcome, self.source),
            )

    def append(self, lines: Iterable[bytes]) -> Counts:
        """Append what ``lines`` bring, in one transaction; returns what they brought.

        Where it fails, nothing of them is stored, and they can be given again.
        """
        before = (
            self._last_time,
            self._memos and dict(self._memos),
            self._rebooted,
            self._awaited,
        )
        self._counts = Counts()
        try:
            with self._store.transaction() as db:
                self._db = db
                self._reset()
                for line in lines:
                    self._take(line)
                self._commit()
        except BaseException:
            # What is remembered of jobs may tell of rows that were rolled back.
            self._jobs.clear()
            self._payloads = Payloads()
            self._last_time, self._memos, self._rebooted, self._awaited = before
            raise
        self.counts.add(self._counts)
        return self._counts

    def set_aside(self, line: bytes, reason: str) -> None:
        """Keep a line as a reject, which a fault of this program keeps from being appended."""
        with self._store.transaction() as db:
            self._db = db
            self._reset()
            self._reject(Reject(reason, line))
            self._commit()

    def _reset(self) -> None:
        with self._store.snapshot() as db:
            self._rows = Rows(first=head(db) + 1)
            self._next_key = number_of(value(db, "SELECT coalesce(max(key), 0) FROM job")) + 1
            highest = value(db, "SELECT coalesce(max(jobid), -1) FROM job")
            if not isinstance(highest, int):
                raise apsw.CorruptError("a stored job id has another type")
            self._highest = highest
        while self._loaded:
            self._loaded.pop().known = None
        if len(self._jobs) > _CACHED_JOBS:
            self._jobs = dict(list(self._jobs.items())[-_CACHED_JOBS // 2 :])

    def _take(self, line: bytes) -> None:
        live = decode_live(line)
        if live is not None:
            self._counts.responses += 1
            if not self._take_next(*live):
                self._take_response(Response(live[0], [live[1]], None, None, []))
            return
        if self._take_known(line):
            return
        message = decode_any(line)
        if isinstance(message, Response):
            self._counts.responses += 1
            self._take_response(message)
            if message.jobid == SENTINEL:
                self._end_of_backlog()
        elif isinstance(message, Purge):
            self._counts.responses += 1
            self._take_purge(message)
        else:
            self._reject(message)

    # -- events of a job

    def _take_response(self, response: Response) -> None:
        for reject in response.rejects:
            self._reject(reject)
        entries = response.entries
        if not entries:
            return
        if len(entries) == 1 and self._take_next(response.jobid, entries[0]):
            if response.jobspec is not None or response.R is not None:
                self._attach(response, -1)
            return
        replayed = response.replayed
        job = self._job_of(response.jobid, entries)
        if self._awaited is not None:
            if job.count and taken_back(self._known(job), entries):
                # What happened did happen; what happens from now on is another job's.
                job = self._new_job(response.jobid)
            self._awaited.discard(job.key)
        before = len(self._rows.records)
        if replayed:
            job.cursor = 0
        if job.count == 0 or all(entry.timestamp > job.latest for entry in entries):
            for entry in entries:
                self._add(job, entry, job.count, replayed=replayed)
        else:
            self._merge(job, entries, replayed=replayed)
        if len(self._rows.records) > before:
            self._attach(response, before)

    def _take_next(self, jobid: int, entry: Entry) -> bool:
        """Append an event that can only be its job's next one: what most are."""
        jobs = self._jobs.get(jobid)
        if jobs is None or len(jobs) > 1 or entry.name == "submit":
            return False
        job, timestamp = jobs[0], entry.timestamp
        if timestamp <= job.latest or job.known is not None:
            return False
        job.latest = timestamp
        job.count = job.cursor = job.count + 1
        if timestamp > self._last_time:  # noqa: PLR1730 - max() takes twice the time
            self._last_time = timestamp
        records = self._rows.records
        seq = self._rows.first + len(records)
        records.append(Record(seq, job.key, jobid, job.stream, False, None, entry))
        self._counts.new += 1
        return True

    def _take_known(self, line: bytes) -> bool:
        """Recognise a backlog response of which all is stored: what most of a replay is."""
        seen = glimpse(line)
        if seen is None or seen.id > self._highest or seen.id in self._jobs:
            return False
        key = stored_events.all_known(self._db, seen)
        if key is None:
            return False
        self._counts.responses += 1
        self._counts.known += len(seen.events)
        if self._awaited is not None:
            self._awaited.discard(key)
        return True

    def _merge(self, job: JobPlace, entries: list[Entry], *, replayed: bool) -> None:
        there = self._known(job)
        for entry in entries:
            stored, index = place(there, entry, job.cursor, replayed=replayed)
            if stored:
                self._counts.known += 1
                job.cursor = max(job.cursor, index + 1)
                if replayed:
                    self._remember_memo(job, entry, there[index].seq)
            else:
                self._add(job, entry, index, replayed=replayed)

    def _add(self, job: JobPlace, entry: Entry, index: int, *, replayed: bool) -> None:
        """Append an event that belongs at ``index`` of its job's order."""
        rows = self._rows
        seq = rows.first + len(rows.records)
        anchor = None
        if index < job.count:
            anchor = self._known(job)[index - 1].seq if index else 0
        if job.known is not None:
            seen = None if replayed else entry.data
            job.known.insert(index, Known(entry.timestamp, entry.name, seq, seen))
        job.count += 1
        job.cursor = index + 1
        job.latest = max(job.latest, entry.timestamp)
        if entry.name == "submit" and job.submitted is None:
            job.submitted = entry.timestamp
        self._last_time = max(self._last_time, entry.timestamp)
        rows.records.append(
            Record(seq, job.key, job.jobid, job.stream, replayed, anchor, entry)
        )
        self._counts.new += 1
        if replayed:
            self._remember_memo(job, entry, seq)
            if entry.name == "flux-restart":
                # The job manager posts this when it starts again, and at no other time.
                self._rebooted = self._rebooted or self._history

    def _attach(self, response: Response, first: int) -> None:
        """Store jobspec and R with the new event that carries them (RFC 21), else the first."""
        rows = self._rows
        new = [record for record in rows.records[first:] if isinstance(record, Record)]

        def bearer(name: str) -> Record:
            return next((record for record in new if record.entry.name == name), new[0])

        if response.jobspec is not None:
            record = bearer("submit")
            record.jobspec = response.jobspec
            rows.jobspecs.append((record.seq, response.jobspec))
        if response.R is not None:
            record = bearer("alloc")
            record.R = response.R
            rows.rs.append((record.seq, response.R))

    # -- which job

    def _job_of(self, jobid: int, entries: list[Entry]) -> JobPlace:
        """The job of this id that these belong to; a new one where it is none of them."""
        jobs = self._jobs.get(jobid)
        if jobs is None:
            # Ids grow, so that most are new without a look.
            jobs = [] if jobid > self._highest else stored_events.places(self._db, jobid)
            self._jobs[jobid] = jobs
        first, end = entries[0], (entries[-1].timestamp, entries[-1].name)
        same = [job for job in jobs if job.submitted == first.timestamp]
        if first.name != "submit" or not same:
            told = all(job.submitted is not None for job in jobs)
            if not jobs or (first.name == "submit" and told):
                # Another instance counts its ids from the start again.
                return self._new_job(jobid)
            submitted = by_time(jobs, first.timestamp).submitted
            same = [job for job in jobs if job.submitted == submitted]
        # Several have one beginning where the KVS went back: see `merge.taken_back`.
        for job in reversed(same) if len(same) > 1 else ():
            if any((there.timestamp, there.name) == end for there in self._known(job)):
                return job
        return same[-1]

    def _new_job(self, jobid: int) -> JobPlace:
        jobs = self._jobs[jobid]
        job = JobPlace(self._next_key, jobid, len(jobs) + 1)
        jobs.append(job)
        self._next_key += 1
        self._highest = max(self._highest, jobid)
        self._rows.jobs.append((job.key, jobid, job.stream))
        return job

    def _known(self, job: JobPlace) -> list[Known]:
        if job.known is None:
            self._flush()
            job.known = stored_events.events(self._db, job.key)
            self._loaded.append(job)
        return job.known

    # -- what is no event of a job

    def _remember_memo(self, job: JobPlace, entry: Entry, seq: int) -> None:
        if entry.name == "memo" and self._memos is not None:
            self._memos.setdefault(job.key, []).append(seq)

    def _end_of_backlog(self) -> None:
        memos, self._memos = self._memos, None
        self._take_absent()
        if not self._rebooted:
            return
        self._rebooted = False
        data = {
            "boot": self._boot,
            "memos": {str(key): seqs for key, seqs in (memos or {}).items()},
        }
        # The broker started again after all that was read before this source.
        self._notice("boot", msgspec.json.encode(data), None, self._joined)

    def _take_absent(self) -> None:
        """Append a notice of the jobs that the complete backlog ought to have had."""
        absent, self._awaited = sorted(self._awaited or ()), None
        if not absent:
            return
        self._flush()
        data = msgspec.json.encode({"jobs": absent})
        # When they went is not known: after all that was read before this source.
        seq = self._notice("gone", data, None, self._joined)
        self._db.executemany(
            "INSERT INTO gone (job, seq) VALUES (?, ?)", [(key, seq) for key in absent]
        )

    def _take_purge(self, purge: Purge) -> None:
        recognised = digest_chain.content_digest(purge.data)
        self._flush()
        if value(self._db, "SELECT 1 FROM notice WHERE digest = ?", (recognised,)) is not None:
            return
        seq = self._notice("purge", purge.data, recognised, self._last_time)
        self._db.executemany(
            "INSERT OR IGNORE INTO purged (job, seq)"
            " SELECT key, ? FROM job WHERE jobid = ? ORDER BY stream DESC LIMIT 1",
            [(seq, jobid) for jobid in purge.jobids],
        )

    def _notice(self, kind: str, data: bytes, recognised: bytes | None, last: float) -> int:
        """Append a notice of what happened just after ``last``; returns its seq."""
        rows = self._rows
        time = min(nextafter(last, inf), _LATEST)
        notice = Notice(rows.first + len(rows.records), time, kind, data)
        rows.records.append(notice)
        self._db.execute(
            "INSERT INTO notice (seq, time, kind, digest, data) VALUES (?, ?, ?, ?, ?)",
            (notice.seq, notice.time, kind, recognised, data),
        )
        return notice.seq

    def _reject(self, reject: Reject) -> None:
        self._counts.rejected += 1
        key = f"{reject.jobid} {reject.reason} ".encode() + reject.data
        self._db.execute(
            "INSERT OR IGNORE INTO reject (batch, jobid, reason, digest, data)"
            " VALUES ((SELECT coalesce(max(batch), 0) + 1 FROM batch), ?, ?, ?, ?)",
            (reject.jobid, reject.reason, digest_chain.content_digest(key), reject.data),
        )
        if self._db.changes():
            self._rows.rejects.append((reject.jobid, reject.reason, reject.data))

    # -- the end of a batch

    def _flush(self) -> None:
        """Hand SQLite the jobs and events that it does not have yet."""
        rows = self._rows
        self._db.executemany("INSERT INTO job (key, jobid, stream) VALUES (?, ?, ?)", rows.jobs)
        append_events(self._db, rows.records[rows.flushed :])
        rows.jobs, rows.flushed = [], len(rows.records)

    def _commit(self) -> None:
        rows = self._rows
        if not rows.records and not rows.rejects:
            return
        self._flush()
        self._payloads.append(self._db, "jobspec", rows.jobspecs)
        self._payloads.append(self._db, "R", rows.rs)
        append_batch(self._db, rows, self.source, self._clock())
        self._derive(self._db, rows.records)
