# SPDX-License-Identifier: LGPL-3.0
"""Durable cursors of consumers, which read the rows of a view as they are added.

Consumers read a view that has a column ``seq INTEGER PRIMARY KEY``, the highest seq of the
events that a row follows from, in the order of seq. Events can be stored late (from a file, or
when a broker was away), so that neither end times nor job ids are monotonic; seq is. A row that
changes gets a higher seq and is read again: consumers must be idempotent.

A cursor is not a seq but a batch and its digest. The digest is chained over all batches before
it, so that a cursor is valid in one history only: in a database that was restored or made
anew, where the same seq may be another event, reading starts from the beginning.

Cursors are in a file of their own beside the database, because one process may hold the
writer's lock on that for as long as it runs. A consumer saves its cursor when it is done with
the rows that it read; if it is stopped before that, it reads them again.

Two processes that read under one name at the same time would both read the same rows: `held`
excludes that, by a lock file of each name.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import apsw

from eventstore.errors import BeingRebuilt, Locked, NotOurs, StoreError, reachable, translated
from eventstore.events.digest_chain import GENESIS
from eventstore.reading import event_log
from eventstore.storage import file_lock, files
from eventstore.storage.connection import MEMORY
from eventstore.storage.sql import fetch, script, value
from projections.definitions.interface import Projection
from projections.engine.views import stored_views, version_of

_APPLICATION_ID = 0x464A4443  # "FJDC"


class Position(NamedTuple):
    """After this batch of this history; ``note`` is for the consumer's own use."""

    batch: int
    digest: bytes
    note: str = ""


START = Position(0, GENESIS)
"""The beginning, in any history."""


class Unread(NamedTuple):
    """The rows to read next: ``after`` < seq <= ``upto``, and the position after them."""

    after: int
    upto: int
    end: Position


class Cursor(NamedTuple):
    """How far a consumer has come: up to ``seq``; ``behind`` seqs were given out since."""

    name: str
    seq: int
    behind: int


def cursors(path: str, db: apsw.Connection) -> list[Cursor]:
    """Return the saved cursors of the database at ``path``; called inside a snapshot of it.

    One of another history (see above) begins again, from seq 0.
    """
    head = event_log.head(db)
    found = []
    for name, position in _saved(f"{Path(path).resolve()}-consumers").items():
        seq = _seq_of(db, position)
        found.append(Cursor(name, seq, head - seq))
    return found


def _seq_of(db: apsw.Connection, position: Position) -> int:
    # In another history the batch does not exist, or has another digest.
    sql = "SELECT last FROM batch WHERE batch = ? AND digest = ?"
    return value(db, sql, position[:2]) or 0


class Consumer:
    """A reader of the database at ``path`` that resumes where it stopped.

    Without a name it starts from the beginning, and its cursor is not saved. Raises
    StoreError, here and by `done`: NotOurs if the file of cursors is damaged.
    """

    def __init__(self, path: str, name: str | None) -> None:
        self.name = name
        self._database = str(Path(path).resolve())
        saved = name is not None and path != MEMORY
        self._path = f"{self._database}-consumers" if saved else None
        self.position = START if self._path is None else self._load(self._path)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other processes of this name out; begins with the position as it is saved now.

        Raises Locked, which names the process, where another one holds it; StoreError where
        the lock cannot be made. Without a name there is nothing to hold.
        """
        if self._path is None:
            yield
            return
        lock = self._acquire(self._path)
        try:
            self.position = self._load(self._path)
            yield
        finally:
            os.close(lock)

    def _acquire(self, path: str) -> int:
        # A name may hold what no file's name can.
        try:
            digest = hashlib.sha256(str(self.name).encode()).hexdigest()
        except UnicodeEncodeError:
            raise StoreError(f"consumer {self.name!a}: it is not UTF-8; name another") from None
        lock_path = f"{path}-{digest[:16]}.lock"
        try:
            with reachable(lock_path):
                return file_lock.acquire(lock_path, self._database)
        except file_lock.Held as error:
            raise Locked(
                f"{path}: process {error} reads as {self.name!r}; wait for that one to end"
            ) from error

    def unread(self, db: apsw.Connection, projection: Projection) -> Unread:
        """Return the rows of the projection's view to read next; called inside a snapshot.

        Raises BeingRebuilt if another version of the projection made the view.
        """
        view = stored_views(db).get(projection.name)
        if view is None or view.version != version_of(projection):
            raise BeingRebuilt(
                f"projection {projection.name}: made by another version of the program; "
                "run `flux-jobdb rebuild`, or wait for the one that runs"
            )
        sql = (
            "SELECT last, batch, digest FROM batch WHERE last <= ? ORDER BY batch DESC LIMIT 1"
        )
        found = fetch(db, sql, (view.checkpoint,))
        upto, *end = found[0] if found else (0, *START[:2])
        return Unread(_seq_of(db, self.position), upto, Position(*end))

    def unread_batches(self, db: apsw.Connection, most: int) -> Iterator[Unread]:
        """Yield what is stored behind the position, in parts of some whole batches.

        A part has about ``most`` seqs; called inside a snapshot.
        """
        after = _seq_of(db, self.position)
        sql = "SELECT last, batch, digest FROM batch WHERE last > ? ORDER BY batch"
        found: Unread | None = None
        for upto, *end in db.execute(sql, (after,)):
            found = Unread(after, upto, Position(*end))
            if upto - after >= most:
                yield found
                after, found = upto, None
        if found is not None:
            yield found

    def done(self, end: Position, note: str = "") -> None:
        """Save that all rows up to ``end`` were processed."""
        position = end._replace(note=note)
        if position == self.position:
            return
        if self._path is not None:
            self._save(self._path, position)
        self.position = position

    def _load(self, path: str) -> Position:
        return _saved(path).get(self.name or "", START)

    def _save(self, path: str, position: Position) -> None:
        with reachable(path):
            files.create(path, self._database)
        with _opened(path) as db:
            db.execute("BEGIN IMMEDIATE")
            if not _has_cursors(db):
                db.execute(script(__file__, "consumers.sql"))
                db.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
            db.execute(
                "INSERT OR REPLACE INTO consumer (name, batch, digest, note)"
                " VALUES (?, ?, ?, ?)",
                (self.name, *position),
            )
            db.execute("COMMIT")


def _saved(path: str) -> dict[str, Position]:
    """Return what a file of cursors has, by name; nothing where there is no such file."""
    if not Path(path).exists():
        return {}
    # Writable, so that SQLite can roll back what a crash left.
    with _opened(path) as db:
        sql = "SELECT name, batch, digest, note FROM consumer ORDER BY name"
        rows = fetch(db, sql) if _has_cursors(db) else []
    return {name: Position(*position) for name, *position in rows}


@contextmanager
def _opened(path: str) -> Iterator[apsw.Connection]:
    with translated(path):
        db = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READWRITE)
        try:
            db.set_busy_timeout(10_000)
            yield db
        except (apsw.NotADBError, apsw.CorruptError) as error:
            raise NotOurs(
                f"{path}: not the cursors of flux-jobdb's consumers, or damaged ({error}); "
                "move it away: everything is read again then, and nothing added twice"
            ) from error
        finally:
            db.close()


def _has_cursors(db: apsw.Connection) -> bool:
    """Return whether the file has the table of cursors; False where it is empty."""
    application = db.pragma("application_id")
    if application != _APPLICATION_ID and fetch(db, "SELECT 1 FROM sqlite_schema LIMIT 1"):
        raise apsw.NotADBError("it belongs to another program")
    return bool(application == _APPLICATION_ID)
