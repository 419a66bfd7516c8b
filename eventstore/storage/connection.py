# SPDX-License-Identifier: LGPL-3.0
"""Opening the database: whose it is, who may write, and with which settings.

One writer at a time, held by a lock on a file beside the database; any number of readers,
which are never blocked (SQLite's WAL mode).
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw

from eventstore.errors import StoreError, translated
from eventstore.storage import schema, writer_lock

MEMORY = ":memory:"
BUSY = 10_000  # milliseconds; readers and the writer meet locks for moments only
SYNCHRONOUS = ("normal", "full")
"""What may be asked of `synchronous`. The death of the program loses nothing with either. A
power loss loses nothing with `full`; with `normal` it may take the last batches, those that
came since the write-ahead log was last synced, and never leaves a part of one. The journal's
next backlog brings them again (https://www.sqlite.org/pragma.html#pragma_synchronous)."""

MOST_LOG = 64 * 2**20
"""Bytes beyond which the write-ahead log is emptied, and readers are waited for. SQLite itself
only does that when it meets no reader; where there always is one, the log would grow on."""
LOG_PATIENCE = 250
"""Milliseconds for which they are waited for."""
LOG_PAUSE = 2.5
"""Seconds until that is tried again, where one of them holds an older snapshot for longer."""


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
        """Take another level, one of `SYNCHRONOUS`."""
        assert level in SYNCHRONOUS
        with translated(self.path):
            self.db.execute(f"PRAGMA synchronous = {level}")

    @contextmanager
    def transaction(self) -> Iterator[apsw.Connection]:
        """All or nothing; errors of SQLite come out as StoreError."""
        with translated(self.path):
            self.db.execute("BEGIN IMMEDIATE")
            try:
                yield self.db
                self.db.execute("COMMIT")
            except BaseException:
                # A full disk may have ended the transaction already.
                if self.db.in_transaction:
                    self.db.execute("ROLLBACK")
                raise
        self._bound_log()

    def _bound_log(self) -> None:
        """Empty the write-ahead log where it has grown too large."""
        if self._log is None or not os.path.exists(self._log):
            return
        if os.stat(self._log).st_size <= MOST_LOG or time.monotonic() < self._next_try:
            return
        self.db.set_busy_timeout(LOG_PATIENCE)
        try:
            self.db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        except apsw.Error:
            # What was committed is committed. A disk that fails shows when it is written next.
            pass
        finally:
            self.db.set_busy_timeout(BUSY)
            self._next_try = time.monotonic() + LOG_PAUSE

    @contextmanager
    def snapshot(self) -> Iterator[apsw.Connection]:
        """One consistent state for several reads."""
        if self.db.in_transaction:
            yield self.db
            return
        with translated(self.path):
            self.db.execute("BEGIN DEFERRED")
            try:
                yield self.db
            finally:
                # Nothing was written. A COMMIT would report damage once more, and fail.
                if self.db.in_transaction:
                    self.db.execute("ROLLBACK")


def create_or_open(path: str, *, synchronous: str = "normal") -> Store:
    """Open ``path`` for appending, making the database where there is none."""
    if synchronous not in SYNCHRONOUS:
        raise StoreError(
            f"synchronous is {synchronous!r}; expected one of {', '.join(SYNCHRONOUS)}"
        )
    if path != MEMORY and not Path(path).resolve().parent.is_dir():
        raise StoreError(f"{path}: its folder does not exist; make it first")
    lock = -1
    if path != MEMORY:
        schema.check_header(path)
        lock = writer_lock.acquire(path)
    try:
        with translated(path):
            db = apsw.Connection(path)
            _configure(db)
            # Until WAL is on, there is a rollback journal: one that came back after a power
            # loss, because its deletion was not synced, would undo what WAL has written since.
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
    """Open ``path`` for reading; raises StoreError where there is no database.

    One with an older schema is brought up to date first, for which it must be writable.
    """
    if not Path(path).exists():
        raise StoreError(f"{path}: there is no such database; `flux-jobdb ingest` makes one")
    with translated(path):
        try:
            db = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READONLY)
            _configure(db)
            schema.check(path, db)
        except (apsw.CantOpenError, apsw.ReadOnlyError):
            # A folder that may not be written has no room for WAL's shared memory. Where
            # no writer left anything in the log, the file alone is the whole truth.
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


def _configure(db: apsw.Connection) -> None:
    # Recovery, and a checkpoint's end, are when a reader may meet a lock.
    db.set_busy_timeout(BUSY)
    db.execute("PRAGMA cache_size = -32768")  # KiB; bounded, whatever the history's length
    db.execute("PRAGMA temp_store = MEMORY")
    db.execute("PRAGMA trusted_schema = OFF")


def _empty(path: str, db: apsw.Connection) -> bool:
    if path != MEMORY and Path(path).stat().st_size:
        return False
    return not db.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchall()
