# SPDX-License-Identifier: LGPL-3.0
"""Proof that what is stored is what was appended.

Recomputes the digest chain batch by batch, so that memory stays flat, and names the first
fault: the event whose bytes changed where the checks can tell, else the batch.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from typing import NamedTuple

import apsw

from . import digest, read
from .integrity import notice_fault, schema_fault, structure_fault
from .journal import Entry, decode_event
from .record import Notice, Record
from .store import Store, fetch, value

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
                    f"head {logged.hex()} is not here: events after seq {read.head(db)} are "
                    "missing, or it is another database's"
                )
                return found._replace(fault=fault)
            other = structure or schema_fault(db) or notice_fault(db)
        except apsw.Error as error:
            other = f"SQLite: {error}"
    if other is None:
        return found
    return found._replace(fault=f"{other}; {NO_EVENT}")


def _had(db: apsw.Connection, head: bytes) -> bool:
    sql = "SELECT 1 FROM batch WHERE digest = ?"
    return head == digest.GENESIS or value(db, sql, (head,)) is not None


def _verify_batches(db: apsw.Connection, progress: Progress) -> Verified:
    chain, events, done, expected_first = digest.GENESIS, 0, 0, 1
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
            _compare_checks(contents, checks, where)
            if len(contents.rejects) != rejects:
                raise _Fault(f"{where}: {len(contents.rejects)} rejects, not {rejects}")
            chain = digest.batch_digest(chain, (number, source, committed), contents)
            if chain != stored:
                raise _Fault(f"{where}: its digest differs: a column or the batch was changed")
            events += len(contents.events)
            expected_first, done = last + 1, number
            progress(done, total)
        _check_nothing_else(db, expected_first - 1, done)
    except _Fault as fault:
        return Verified(done, events, chain, str(fault))
    except (TypeError, AttributeError, struct.error) as error:
        return Verified(done, events, chain, f"batch {done + 1}: a column changed: {error}")
    except apsw.Error as error:
        where = f"batch {done + 1}, from seq {expected_first} on"
        return Verified(done, events, chain, f"{where}: cannot be read: {error}")
    return Verified(done, events, chain, None)


def _read(db: apsw.Connection, number: int, first: int, last: int) -> digest.Contents:
    try:
        return _contents(db, number, first, last)
    except apsw.Error as error:
        raise _Fault(
            f"batch {number} (seq {first} to {last}): cannot be read: {error}"
        ) from error


_NOTICES = "SELECT seq, time, kind, data FROM notice"
_REJECTS = "SELECT jobid, reason, data FROM reject WHERE batch = ? ORDER BY reject"


def _contents(db: apsw.Connection, batch: int, first: int, last: int) -> digest.Contents:
    window = (first, last)
    within = " WHERE seq BETWEEN ? AND ? ORDER BY seq"
    events = []
    for row in fetch(
        db,
        "SELECT seq, job, jobid, stream, replayed, anchor, timestamp, name, data"
        " FROM event LEFT JOIN job ON key = job" + within,
        window,
    ):
        seq, job, jobid, stream, replayed, anchor, timestamp, name, data = row
        entry = decode_event(data) if isinstance(data, bytes) else None
        if not isinstance(entry, Entry):
            # Its bytes are compared next, and will differ.
            entry = Entry(timestamp, name, None, data)
        elif (entry.timestamp, entry.name) != (timestamp, name):
            raise _Fault(f"batch {batch}: event {seq}: its columns differ from its bytes")
        if not isinstance(data, bytes):
            raise _Fault(f"batch {batch}: event {seq}: its bytes were changed")
        if jobid is None:
            raise _Fault(f"batch {batch}: event {seq}: its job is missing")
        events.append(Record(seq, job, jobid, stream, replayed, anchor, entry))
    contents = digest.Contents(
        events,
        fetch(db, "SELECT seq, data FROM jobspec" + within, window),
        fetch(db, "SELECT seq, data FROM R" + within, window),
        [Notice(*row) for row in fetch(db, _NOTICES + within, window)],
        fetch(db, _REJECTS, (batch,)),
    )
    for name, rows in (
        ("jobspec of event", contents.jobspecs),
        ("R of event", contents.Rs),
        ("notice", contents.notices),
        ("reject", contents.rejects),
    ):
        for row in rows:
            if not isinstance(row[-1], bytes):
                raise _Fault(f"batch {batch}: {name} {row[0]}: its bytes were changed")
    return contents


def _compare_checks(contents: digest.Contents, checks: bytes, where: str) -> None:
    if digest.checks(contents) == checks:
        return
    named = [(f"event {event.seq}", event.entry.data) for event in contents.events]
    named += [(f"jobspec of event {seq}", data) for seq, data in contents.jobspecs]
    named += [(f"R of event {seq}", data) for seq, data in contents.Rs]
    if len(named) * 4 != len(checks):
        raise _Fault(f"{where}: holds {len(named)} rows, {len(checks) // 4} were appended")
    for index, (name, data) in enumerate(named):
        if zlib.crc32(data).to_bytes(4, "little") != checks[index * 4 : index * 4 + 4]:
            raise _Fault(f"{where}: {name}: its bytes were changed")


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
