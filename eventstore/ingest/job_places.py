# SPDX-License-Identifier: LGPL-3.0
"""Which job a response is about, and how far that job has been read and stored.

Job ids are unique within one stream only (one Flux instance with its restarts). Where one id
stands for several jobs, the time of ``submit`` tells which one is meant.
"""

from __future__ import annotations

import copy

import apsw

from eventstore.events.dedup import Known
from eventstore.events.journal_line import Entry
from eventstore.ingest import stored_events
from eventstore.ingest.batch_rows import BatchRows
from eventstore.ingest.stored_events import JobPlace
from eventstore.reading.event_log import number_of
from eventstore.storage.sql import value

_CACHED_IDS = 30_000  # job ids whose places are remembered between batches


class JobPlaces:
    """The places of jobs that were met lately, by job id, in the order of their streams.

    A batch works on copies: ``working`` holds those of the ids that it has met. They replace
    what is remembered once the batch is committed.
    """

    def __init__(self) -> None:
        self.working: dict[int, list[JobPlace]] = {}
        self._kept: dict[int, list[JobPlace]] = {}
        self._loaded: list[JobPlace] = []  # those whose stored events were read in this batch
        self._next_key = 1
        self._highest = -1  # stored job id; a higher one is new, without a query

    def begin(self, db: apsw.Connection) -> None:
        """Begin a batch."""
        self._next_key = number_of(value(db, "SELECT coalesce(max(key), 0) FROM job")) + 1
        highest = value(db, "SELECT coalesce(max(jobid), -1) FROM job")
        if not isinstance(highest, int):
            raise apsw.CorruptError("a stored job id has another type")
        self._highest = highest

    def committed(self) -> None:
        """Keep what the batch changed."""
        for job in self._loaded:
            job.known = None  # only as long as a batch: they may be many
        self._kept |= self.working
        self.working, self._loaded = {}, []
        if len(self._kept) > _CACHED_IDS:
            self._kept = dict(list(self._kept.items())[-_CACHED_IDS // 2 :])

    def rolled_back(self) -> None:
        """Drop what the batch changed."""
        self.working, self._loaded = {}, []

    def remembered(self, jobid: int) -> list[JobPlace] | None:
        """Return the jobs of an id, to be changed by this batch; None where it must be read."""
        jobs = self.working.get(jobid)
        if jobs is None and jobid in self._kept:
            jobs = self.working[jobid] = [copy.copy(job) for job in self._kept[jobid]]
        return jobs

    def is_unread(self, jobid: int) -> bool:
        """Whether jobs of this id may be stored of which nothing is remembered."""
        return jobid <= self._highest and not (jobid in self.working or jobid in self._kept)

    def find(self, rows: BatchRows, jobid: int, entries: list[Entry]) -> JobPlace:
        """Return the job of an id that the events belong to: a known one, or a new one."""
        jobs = self.remembered(jobid)
        if jobs is None:
            unread = self.is_unread(jobid)
            jobs = stored_events.places(rows.db, jobid) if unread else []
            self.working[jobid] = jobs
        first = entries[0]
        same = [job for job in jobs if job.submitted == first.timestamp]
        if first.name != "submit" or not same:
            all_begun = all(job.submitted is not None for job in jobs)
            if not jobs or (first.name == "submit" and all_begun):
                # Another instance counts its ids from the start again.
                return self.add(rows, jobid)
            submitted = _last_submitted(jobs, first.timestamp).submitted
            same = [job for job in jobs if job.submitted == submitted]
        return same[0] if len(same) == 1 else self._with_end(rows, same, entries[-1])

    def add(self, rows: BatchRows, jobid: int) -> JobPlace:
        """Add a job, the last one of this id."""
        jobs = self.working[jobid]
        job = JobPlace(self._next_key, jobid, len(jobs) + 1)
        jobs.append(job)
        self._next_key += 1
        self._highest = max(self._highest, jobid)
        rows.add_job(job.key, jobid, job.stream)
        return job

    def stored_events(self, rows: BatchRows, job: JobPlace) -> list[Known]:
        """Return a job's events, those of this batch included, in the job's order."""
        if job.known is None:
            job.known = stored_events.events(rows.flushed(), job.key)
            self._loaded.append(job)
        return job.known

    def _with_end(self, rows: BatchRows, same: list[JobPlace], last: Entry) -> JobPlace:
        """Of jobs with the same beginning: the newest that has the event ``last``.

        There are several where the KVS was rolled back: see `dedup.taken_back`.
        """
        end = (last.timestamp, last.name)
        for job in reversed(same):
            events = self.stored_events(rows, job)
            if any((event.timestamp, event.name) == end for event in events):
                return job
        return same[-1]


def _last_submitted(jobs: list[JobPlace], timestamp: float) -> JobPlace:
    """Of jobs with the same id: the last that was submitted by then, else the first."""
    started = [job for job in jobs if job.submitted is None or job.submitted <= timestamp]
    return started[-1] if started else jobs[0]
