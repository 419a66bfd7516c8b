# SPDX-License-Identifier: LGPL-3.0
"""Opening the database: whose it is, who may write, and with which settings.

One writer at a time, held by a lock on a file beside the database; any number of readers,
which are never blocked (SQLite's WAL mode).
"""

from __future__ import annotations

import fcntl
import os
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

import apsw

from eventstore.errors import Locked, NotOurs, StoreError, TooNew, translated

APPLICATION_ID = 0x464A4442  # "FJDB"
SCHEMA_VERSION = 2
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

APPEND_ONLY = ("job", "event", "jobspec", "R", "notice", "purged", "gone", "batch", "reject")


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
    _look(path)
    lock = -1 if path == MEMORY else _acquire(path)
    try:
        with translated(path):
            db = apsw.Connection(path)
            _configure(db)
            # Until WAL is on, there is a rollback journal: one that came back after a power
            # loss, because its deletion was not synced, would undo what WAL has written since.
            db.execute("PRAGMA synchronous = EXTRA")
            if _empty(path, db):
                _create(db)
            _check(path, db)
            migrate(db)
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
            _check(path, db)
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
            _check(path, db)
    if db.pragma("user_version") < SCHEMA_VERSION:
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


def _look(path: str) -> None:
    """Refuse what is plainly another's file before a lock is left beside it.

    The header says whose it is (https://www.sqlite.org/fileformat.html). Where a journal may
    yet change what is in the file, SQLite has to see to it.
    """
    if path == MEMORY or not Path(path).is_file() or Path(path + "-journal").exists():
        return
    try:
        with open(path, "rb") as file:
            header = file.read(100)
    except OSError as error:
        raise StoreError(
            f"{path}: it cannot be read ({error.strerror}); check its permissions"
        ) from error
    if header and not header.startswith(b"SQLite format 3\0"):
        raise NotOurs(f"{path}: not an SQLite database; name another file")
    if header and int.from_bytes(header[68:72], "big") != APPLICATION_ID:
        raise NotOurs(f"{path}: a database of another program; name another file")


def _check(path: str, db: apsw.Connection) -> None:
    application = db.pragma("application_id")
    version = db.pragma("user_version")
    if application != APPLICATION_ID:
        raise NotOurs(f"{path}: a database of another program; name another file")
    if version < 1:
        raise StoreError(f"{path}: it is damaged (schema {version}); `flux-jobdb recover` it")
    if version > SCHEMA_VERSION:
        raise TooNew(
            f"{path}: written by a newer flux-jobdb (schema {version}, this one knows "
            f"{SCHEMA_VERSION}); upgrade the program"
        )


def migrate(db: apsw.Connection) -> None:
    """Bring an older schema up to date, a version at a time, each all or not at all."""
    for version in range(db.pragma("user_version") + 1, SCHEMA_VERSION + 1):
        with db:
            db.execute(sql_script("eventstore.storage", f"migrations/{version}.sql"))
            db.execute(f"PRAGMA user_version = {version}")


def fetch(db: apsw.Connection, sql: str, bindings: Sequence[Any] = ()) -> list[Any]:
    """Return all rows of a query, each a tuple of what its columns hold."""
    return db.execute(sql, bindings).fetchall()


def value(db: apsw.Connection, sql: str, bindings: Sequence[Any] = ()) -> Any:  # noqa: ANN401
    """Return the one value of a query, None where there is no row."""
    return db.execute(sql, bindings).get


def sql_script(package: str, name: str) -> str:
    """Text of an .sql file that lies beside the code."""
    return files(package).joinpath(name).read_text(encoding="utf-8")


def _create(db: apsw.Connection) -> None:
    db.execute("PRAGMA page_size = 8192")
    with db:
        db.execute(sql_script("eventstore.storage", "schema.sql"))
        for table in APPEND_ONLY:
            for verb in ("UPDATE", "DELETE"):
                db.execute(_refusal(table, verb))
        db.execute(
            "CREATE TRIGGER source_ends_once BEFORE UPDATE ON source"
            " WHEN OLD.ended IS NOT NULL"
            " BEGIN SELECT RAISE(ABORT, 'flux-jobdb: a source ends once'); END"
        )
        db.execute(_refusal("source", "DELETE"))
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def _refusal(table: str, verb: str) -> str:
    return (
        f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
        f"BEGIN SELECT RAISE(ABORT, 'flux-jobdb: {table} is append-only'); END"
    )


def _acquire(path: str) -> int:
    """Take the writer's lock; it goes with the process, however that ends."""
    lock_path = f"{Path(path).resolve()}-lock"
    try:
        lock = os.open(lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise StoreError(
            f"{path}: it cannot be written ({error.strerror}); check its folder's permissions"
        ) from error
    try:
        _lock_exclusively(lock)
    except BlockingIOError as error:
        holder = re.sub(rb"[^ -~]", b"", os.read(lock, 100)).decode()
        os.close(lock)
        raise Locked(
            f"{path}: process {holder or 'unknown'} is writing it; wait for that one to end"
        ) from error
    try:
        os.ftruncate(lock, 0)
        os.pwrite(lock, str(os.getpid()).encode(), 0)
    except OSError:
        pass  # on a full disk: the lock holds without the number, which is for its messages
    return lock


def _lock_exclusively(lock: int) -> None:
    for _ in range(5):
        try:
            return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.02)  # somebody may just look whether it is held
    return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def is_being_written(path: str) -> bool:
    """Whether a writer has the database open; unlike a process's number, its lock tells."""
    try:
        lock = os.open(f"{Path(path).resolve()}-lock", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False
