# SPDX-License-Identifier: LGPL-3.0
"""Opening the database, with its settings; transactions and snapshots.

One writer at a time (file_lock.py); any number of readers, which are never blocked (SQLite's
WAL mode).
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw

from eventstore.errors import StoreError, reachable, translated
from eventstore.storage import file_lock, files, schema

MEMORY = ":memory:"
BUSY = 10_000  # milliseconds; readers and the writer hold conflicting locks only briefly
SYNCHRONOUS = ("normal", "full")
"""Levels of `synchronous`. A crash of the program loses nothing with either. A power loss loses
nothing with `full`; with `normal` it may lose the last batches, as a whole: those that were
committed since the write-ahead log was last synced. The journal's next backlog has them again
(https://www.sqlite.org/pragma.html#pragma_synchronous)."""

MOST_LOG = 64 * 2**20
"""Bytes of write-ahead log beyond which it is truncated, once readers let go of it. SQLite's
own log checkpoints do not wait for readers: while readers overlap without a break, the log
would grow without bound."""
LOG_PATIENCE = 250
"""Milliseconds to wait for readers."""
LOG_PAUSE = 2.5
"""Seconds until the next attempt, if a reader held its snapshot for longer."""


class Store:
    """An open database. ``db`` is its only connection; ``writable`` whether it may append.

    Use as a context manager, or call ``close``.
    """

    def __init__(self, path: str, db: apsw.Connection, lock: int | None) -> None:
        self.path = path
        self.db = db
        self.writable = lock is not None
        self._lock = lock
        self._log = None if path == MEMORY or lock is None else f"{path}-wal"
        self._next_try = 0.0  # by the monotonic clock

    def close(self) -> None:
        """Close the connection, then give up the lock."""
        try:
            with translated(self.path):
                self.db.close()
        finally:
            if self._lock is not None and self._lock >= 0:
                os.close(self._lock)
            self._lock = None

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def set_synchronous(self, level: str) -> None:
        """Set the level, one of `SYNCHRONOUS`."""
        assert level in SYNCHRONOUS
        with translated(self.path):
            self.db.execute(f"PRAGMA synchronous = {level}")

    @contextmanager
    def transaction(self) -> Iterator[apsw.Connection]:
        """Commit what is done inside, or roll it back; errors of SQLite become StoreError.

        No error is raised behind the commit.
        """
        with translated(self.path):
            self.db.execute("BEGIN IMMEDIATE")
            try:
                yield self.db
                self.db.execute("COMMIT")
            except BaseException:
                # SQLite itself rolls back on some errors, a full disk for one.
                if self.db.in_transaction:
                    self.db.execute("ROLLBACK")
                raise
        self._bound_log()

    def _bound_log(self) -> None:
        """Truncate the write-ahead log if it has grown too large."""
        if self._log is None or _size(self._log) <= MOST_LOG:
            return
        if time.monotonic() < self._next_try:
            return
        self.db.set_busy_timeout(LOG_PATIENCE)
        try:
            self.db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        except apsw.Error:
            # The transaction is committed. A failing disk is reported by the next one.
            pass
        finally:
            self.db.set_busy_timeout(BUSY)
            self._next_try = time.monotonic() + LOG_PAUSE

    @contextmanager
    def snapshot(self) -> Iterator[apsw.Connection]:
        """Read from one snapshot: all queries inside see the same state."""
        if self.db.in_transaction:
            yield self.db
            return
        with translated(self.path):
            self.db.execute("BEGIN DEFERRED")
            try:
                yield self.db
            finally:
                # Nothing was written; COMMIT would fail once more if the file is damaged.
                if self.db.in_transaction:
                    self.db.execute("ROLLBACK")


def create_or_open(path: str, *, synchronous: str = "normal") -> Store:
    """Open ``path`` for appending: a new database if there is none; migrates an old one.

    Raises StoreError if that is not possible, Locked if another process writes.
    """
    if synchronous not in SYNCHRONOUS:
        raise StoreError(
            f"synchronous is {synchronous!r}; expected one of {', '.join(SYNCHRONOUS)}"
        )
    if path != MEMORY and not Path(path).resolve().parent.is_dir():
        raise StoreError(f"{path}: its folder does not exist; make it first")
    lock = -1
    if path != MEMORY:
        schema.check_header(path)
        lock = file_lock.acquire_writer(path)
    try:
        with reachable(path), translated(path):
            if path != MEMORY:
                files.create(str(Path(path).resolve()))
            db = apsw.Connection(path)
            _configure(db)
            # Without this, INSERT OR REPLACE deletes a row and fires no DELETE trigger
            # (https://www.sqlite.org/lang_conflict.html), so that triggers.sql missed it.
            db.execute("PRAGMA recursive_triggers = ON")
            # Until WAL is on, SQLite uses a rollback journal. EXTRA syncs its deletion: a
            # journal that reappears after a power loss would undo what was written since.
            db.execute("PRAGMA synchronous = EXTRA")
            if _empty(path, db):
                schema.create(db)
            schema.check(path, db)
            schema.migrate(db)
            db.execute("PRAGMA journal_mode = WAL")
            db.execute(f"PRAGMA journal_size_limit = {MOST_LOG}")
            db.execute(f"PRAGMA synchronous = {synchronous}")
    except BaseException:
        if lock >= 0:
            os.close(lock)
        raise
    return Store(path, db, lock)


def open_readonly(path: str) -> Store:
    """Open ``path`` for reading; raises StoreError if there is no database.

    One with an older schema is migrated first, for which it must be writable.
    """
    if not Path(path).exists():
        raise StoreError(f"{path}: there is no such database; `flux-jobdb ingest` makes one")
    with translated(path):
        try:
            db = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READONLY)
            _configure(db)
            schema.check(path, db)
        except (apsw.CantOpenError, apsw.ReadOnlyError):
            # WAL's shared memory is a file: it cannot be made in a read-only folder. If the
            # log is empty, the database file alone is complete, and needs no shared memory.
            wal = Path(path + "-wal")
            if wal.exists() and wal.stat().st_size:
                raise
            uri = f"file:{Path(path).resolve()}?immutable=1"
            flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
            db = apsw.Connection(uri, flags=flags)
            _configure(db)
            schema.check(path, db)
    if db.pragma("user_version") < schema.SCHEMA_VERSION:
        db.close()
        create_or_open(path).close()
        return open_readonly(path)
    return Store(path, db, None)


def _size(path: str) -> int:
    """Return a file's size in bytes, 0 if there is none."""
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def _configure(db: apsw.Connection) -> None:
    # Readers wait for a lock only while a log is recovered or a checkpoint is completed.
    db.set_busy_timeout(BUSY)
    db.execute("PRAGMA cache_size = -32768")  # KiB
    db.execute("PRAGMA temp_store = MEMORY")
    db.execute("PRAGMA trusted_schema = OFF")


def _empty(path: str, db: apsw.Connection) -> bool:
    if path != MEMORY and Path(path).stat().st_size:
        return False
    return not db.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchall()
