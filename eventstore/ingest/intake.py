# SPDX-License-Identifier: LGPL-3.0
"""Taking lines: what is stored already is recognised, the rest becomes rows of the batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import apsw

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
from eventstore.events.resource_line import (
    PREFIX,
    ResourceResponse,
    ResourceStatus,
    decode_resource,
)
from eventstore.ingest import stored_events
from eventstore.ingest.backlog import Backlog
from eventstore.ingest.batch_rows import BatchRows
from eventstore.ingest.counts import Counts
from eventstore.ingest.inserts import notice_digests
from eventstore.ingest.job_places import JobPlaces
from eventstore.ingest.resource_intake import ResourceIntake
from eventstore.ingest.stored_events import JobPlace
from eventstore.reading.event_log import head
from eventstore.storage.sql import fetch, statements

SQL = statements(__file__)
_TIMESTAMP = b'"timestamp"'


class Intake:
    """Takes the lines of one source, batch by batch.

    ``counts`` says what the current batch, or the last one, brought. ``latest`` is the highest
    timestamp of the events that were stored before this source. ``now`` returns the time at
    which a batch is seen, in seconds since the epoch; None for recorded ones.
    """

    def __init__(
        self,
        places: JobPlaces,
        backlog: Backlog,
        resources: ResourceIntake,
        latest: float,
        now: Callable[[], float] | None,
    ) -> None:
        self.counts = Counts()
        self._places = places
        self._backlog = backlog
        self._resources = resources
        self._now = now
        self._latest = latest  # as of the last commit; see BatchRows.latest
        self._rows: BatchRows

    def begin(self, db: apsw.Connection) -> BatchRows:
        """Begin a batch in the transaction that is open on ``db``; returns its rows."""
        self.counts = Counts()
        seen = None if self._now is None else self._now()
        self._rows = BatchRows(db, head(db) + 1, self._latest, seen)
        self._places.begin(db)
        self._resources.begin(self._rows, self.counts)
        return self._rows

    def committed(self) -> None:
        """Keep what the batch changed."""
        self._latest = self._rows.latest

    def rolled_back(self) -> None:
        """Drop what the batch changed; rows and counts are made anew for each batch."""

    def take_all(self, lines: Iterable[bytes]) -> None:
        """Take lines: responses of the journals, and payloads of purge events and of status.

        Most lines bring the next event of a job that this batch has met. For speed, the loop
        does for these what `_take_next` does, without calling it: the two must stay the same.
        """
        met = self._places.working.get
        rows, new = self._rows, 0
        records, first = rows.records, rows.first
        for line in lines:
            live = decode_live(line)
            if live is None:
                self._take_other(line)
                continue
            jobid, entry = live
            jobs = met(jobid)
            if jobs is not None and len(jobs) == 1 and entry.name != "submit":
                job, timestamp = jobs[0], entry.timestamp
                if timestamp > job.latest and job.known is None:
                    job.latest = timestamp
                    job.count = job.cursor = job.count + 1
                    if timestamp > rows.latest:  # noqa: PLR1730 - see `_take_next`
                        rows.latest = timestamp
                    seq = first + len(records)
                    records.append(Record(seq, job.key, jobid, job.stream, False, None, entry))
                    new += 1
                    continue
            self.counts.responses += 1
            self._take_response(Response(jobid, [entry], None, None, []))
        self.counts.responses += new
        self.counts.new += new

    def _take_other(self, line: bytes) -> None:
        """Take what is no live response of one event."""
        if line.startswith(PREFIX) and self._take_resource(line):
            return
        if self._take_known(line):
            return
        message = decode_any(line)
        if isinstance(message, Reject):
            if not self._take_resource(line):
                self.take_reject(message)
            return
        self.counts.responses += 1
        if isinstance(message, Purge):
            self._take_purge(message)
            return
        self._take_response(message)
        if message.jobid == SENTINEL:
            self._backlog.end(self._rows)

    def _take_resource(self, line: bytes) -> bool:
        """Take what the resource module sent; returns whether it is that."""
        message = decode_resource(line)
        if message is None:
            return False
        self.counts.responses += 1
        self.counts.of_resources += 1
        if isinstance(message, ResourceResponse):
            for reject in message.rejects:
                self.take_reject(reject)
            self._resources.take(message)
        elif isinstance(message, ResourceStatus):
            self._resources.take_status(message)
        else:
            self._resources.take_end(message)
        return True

    def take_reject(self, reject: Reject) -> None:
        """Take what cannot be stored as an event."""
        self.counts.rejected += 1
        self._rows.add_reject(reject)

    def _take_response(self, response: Response) -> None:
        for reject in response.rejects:
            self.take_reject(reject)
        entries = response.entries
        if not entries:
            return
        if len(entries) == 1 and self._take_next(response.jobid, entries[0]):
            if response.jobspec is not None or response.R is not None:
                self._rows.add_payloads(response, -1)
            return
        replayed = response.replayed
        job = self._job_of(response.jobid, entries)
        before = len(self._rows.records)
        if replayed:
            job.cursor = 0
        if job.count == 0 or all(entry.timestamp > job.latest for entry in entries):
            for entry in entries:
                self._add(job, entry, job.count, replayed=replayed)
        else:
            self._merge(job, entries, replayed=replayed)
        if len(self._rows.records) > before:
            self._rows.add_payloads(response, before)

    def _take_next(self, jobid: int, entry: Entry) -> bool:
        """Append an event that can only be its job's next one: what most are."""
        jobs = self._places.remembered(jobid)
        if jobs is None or len(jobs) > 1 or entry.name == "submit":
            return False
        job, timestamp = jobs[0], entry.timestamp
        if timestamp <= job.latest or job.known is not None:
            return False
        job.latest = timestamp
        job.count = job.cursor = job.count + 1
        rows = self._rows
        if timestamp > rows.latest:  # noqa: PLR1730 - max() takes twice the time
            rows.latest = timestamp
        records = rows.records
        seq = rows.first + len(records)
        records.append(Record(seq, job.key, jobid, job.stream, False, None, entry))
        self.counts.new += 1
        return True

    def _take_known(self, line: bytes) -> bool:
        """Recognise a finished job's backlog response of which all is stored: most of a replay.

        Of a job that goes on, it has to be known how far this source has shown it: the next
        event stands behind that, also where the clock was set back.
        """
        if line.count(_TIMESTAMP) < 2:  # of a single event: cannot be a backlog's
            return False
        seen = glimpse(line)
        if (
            seen is None
            or seen.events[-1].name != "clean"
            or not self._places.is_unread(seen.id)
        ):
            return False
        key = stored_events.all_known(self._rows.db, seen)
        if key is None:
            return False
        self.counts.responses += 1
        self.counts.known += len(seen.events)
        self._backlog.saw_job(key)
        return True

    def _job_of(self, jobid: int, entries: list[Entry]) -> JobPlace:
        job = self._places.find(self._rows, jobid, entries)
        if self._backlog.awaits_jobs:
            # Only a response that begins with submit shows the whole job. Any other one is a
            # live event that was held back, and cannot show that the KVS was rolled back.
            whole = entries[0].name == "submit"
            if job.count and whole and taken_back(self._known(job), entries):
                # The KVS was rolled back: what is stored stays as it is, and what happens from
                # now on belongs to a new job.
                job = self._places.add(self._rows, jobid)
            self._backlog.saw_job(job.key)
        return job

    def _known(self, job: JobPlace) -> list[Known]:
        return self._places.stored_events(self._rows, job)

    def _merge(self, job: JobPlace, entries: list[Entry], *, replayed: bool) -> None:
        """Append those of a job's events that are not stored, where they belong."""
        there = self._known(job)
        for entry in entries:
            stored, index = place(there, entry, job.cursor, replayed=replayed)
            if stored:
                self.counts.known += 1
                job.cursor = max(job.cursor, index + 1)
                if replayed and entry.name == "memo":
                    self._backlog.saw_memo(job.key, there[index].seq)
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
        rows.latest = max(rows.latest, entry.timestamp)
        rows.records.append(
            Record(seq, job.key, job.jobid, job.stream, replayed, anchor, entry)
        )
        self.counts.new += 1
        if replayed and entry.name == "memo":
            self._backlog.saw_memo(job.key, seq)
        elif replayed and entry.name == "flux-restart":
            self._backlog.saw_restart()

    def _take_purge(self, purge: Purge) -> None:
        db = self._rows.flushed()
        if any(
            fetch(db, "SELECT 1 FROM notice WHERE digest = ?", (digest,))
            for digest in notice_digests(Notice(0, 0.0, "purge", purge.data))
        ):
            return
        seq = self._rows.add_notice("purge", purge.data, self._rows.latest, self._rows.seen)
        db.executemany(SQL["append_purged"], ((seq, jobid) for jobid in purge.jobids))
