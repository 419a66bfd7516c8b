# SPDX-License-Identifier: LGPL-3.0
"""A batch is a unit of work: its rows and its changes in memory are committed, or rolled back.

Every object that remembers something of stored rows takes part. It works on copies, or notes
how to undo its changes, until it is told how the transaction ended: ``committed`` or
``rolled_back``. Nothing else repairs memory after a batch that failed.

    begin                 the transaction is open (BEGIN IMMEDIATE)
    lines are read        the writer's own memory changes, rows are gathered
    apply                 each participant is given the batch's records, and writes its rows
    COMMIT or ROLLBACK
    then committed or rolled_back is called on every participant, even if one of them raises
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

import apsw

from eventstore.bulk_work import without_collections
from eventstore.events.records import Notice, Record
from eventstore.storage.connection import Store
from eventstore.storage.sql import value


class Remembering(Protocol):
    """An object that remembers something of stored rows.

    Each batch ends with one call of one of these. Neither reads or writes the database.
    """

    def committed(self) -> None:
        """Keep what this batch changed: its rows are stored."""

    def rolled_back(self) -> None:
        """Drop what this batch changed: be as before it. Its lines may be given again."""


class Participant(Remembering, Protocol):
    """An object that derives rows from the events, in the transaction that appends them."""

    def apply(self, db: apsw.Connection, records: Sequence[Record | Notice]) -> None:
        """Write the rows that follow from a batch, given in the order of seq; may be none.

        Called inside the transaction, after the batch's own rows. An exception rolls the batch
        back.
        """


class UnitOfWork:
    """Runs batches of one writer, one at a time."""

    def __init__(
        self, store: Store, memory: Iterable[Remembering], participants: Sequence[Participant]
    ) -> None:
        self._store = store
        self._participants = participants
        self._all = (*memory, *participants)
        self._batch = 0  # number of the batch whose row was appended; 0: none was

    @contextmanager
    def batch(self) -> Iterator[apsw.Connection]:
        """Open the transaction of a batch; raises the exception that rolled it back.

        Errors of SQLite are raised as StoreError.
        """
        self._batch = 0
        try:
            with without_collections(), self._store.transaction() as db:
                yield db
        except BaseException:
            if self._is_stored():
                _tell(member.committed for member in self._all)
            else:
                _tell(member.rolled_back for member in self._all)
            raise
        _tell(member.committed for member in self._all)

    def apply(
        self, db: apsw.Connection, batch: int, records: Sequence[Record | Notice]
    ) -> None:
        """Call the participants; ``batch`` is the number of the batch's row."""
        self._batch = batch
        for participant in self._participants:
            participant.apply(db, records)

    def _is_stored(self) -> bool:
        """Whether the batch was committed, and the exception was raised after that.

        An interrupt (KeyboardInterrupt) may come at any time.
        """
        try:
            sql = "SELECT max(batch) FROM batch"
            return self._batch > 0 and value(self._store.db, sql) == self._batch
        except apsw.Error:
            return False


def _tell(calls: Iterable[Callable[[], None]]) -> None:
    """Make all calls, then raise the first error that one of them raised."""
    first: Exception | None = None
    for call in calls:
        try:
            call()
        except Exception as error:  # noqa: BLE001 - it is raised below
            first = first or error
    if first is not None:
        raise first
