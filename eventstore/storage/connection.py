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
from urllib.parse import quote

import apsw

from eventstore import deep_json
from eventstore.errors import Busy, Gone, StoreError, reachable, translated
from eventstore.storage import file_lock, files, place, schema

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
"""Milliseconds to wait for readers: those that began before must end, and none may begin."""
LOG_PAUSE = 2.5
"""Seconds until the next attempt, if a reader held its snapshot for longer."""
HURRIED = 5
"""Milliseconds that a writer waits for a lock if it has requests to answer. Only while a log
is made anew, or by an attacker, are such locks held for longer; see `create_or_open`."""


class Store:
    """An open database. ``db`` is its only connection; ``writable`` whether it may append.

    Use as a context manager, or call ``close``.
    """

    def __init__(
        self, path: str, db: apsw.Connection, lock: int | None, patience: int = BUSY
    ) -> None:
        self.path = path
        self.db = db
        self.writable = lock is not None
        self._lock = lock
        self._place = None if lock is None or path == MEMORY else place.Place(path, lock)
        self._log = f"{Path(path).resolve()}-wal" if self._place is not None else None
        self._patience = patience
        self._next_try = 0.0  # by the monotonic clock
        self._give_up = 0.0  # until when commits wait for the log; 0: they do not

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

    def check_place(self) -> None:
        """Raise Gone if the database is not at its path any more, LogGone if its log is not.

        What is committed is copied from the log into the database's file then: whoever finds
        that file finds it complete, and no log is left beside another file that is put at the
        path, for SQLite to take it for that one's.
        """
        if self._place is None:
            return
        try:
            self._place.check()
        except Gone:
            self._truncate_log(0)
            raise

    @contextmanager
    def transaction(self) -> Iterator[apsw.Connection]:
        """Commit what is done inside, or roll it back; errors of SQLite become StoreError.

        Raises Gone where the database is no longer at its path, Busy where it cannot be
        locked. No error is raised after the commit.
        """
        self.check_place()
        if self._give_up:
            self._wait_for_log()
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
        now = time.monotonic()
        if now < self._next_try:
            return
        hurried = self._patience < LOG_PATIENCE
        self._next_try = now + LOG_PAUSE
        if not self._truncate_log(0 if hurried else LOG_PATIENCE) and hurried:
            self._give_up = now + LOG_PATIENCE / 1000

    def _wait_for_log(self) -> None:
        """Raise Busy while the log is to be truncated, and readers are not given up yet.

        Nothing may be committed meanwhile; a hurried writer does something else.
        """
        if not self._truncate_log(0) and time.monotonic() < self._give_up:
            raise Busy(f"{self.path}: its log is too large, and is read")
        self._give_up = 0.0
        self._next_try = time.monotonic() + LOG_PAUSE

    def _truncate_log(self, patience: int) -> bool:
        """Empty the log, waiting for readers some milliseconds; returns whether it is empty."""
        self.db.set_busy_timeout(patience)
        try:
            found = self.db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        except apsw.Error:
            # What was committed stays in the log. A failing disk is reported by the next batch.
            return False
        finally:
            self.db.set_busy_timeout(self._patience)
        return found[0][0] == 0

    @contextmanager
    def snapshot(self) -> Iterator[apsw.Connection]:
        """Read from one snapshot: all queries inside see the same state.

        Inside a transaction or another snapshot, that one is used. Raises StoreError.
        """
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


def create_or_open(
    path: str,
    *,
    synchronous: str = "normal",
    patience: int = BUSY,
    network: bool = False,
) -> Store:
    """Open ``path`` for appending: a new database if there is none; migrates an old one.

    ``patience``: milliseconds to wait for another process's lock, from then on; `HURRIED` for
    who has other things to do. ``network``: also on a file system that several hosts share.

    Raises StoreError if that is not possible, Locked if another process writes.
    """
    if synchronous not in SYNCHRONOUS:
        raise StoreError(
            f"synchronous is {synchronous!r}; expected one of {', '.join(SYNCHRONOUS)}"
        )
    deep_json.allow()
    lock = -1
    if path != MEMORY:
        place.check(path)
        if not network:
            place.check_file_system(path)
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
            db.pragma("user_version")  # a read makes the log's files, if there were none
            db.set_busy_timeout(patience)
        return Store(path, db, lock, patience)
    except BaseException:
        if lock >= 0:
            os.close(lock)
        raise


def open_readonly(path: str) -> Store:
    """Open ``path`` for reading; raises StoreError if there is no database.

    One with an older schema is migrated first, for which it must be writable.
    """
    deep_json.allow()
    place.check_name(path)
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
            uri = f"file:{quote(str(Path(path).resolve()))}?immutable=1"
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
