# SPDX-License-Identifier: LGPL-3.0
"""Proof that what is stored is what was appended.

Recomputes the digest chain batch by batch, so that memory use does not grow with the store,
and names the first fault: the row, if its own columns or its checksum tell, else the batch.
What the chain leaves out is checked by ``integrity.py`` and ``derived_rows.py``.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from typing import NamedTuple

import apsw

from eventstore.bulk_work import without_collections
from eventstore.events import digest_chain
from eventstore.events.resource_notices import EVENT
from eventstore.maintenance.batch_contents import BatchContents, BatchFault, read_batch
from eventstore.maintenance.derived_rows import derived_fault, is_recovered
from eventstore.maintenance.integrity import schema_fault, structure_fault
from eventstore.reading.event_log import head
from eventstore.storage.connection import Store
from eventstore.storage.sql import statements, value

SQL = statements(__file__)

Progress = Callable[[int, int], None]
"""Called with (done, total) batches."""

NO_EVENT = "no event is concerned"
"""How the text of a fault ends that leaves all events unchanged."""


class Verified(NamedTuple):
    """What was found. ``head`` is the digest to log elsewhere, ``fault`` the first fault."""

    batches: int
    events: int
    head: bytes
    fault: str | None


class _Batch(NamedTuple):
    """A row of the table batch."""

    batch: int
    source: int
    first: int
    last: int
    rejects: int
    committed: float
    checks: bytes
    digest: bytes

    @property
    def where(self) -> str:
        return f"batch {self.batch} (seq {self.first} to {self.last})"


_BATCH_TYPES = (int, int, int, int, int, float, bytes, bytes)
_UNREADABLE = (TypeError, ValueError, OverflowError, AttributeError, struct.error)


def verify_chain(
    store: Store,
    progress: Progress = lambda done, total: None,
    *,
    logged: bytes | None = None,
) -> Verified:
    """Recompute everything that ``digest_chain.py`` covers, and check what it leaves out.

    ``logged`` is a head digest of some time before, which must be one of the chain's: else the
    newest batches are missing, as they are when the write-ahead log was taken away.
    """
    with store.snapshot() as db:
        structure = structure_fault(db)
        found = _Chain(db).verify(progress)
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
            other = structure or schema_fault(db) or derived_fault(db)
        except (apsw.Error, UnicodeDecodeError) as error:
            other = f"SQLite: {error}"
        except _UNREADABLE as error:
            other = f"a column has another type: {error}"
    if other is None:
        return found
    return found._replace(fault=f"{other}; {NO_EVENT}")


def _had(db: apsw.Connection, head: bytes) -> bool:
    sql = "SELECT 1 FROM batch WHERE digest = ?"
    return head == digest_chain.GENESIS or value(db, sql, (head,)) is not None


class _Chain:
    """The chain as far as it is recomputed: ``done`` batches, up to the seq ``last``."""

    def __init__(self, db: apsw.Connection) -> None:
        self._db = db
        self._digest = digest_chain.GENESIS
        self._done = 0
        self._last = 0
        self._events = 0
        self._may_have_holes = False

    def verify(self, progress: Progress) -> Verified:
        """Recompute the whole chain."""
        return self._found(self._first_fault(progress))

    def _first_fault(self, progress: Progress) -> str | None:
        try:
            self._may_have_holes = is_recovered(self._db)
            total = value(self._db, "SELECT count(*) FROM batch")
            for row in self._db.execute(SQL["batches"]):
                with without_collections():
                    self._verify_batch(_Batch(*row))
                progress(self._done, total)
            self._check_nothing_else()
        except BatchFault as fault:
            return str(fault)
        except _UNREADABLE as error:
            return f"batch {self._done + 1}: a column changed: {error}"
        except apsw.Error as error:
            where = f"batch {self._done + 1}, from seq {self._last + 1} on"
            return f"{where}: cannot be read: {error}"
        return None

    def _found(self, fault: str | None) -> Verified:
        return Verified(self._done, self._events, self._digest, fault)

    def _verify_batch(self, batch: _Batch) -> None:
        number = self._done + 1
        if batch.batch != number:
            raise BatchFault(f"batch {number} is missing")
        if tuple(map(type, batch)) != _BATCH_TYPES:
            raise BatchFault(f"batch {number}: a column has another type")
        if batch.first != self._last + 1:
            raise BatchFault(
                f"batch {number}: begins at seq {batch.first}, not at {self._last + 1}"
            )
        contents = read_batch(self._db, number, batch.first, batch.last)
        events, others = contents
        header = (number, batch.source, batch.committed)
        proof = digest_chain.prove_columns(self._digest, header, events, others)
        if self._may_have_holes:  # checks of lost events stand behind those of the rows
            batch = batch._replace(checks=batch.checks[: len(proof.checks)])
        if proof.checks != batch.checks:
            raise _changed(contents, batch, intact=proof.digest == batch.digest)
        if len(others.rejects) != batch.rejects:
            raise BatchFault(
                f"{batch.where}: {len(others.rejects)} rejects, not {batch.rejects}"
            )
        if proof.digest != batch.digest:
            raise BatchFault(
                f"{batch.where}: its digest differs: a column or the batch was changed"
            )
        rows = len(events.seqs) + len(others.notices)
        if rows != batch.last - batch.first + 1 and not self._may_have_holes:
            raise BatchFault(f"{batch.where}: has {rows} events and notices")
        self._digest = proof.digest
        self._events += len(events.seqs)
        self._events += sum(notice.kind == EVENT for notice in others.notices)
        self._done, self._last = number, batch.last

    def _check_nothing_else(self) -> None:
        for table, column, limit in (
            ("event", "seq", self._last),
            ("notice", "seq", self._last),
            ("jobspec", "seq", self._last),
            ("R", "seq", self._last),
            ("reject", "batch", self._done),
        ):
            lowest = value(self._db, f"SELECT min({column}) FROM {table}")
            above = f"SELECT min({column}) FROM {table} WHERE {column} > ?"
            extra = value(self._db, above, (limit,))
            if extra is None and lowest is not None and lowest < 1:
                extra = lowest
            if extra is not None:
                raise BatchFault(f"{table}: {column} {extra} belongs to no batch")


def _changed(contents: BatchContents, batch: _Batch, *, intact: bool) -> BatchFault:
    """Return which row differs from its check; ``intact``: the digest says that none does."""
    events, others = contents
    texts = zip(events.seqs, events.texts, strict=True)
    named = [(f"event {seq}", data) for seq, data in texts]
    named += [(f"jobspec of event {seq}", data) for seq, data in others.jobspecs]
    named += [(f"R of event {seq}", data) for seq, data in others.Rs]
    if intact:
        return BatchFault(f"{batch.where}: its checksums were changed")
    if len(named) * 4 != len(batch.checks):
        count = len(batch.checks) // 4
        return BatchFault(f"{batch.where}: holds {len(named)} rows, {count} were appended")
    sums = struct.unpack(f"<{len(named)}I", batch.checks)
    changed = (name for (name, data), sum_ in zip(named, sums, strict=True)
               if zlib.crc32(data) != sum_)  # fmt: skip
    return BatchFault(f"{batch.where}: {next(changed)}: its bytes were changed")
