# SPDX-License-Identifier: LGPL-3.0
"""The rows of one batch: gathered while its lines are read, written together at its end.

Rows are written earlier only where they have to be read: see ``flushed``.
"""

from __future__ import annotations

from math import inf, nextafter

import apsw

from eventstore.events import digest_chain
from eventstore.events.journal_line import Reject, Response
from eventstore.events.records import Notice, Record
from eventstore.ingest import inserts

_LARGEST_TIME = nextafter(inf, 0.0)
"""The largest finite timestamp."""


class BatchRows:
    """What a batch appends. ``records`` holds events and notices; the first has seq ``first``.

    ``latest`` is the highest timestamp of an event so far, those of earlier batches included,
    in seconds since the epoch. ``seen`` is when the batch came, where it came live; None for
    what was recorded. A transaction must be open on ``db``.
    """

    def __init__(
        self, db: apsw.Connection, first: int, latest: float, seen: float | None = None
    ) -> None:
        self.first = first
        self.latest = latest
        self.seen = seen
        self.records: list[Record | Notice] = []
        self.payloads: dict[str, list[tuple[int, bytes]]] = {"jobspec": [], "R": []}
        self.rejects: list[tuple[int | None, str, bytes]] = []
        self.db = db
        self._jobs: list[tuple[int, int, int]] = []  # not written yet
        self._written = 0  # how many of the records are written

    def add_job(self, key: int, jobid: int, stream: int) -> None:
        """Add a row of the table job."""
        self._jobs.append((key, jobid, stream))

    def add_payloads(self, response: Response, first: int) -> None:
        """Add jobspec and R of a response, whose events are ``records[first:]``.

        The jobspec is stored with the new ``submit``, R with the new ``alloc`` (RFC 21); where
        that event is not new, with the first new event of the response.
        """
        new = [record for record in self.records[first:] if isinstance(record, Record)]

        def bearer(name: str) -> Record:
            return next((record for record in new if record.entry.name == name), new[0])

        if response.jobspec is not None:
            record = bearer("submit")
            record.jobspec = response.jobspec
            self.payloads["jobspec"].append((record.seq, response.jobspec))
        if response.R is not None:
            record = bearer("alloc")
            record.R = response.R
            self.payloads["R"].append((record.seq, response.R))

    def add_notice(
        self, kind: str, data: bytes, after: float, seen: float | None = None
    ) -> int:
        """Write a notice; returns its seq.

        Its time is when it was ``seen``. Where that is not known, or no later, it is just
        after the time ``after``.
        """
        time = max(self.just_after(after), min(seen or 0.0, _LARGEST_TIME))
        notice = Notice(self.next_seq, time, kind, data)
        self.records.append(notice)
        inserts.append_notice(self.db, notice)
        return notice.seq

    def add_placed(self, kind: str, time: float, data: bytes, digest: bytes | None) -> None:
        """Write a notice of a given time, with the digest by which it is recognised.

        The caller has made sure that no stored notice has this digest. None: it is not
        recognised, and stored each time.
        """
        notice = Notice(self.next_seq, time, kind, data)
        self.records.append(notice)
        inserts.append_recognised(self.db, notice, digest)

    @property
    def next_seq(self) -> int:
        """The seq of the next event or notice."""
        return self.first + len(self.records)

    @staticmethod
    def just_after(time: float) -> float:
        """Return the next larger double: the earliest time after ``time``."""
        return min(nextafter(time, inf), _LARGEST_TIME)

    def add_reject(self, reject: Reject) -> None:
        """Write a reject, unless it is stored already."""
        row = (reject.jobid, reject.reason, reject.data)
        if inserts.append_reject(self.db, inserts.next_batch(self.db), row):
            self.rejects.append(row)

    def flushed(self) -> apsw.Connection:
        """Write the jobs and events that are not written yet; returns the connection."""
        inserts.append_jobs(self.db, self._jobs)
        inserts.append_events(self.db, self.records[self._written :])
        self._jobs, self._written = [], len(self.records)
        return self.db

    def finish(self, payloads: inserts.Payloads, source: int, committed: float) -> int:
        """Write all that is left, and the batch's own row; returns the batch's number.

        ``committed`` is in seconds since the epoch.
        """
        db = self.flushed()
        for table, rows in self.payloads.items():
            payloads.append(db, table, rows)
        contents = digest_chain.Contents(
            [row for row in self.records if isinstance(row, Record)],
            self.payloads["jobspec"],
            self.payloads["R"],
            [row for row in self.records if isinstance(row, Notice)],
            self.rejects,
        )
        last = self.first + len(self.records) - 1
        number, chain = inserts.last_batch(db)
        header = (number + 1, source, committed)
        proof = digest_chain.prove(chain, header, contents)
        inserts.append_batch(db, header, (self.first, last, len(self.rejects)), proof)
        return number + 1
