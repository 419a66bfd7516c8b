# SPDX-License-Identifier: LGPL-3.0
"""What a Writer holds between lines: counts, where each job stands, rows to be appended."""

from __future__ import annotations

from dataclasses import dataclass, field

from eventstore.events.dedup import Known
from eventstore.events.records import Notice, Record


@dataclass
class Counts:
    """What a source brought: responses read, events new and stored already, rejects."""

    responses: int = 0
    new: int = 0
    known: int = 0
    rejected: int = 0

    def add(self, other: Counts) -> None:
        """Add another's numbers to these."""
        self.responses += other.responses
        self.new += other.new
        self.known += other.known
        self.rejected += other.rejected


class JobPlace:
    """Where a job stands: what is stored of it, and how far this source has read it."""

    __slots__ = ("count", "cursor", "jobid", "key", "known", "latest", "stream", "submitted")

    def __init__(self, key: int, jobid: int, stream: int) -> None:
        self.key = key
        self.jobid = jobid
        self.stream = stream
        self.submitted: float | None = None  # timestamp of its submit event
        self.latest = float("-inf")  # highest timestamp
        self.count = 0  # events stored
        self.cursor = 0  # of these, how many precede what this source reads next
        self.known: list[Known] | None = None  # loaded when timestamps do not suffice


@dataclass
class Rows:
    """What the current batch appends; ``records`` holds events and notices by seq."""

    first: int  # seq of records[0]
    records: list[Record | Notice] = field(default_factory=list)
    jobspecs: list[tuple[int, bytes]] = field(default_factory=list)
    rs: list[tuple[int, bytes]] = field(default_factory=list)
    rejects: list[tuple[int | None, str, bytes]] = field(default_factory=list)
    # What SQLite does not have yet: rows of job, and the records from an index on.
    jobs: list[tuple[int, int, int]] = field(default_factory=list)
    flushed: int = 0


def by_time(jobs: list[JobPlace], timestamp: float) -> JobPlace:
    """Of jobs with the same id: the last that was submitted by then, else the first."""
    started = [job for job in jobs if job.submitted is None or job.submitted <= timestamp]
    return started[-1] if started else jobs[0]
