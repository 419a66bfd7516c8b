# SPDX-License-Identifier: LGPL-3.0
"""Which rows of a damaged database can be trusted: all that a digest proves, else row by row.

Rows that cannot be trusted are set aside, to be stored as rejects.
"""

from __future__ import annotations

import struct
import zlib
from contextlib import suppress
from itertools import pairwise
from typing import NamedTuple

import apsw

from eventstore.events import digest_chain
from eventstore.events.compression import inflate
from eventstore.events.records import Notice, Record
from eventstore.maintenance.salvage import Row, Salvage
from eventstore.reading.event_log import entry

Reject = tuple["int | None", str, bytes]
"""A job id, a reason, and bytes."""

_EVENT = "job, timestamp, name, replayed, anchor, form, data"


class Batch(NamedTuple):
    """A batch as its row says; if the row is lost, ``checks`` and ``digest`` are empty.

    ``previous`` is the digest of the batch before, if that is known.
    """

    number: int
    source: int
    committed: float
    first: int
    last: int
    checks: bytes = b""
    digest: bytes = b""
    previous: bytes = b""

    @staticmethod
    def is_possible(row: Row, room: int) -> bool:
        """Whether a row can be that of a batch, in a file with room for so many rows."""
        number, source, committed, first, last, checks, digest = row
        whole = all(isinstance(item, int) for item in (number, source, first, last))
        if not whole or not isinstance(committed, float) or last < first - 1:
            return False
        if max(number, last) > room or min(number, first) < 1:
            return False
        if not -(2**62) < source < 2**62:
            return False
        return isinstance(checks, bytes) and len(checks) % 4 == 0 and isinstance(digest, bytes)

    def proves(self, contents: digest_chain.Contents) -> bool:
        """Whether these are the rows that were appended."""
        if not self.previous:
            return False
        header = (self.number, self.source, self.committed)
        try:
            return self.digest == digest_chain.prove(self.previous, header, contents).digest
        except (TypeError, ValueError, OverflowError, AttributeError, struct.error):
            return False  # a column has another type than was written


class Losses(NamedTuple):
    """What is lost: ``lines`` name it, ``rejects`` are bytes that were set aside."""

    lines: list[str]
    rejects: list[Reject]

    def name(self, what: str) -> None:
        """Name what is lost."""
        self.lines.append(what)

    def set_aside(self, what: str, why: str, data: object, jobid: int | None = None) -> None:
        """Name what is lost, and keep its bytes."""
        self.name(f"{what}: {why}")
        if isinstance(data, bytes):
            self.rejects.append((jobid, f"recovered {what}: {why}", data))


class TrustedRows:
    """Reads batches; ``jobs`` maps a job's key to (jobid, stream)."""

    def __init__(
        self, found: Salvage, jobs: dict[int, tuple[int, int]], losses: Losses
    ) -> None:
        self._found = found
        self._jobs = jobs
        self._losses = losses

    def contents(self, batch: Batch) -> digest_chain.Contents:
        """Return what can be trusted of a batch; the rest is named in the losses."""
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
        if batch.proves(contents):
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
        """Return jobspecs or Rs by seq: all bytes that may be those received, if any may."""
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
        if anchor is not None and not 0 <= anchor < seq:
            anchor = None  # no event was appended with such an anchor
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
        jobid = self._jobs.get(job, (None,))[0]
        self._losses.set_aside(f"event {seq}", why, data, jobid)
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
                what = f"{table} of event {seq}"
                self._losses.set_aside(what, "its bytes were changed", changed)
        return kept

    def _is_readable(self, notice: Notice) -> bool:
        if not notice.well_formed:
            what = f"notice {notice.seq}"
            self._losses.set_aside(what, "its bytes were changed", notice.data)
        return notice.well_formed

    def _name_missing(self, batch: Batch, there: set[int], payloads: int) -> None:
        where = f"batch {batch.number}"
        missing = 0
        for seq, following in pairwise([batch.first - 1, *sorted(there), batch.last + 1]):
            first, last = seq + 1, following - 1
            if first > last:
                continue
            missing += last - first + 1
            what = f"event {first}" if first == last else f"events {first} to {last}"
            self._losses.name(f"{what} ({where}): cannot be read")
        # Each row has a checksum: what they say beyond the events is jobspecs and Rs.
        lost = len(batch.checks) // 4 - len(there) - missing - payloads
        if lost > 0:
            self._losses.name(f"{lost} of jobspecs and Rs ({where}): cannot be read")


def _is_reject(row: Row) -> bool:
    jobid, reason, data = row[:3]
    return isinstance(jobid, int | None) and isinstance(reason, str) and isinstance(data, bytes)


def _is_among(data: object, sums: set[int] | None) -> bool:
    return isinstance(data, bytes) and (sums is None or zlib.crc32(data) in sums)
