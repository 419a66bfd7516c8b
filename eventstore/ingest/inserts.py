# SPDX-License-Identifier: LGPL-3.0
"""The statements that append rows, for ingest and for recovery."""

from __future__ import annotations

import copy
from collections.abc import Iterable

import apsw

from eventstore.events import digest_chain, resource_notices
from eventstore.events.compression import Deflater, shorten
from eventstore.events.encoding import to_json
from eventstore.events.journal_line import decode_purge
from eventstore.events.records import Notice, Record
from eventstore.reading.event_log import number_of
from eventstore.storage.sql import statements, value

SQL = statements(__file__)
_PAYLOADS = {"jobspec": SQL["append_jobspec"], "R": SQL["append_R"]}


def append_jobs(db: apsw.Connection, jobs: Iterable[tuple[int, int, int]]) -> None:
    """Append (key, jobid, stream) to the table job."""
    db.executemany("INSERT INTO job (key, jobid, stream) VALUES (?, ?, ?)", jobs)


def append_events(db: apsw.Connection, records: Iterable[Record | Notice]) -> None:
    """Append the events among records."""
    rows = []
    for record in records:
        if isinstance(record, Notice):
            continue
        entry = record.entry
        timestamp, name = entry.timestamp, entry.name
        form, kept = shorten(entry.text or entry.data, timestamp, name, entry.context)
        rows.append(
            (
                record.seq,
                record.job,
                timestamp,
                name,
                record.replayed,
                record.anchor,
                kept,
                form,
            )
        )
    db.executemany(SQL["append_event"], rows)


class Payloads:
    """Appends jobspecs and Rs, deflated with those that came before them.

    Which payload the next ones are deflated with is remembered over batches. A batch works
    on copies, which replace what is remembered once the batch is committed.
    """

    def __init__(self) -> None:
        self._kept = {"jobspec": Deflater(), "R": Deflater()}
        self._working = _copies(self._kept)

    def append(
        self, db: apsw.Connection, table: str, payloads: Iterable[tuple[int, bytes]]
    ) -> None:
        """Append (seq, bytes) to ``table``, in the order of seq."""
        keep = self._working[table].keep
        db.executemany(_PAYLOADS[table], [keep(seq, data) for seq, data in payloads])

    def committed(self) -> None:
        """Keep what the batch changed."""
        self._kept = _copies(self._working)

    def rolled_back(self) -> None:
        """Drop what the batch changed."""
        self._working = _copies(self._kept)


def _copies(deflaters: dict[str, Deflater]) -> dict[str, Deflater]:
    return {table: copy.copy(deflater) for table, deflater in deflaters.items()}


def append_notice(db: apsw.Connection, notice: Notice) -> None:
    """Append a notice; some are recognised later by a digest."""
    free = (
        digest for digest in notice_digests(notice)
        if value(db, "SELECT 1 FROM notice WHERE digest = ?", (digest,)) is None
    )  # fmt: skip
    append_recognised(db, notice, next(free, None))


def append_recognised(db: apsw.Connection, notice: Notice, digest: bytes | None) -> None:
    """Append a notice with the digest that it is recognised by."""
    row = (notice.seq, notice.time, notice.kind, digest, notice.data)
    db.execute(SQL["append_notice"], row)


def notice_digests(notice: Notice) -> tuple[bytes, ...]:
    """Return what the column ``digest`` may hold; of some kinds it is NULL.

    Of a purge, it is the digest of its ids as Flux writes them, so that white space in the text
    does not matter. Databases of earlier versions have the digest of the text as it came: the
    second one.
    """
    _, time, kind, data = notice
    if kind in resource_notices.KINDS:
        return resource_notices.digests(kind, time, data)
    if kind != "purge":
        return ()
    written = to_json({"jobs": decode_purge(data).jobs})
    return tuple(map(digest_chain.content_digest, dict.fromkeys((written, data))))


def append_reject(
    db: apsw.Connection, batch: int, reject: tuple[int | None, str, bytes]
) -> bool:
    """Append (job id, reason, bytes) of a batch; returns False where that is stored already."""
    jobid, reason, data = reject
    db.execute(SQL["append_reject"], (batch, jobid, reason, reject_digest(*reject), data))
    return bool(db.changes())


def reject_digest(jobid: int | None, reason: str, data: bytes) -> bytes:
    """Return what a reject is recognised by."""
    return digest_chain.content_digest(f"{jobid} {reason} ".encode() + data)


def last_batch(db: apsw.Connection) -> tuple[int, bytes]:
    """Return number and digest of the last batch; 0 and GENESIS where there is none."""
    found = db.execute("SELECT batch, digest FROM batch ORDER BY batch DESC LIMIT 1")
    number, chain = next(iter(found), (0, digest_chain.GENESIS))
    return number_of(number), chain


def next_batch(db: apsw.Connection) -> int:
    """Return the number of the next batch."""
    return number_of(value(db, "SELECT coalesce(max(batch), 0) FROM batch")) + 1


def append_batch(
    db: apsw.Connection,
    header: tuple[int, int, float],
    extent: tuple[int, int, int],
    proof: digest_chain.Proof,
) -> None:
    """Append a batch's row.

    ``header`` is (batch, source, committed in seconds since the epoch), ``extent`` (first seq,
    last seq, number of rejects).
    """
    db.execute(SQL["append_batch"], (*header, *extent, *proof))
