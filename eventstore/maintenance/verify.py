# SPDX-License-Identifier: LGPL-3.0
"""Proof that what is stored is what was appended.

Recomputes the digest chain batch by batch, so that memory stays flat, and names the first
fault: the event whose bytes changed where the checks can tell, else the batch.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from typing import Any, NamedTuple

import apsw

from eventstore.events import digest_chain
from eventstore.events.compression import FORMS, WHOLE, inflate
from eventstore.events.journal_line import Entry, decode_event
from eventstore.events.records import Notice, Record
from eventstore.maintenance.integrity import notice_fault, schema_fault, structure_fault
from eventstore.reading.event_log import head
from eventstore.storage.connection import Store
from eventstore.storage.sql import fetch, value

Progress = Callable[[int, int], None]
"""Called with (done, total) batches."""


NO_EVENT = "no event is concerned"
"""How a fault ends that leaves all events as they came."""


class Verified(NamedTuple):
    """What was found. ``head`` is the digest to log elsewhere; no ``fault``: all is well."""

    batches: int
    events: int
    head: bytes
    fault: str | None


class _Fault(Exception):  # noqa: N818 - never leaves this file
    """Ends the check at the first fault."""


def verify_chain(
    store: Store,
    progress: Progress = lambda done, total: None,
    *,
    logged: bytes | None = None,
) -> Verified:
    """Recompute everything that ``digest.py`` covers, and check what it does not.

    That is SQLite's own integrity check, and the tables that follow from notices. ``logged``
    is a head digest of some time before, which must be one of the chain's: else the newest
    batches are missing, as they are when the write-ahead log was taken away.
    """
    with store.snapshot() as db:
        structure = structure_fault(db)
        found = _verify_batches(db, progress)
        if found.fault is not None:
            both = filter(None, (found.fault, structure))
            return found._replace(fault="; ".join(both))
        try:
            if logged is not None and not _had(db, logged):
                fault = (
                    f"head {logged.hex()} is not here: events after seq {head(db)} are "
                    "missing, or it is another database's"
                )
                return found._replace(fault=fault)
            other = structure or schema_fault(db) or notice_fault(db)
        except (apsw.Error, UnicodeDecodeError) as error:
            other = f"SQLite: {error}"
    if other is None:
        return found
    return found._replace(fault=f"{other}; {NO_EVENT}")


def _had(db: apsw.Connection, head: bytes) -> bool:
    sql = "SELECT 1 FROM batch WHERE digest = ?"
    return head == digest_chain.GENESIS or value(db, sql, (head,)) is not None


def _verify_batches(db: apsw.Connection, progress: Progress) -> Verified:
    chain, events, done, expected_first = digest_chain.GENESIS, 0, 0, 1
    try:
        total = value(db, "SELECT count(*) FROM batch")
        for row in db.execute(
            "SELECT batch, source, committed, first, last, rejects, checks, digest"
            " FROM batch ORDER BY batch"
        ):
            number, source, committed, first, last, rejects, checks, stored = row
            if number != done + 1:
                raise _Fault(f"batch {done + 1} is missing")
            if first != expected_first:
                raise _Fault(f"batch {number}: begins at seq {first}, not at {expected_first}")
            where = f"batch {number} (seq {first} to {last})"
            contents = _read(db, number, first, last)
            proof = digest_chain.prove(chain, (number, source, committed), contents)
            if proof.checks != checks:
                raise _changed(contents, checks, where)
            if len(contents.rejects) != rejects:
                raise _Fault(f"{where}: {len(contents.rejects)} rejects, not {rejects}")
            chain = proof.digest
            if chain != stored:
                raise _Fault(f"{where}: its digest differs: a column or the batch was changed")
            events += len(contents.events)
            expected_first, done = last + 1, number
            progress(done, total)
        _check_nothing_else(db, expected_first - 1, done)
    except _Fault as fault:
        return Verified(done, events, chain, str(fault))
    except (TypeError, ValueError, OverflowError, AttributeError, struct.error) as error:
        return Verified(done, events, chain, f"batch {done + 1}: a column changed: {error}")
    except apsw.Error as error:
        where = f"batch {done + 1}, from seq {expected_first} on"
        return Verified(done, events, chain, f"{where}: cannot be read: {error}")
    return Verified(done, events, chain, None)


def _read(db: apsw.Connection, number: int, first: int, last: int) -> digest_chain.Contents:
    try:
        return _contents(db, number, first, last)
    except (apsw.Error, UnicodeDecodeError) as error:
        raise _Fault(
            f"batch {number} (seq {first} to {last}): cannot be read: {error}"
        ) from error


_NOTICES = "SELECT seq, time, kind, data FROM notice"
_REJECTS = "SELECT jobid, reason, data FROM reject WHERE batch = ? ORDER BY reject"


def _contents(db: apsw.Connection, batch: int, first: int, last: int) -> digest_chain.Contents:
    window = (first, last)
    within = " WHERE seq BETWEEN ? AND ? ORDER BY seq"
    events = []
    for row in fetch(
        db,
        "SELECT seq, job, jobid, stream, replayed, anchor, timestamp, name, form, data"
        " FROM event LEFT JOIN job ON key = job" + within,
        window,
    ):
        seq, job, jobid, stream, replayed, anchor, *columns = row
        where = f"batch {batch}: event {seq}"
        if jobid is None:
            raise _Fault(f"{where}: its job is missing")
        events.append(Record(seq, job, jobid, stream, replayed, anchor, _entry(columns, where)))
    contents = digest_chain.Contents(
        events,
        _payloads(db, "jobspec", batch, window),
        _payloads(db, "R", batch, window),
        [Notice(*row) for row in fetch(db, _NOTICES + within, window)],
        fetch(db, _REJECTS, (batch,)),
    )
    for name, rows in (("notice", contents.notices), ("reject", contents.rejects)):
        for row in rows:
            if not isinstance(row[-1], bytes):
                raise _Fault(f"batch {batch}: {name} {row[0]}: its bytes were changed")
    return contents


def _entry(columns: list[Any], where: str) -> Entry:
    """Return an event as its columns have it; its bytes are compared later."""
    timestamp, name, form, data = columns
    if not isinstance(data, bytes) or form not in FORMS:
        raise _Fault(f"{where}: its bytes were changed")
    if form != WHOLE:
        return Entry(timestamp, name, None, None, form, data)
    found = decode_event(data)
    if not isinstance(found, Entry):
        return Entry(timestamp, name, None, data)
    if (found.timestamp, found.name) != (timestamp, name):
        raise _Fault(f"{where}: its columns differ from its bytes")
    return found


def _payloads(
    db: apsw.Connection, table: str, batch: int, window: tuple[int, int]
) -> list[tuple[int, bytes]]:
    found = []
    for seq, data, base, base_data in fetch(
        db,
        f"SELECT p.seq, p.data, p.base, b.data FROM {table} p"
        f" LEFT JOIN {table} b ON b.seq = p.base WHERE p.seq BETWEEN ? AND ? ORDER BY p.seq",
        window,
    ):
        where = f"batch {batch}: {table} of event {seq}"
        if base is not None and base_data is None:
            raise _Fault(f"{where}: that of event {base}, its base, is missing")
        try:
            found.append((seq, inflate(data, base_data)))
        except ValueError as error:
            of = f" or those of its base, of event {base}," if base is not None else ""
            raise _Fault(f"{where}: its bytes{of} were changed") from error
    return found


def _changed(contents: digest_chain.Contents, checks: bytes, where: str) -> _Fault:
    """Return which row differs from its check."""
    named = [(f"event {event.seq}", event.entry.data) for event in contents.events]
    named += [(f"jobspec of event {seq}", data) for seq, data in contents.jobspecs]
    named += [(f"R of event {seq}", data) for seq, data in contents.Rs]
    if len(named) * 4 != len(checks):
        return _Fault(f"{where}: holds {len(named)} rows, {len(checks) // 4} were appended")
    name = next(
        name
        for index, (name, data) in enumerate(named)
        if zlib.crc32(data).to_bytes(4, "little") != checks[index * 4 : index * 4 + 4]
    )
    return _Fault(f"{where}: {name}: its bytes were changed")


def _check_nothing_else(db: apsw.Connection, last: int, batch: int) -> None:
    for table, column, limit in (
        ("event", "seq", last),
        ("notice", "seq", last),
        ("jobspec", "seq", last),
        ("R", "seq", last),
        ("reject", "batch", batch),
    ):
        extra = db.execute(
            f"SELECT min({column}) FROM {table} WHERE {column} > ?", (limit,)
        ).get
        if extra is not None:
            raise _Fault(f"{table}: {column} {extra} belongs to no batch")
