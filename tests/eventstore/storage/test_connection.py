# SPDX-License-Identifier: LGPL-3.0
"""Opening a database: settings, refusals in our words, transactions, snapshots, the log."""

from __future__ import annotations

import os
from pathlib import Path

import apsw
import pytest

from eventstore.errors import (
    Busy,
    Locked,
    NotOurs,
    StoreError,
    TooNew,
    Unfit,
    reachable,
    translated,
)
from eventstore.storage import connection
from eventstore.storage.connection import MEMORY, Store, create_or_open, open_readonly
from eventstore.storage.schema import APPLICATION_ID, SCHEMA_VERSION
from eventstore.storage.sql import fetch, value

FOREIGN = "a database of another program; name another file"


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "jobs.sqlite")


def settings(store: Store) -> dict[str, object]:
    names = ("page_size", "journal_mode", "synchronous", "cache_size", "temp_store",
             "trusted_schema", "journal_size_limit", "busy_timeout", "application_id",
             "user_version")  # fmt: skip
    return {name: store.db.pragma(name) for name in names}


def test_settings_of_a_writer_and_of_a_reader(path: str) -> None:
    common = {
        "page_size": 8192, "journal_mode": "wal", "cache_size": -32768, "temp_store": 2,
        "trusted_schema": 0, "busy_timeout": 10_000, "application_id": 0x464A4442,
        "user_version": SCHEMA_VERSION,
    }  # fmt: skip
    with create_or_open(path) as store:
        assert store.writable
        writer = {"synchronous": 1, "journal_size_limit": 64 * 2**20}
        assert common | writer == settings(store)
        store.set_synchronous("full")
        assert 2 == store.db.pragma("synchronous")
        with open_readonly(path) as reader:
            assert not reader.writable
            found = settings(reader)
            assert common == {name: found[name] for name in common}
            with pytest.raises(apsw.ReadOnlyError):
                reader.db.execute("DELETE FROM event")
    with create_or_open(path, synchronous="full") as store:
        assert 2 == store.db.pragma("synchronous")


def test_tables_are_made_with_every_sync_there_is(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """EXTRA (3), as long as the journal is one that a power loss could bring back."""
    seen = set()

    def look(db: apsw.Connection) -> None:
        def trace(cursor: apsw.Cursor, sql: str, _: object) -> bool:
            if sql.startswith(("CREATE", "INSERT")):
                db.exec_trace = None
                seen.add((db.pragma("journal_mode"), db.pragma("synchronous")))
            return cursor is not None

        db.exec_trace = trace

    monkeypatch.setattr(apsw, "connection_hooks", [look])
    create_or_open(path).close()
    assert {("delete", 3)} == seen


def test_a_closed_store_cannot_be_used(path: str) -> None:
    for store in (create_or_open(path), open_readonly(path)):
        store.close()
        with pytest.raises(apsw.ConnectionClosedError):
            store.db.execute("SELECT 1")


def test_a_program_without_standard_input_gives_up_its_lock(path: str) -> None:
    """Its lock may be file descriptor 0."""
    kept = os.dup(0)
    os.close(0)
    try:
        create_or_open(path).close()
        with create_or_open(path) as store:
            store.db.execute("PRAGMA user_version = 99")
        for _ in range(2):
            assert "written by a newer" in refusal(TooNew, path)
    finally:
        os.dup2(kept, 0)
        os.close(kept)


def test_a_database_in_memory_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    create_or_open(MEMORY).close()
    assert [] == os.listdir(tmp_path)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o777])
def test_a_new_database_is_for_its_owner_alone(path: str, umask: int) -> None:
    before = os.umask(umask)
    try:
        with create_or_open(path) as store:
            grow(store, 1)
            modes = {file.name: file.stat().st_mode & 0o777 for file in
                     Path(path).parent.iterdir()}  # fmt: skip
    finally:
        os.umask(before)
    names = [Path(path).name + end for end in ("", "-lock", "-shm", "-wal")]
    assert dict.fromkeys(names, 0o600) == dict(sorted(modes.items()))


def test_a_database_in_memory_needs_no_file_and_no_lock() -> None:
    with create_or_open(MEMORY) as store, create_or_open(MEMORY) as other:
        assert store.writable
        assert other.writable
        assert APPLICATION_ID == store.db.pragma("application_id")


def refusal(error: type[StoreError], path: str, **how: str) -> str:
    with pytest.raises(error) as caught:
        create_or_open(path, **how)
    assert error is caught.type
    return str(caught.value)


def test_refusals_say_what_to_do(tmp_path: Path, path: str) -> None:
    words = "synchronous is 'off'; expected one of normal, full"
    assert words == refusal(StoreError, path, synchronous="off")
    lost = str(tmp_path / "none" / "jobs.sqlite")
    assert f"{lost}: its folder does not exist; make it first" == refusal(StoreError, lost)
    with pytest.raises(StoreError, match=r"there is no such database; `flux-jobdb ingest`"):
        open_readonly(path)
    assert not Path(path).exists()


def test_other_files_are_refused_and_left_as_they_are(path: str) -> None:
    text = f"{path}: not an SQLite database; name another file"
    for content in (b"x", b"SQLite format 3!" + bytes(100), b"SQLite format 3"):
        Path(path).write_bytes(content)
        assert text == refusal(NotOurs, path)
    header = bytearray(b"SQLite format 3\0" + bytes(84))
    for at in range(68, 72):
        header[68:72] = APPLICATION_ID.to_bytes(4, "big")
        header[at] ^= 1
        Path(path).write_bytes(header)
        assert f"{path}: {FOREIGN}" == refusal(NotOurs, path)


def test_a_file_of_no_bytes_becomes_a_database(path: str) -> None:
    Path(path).touch()
    with create_or_open(path) as store:
        assert SCHEMA_VERSION == store.db.pragma("user_version")
        assert 0 == value(store.db, "SELECT count(*) FROM event")


@pytest.mark.parametrize(
    ("version", "error", "words"),
    [
        (SCHEMA_VERSION + 1, TooNew, "written by a newer flux-jobdb (schema"),
        (0, StoreError, "it is damaged (schema 0); `flux-jobdb recover` it"),
        (-1, StoreError, "it is damaged (schema -1); `flux-jobdb recover` it"),
    ],
)
def test_versions_that_are_refused(
    path: str, version: int, error: type[StoreError], words: str
) -> None:
    create_or_open(path).close()
    db = apsw.Connection(path)
    db.execute(f"PRAGMA user_version = {version}")
    db.close()
    assert words in refusal(error, path)


def test_one_writer_at_a_time_and_its_number_is_told(path: str) -> None:
    with create_or_open(path):
        words = f"{path}: process {os.getpid()} is writing it; wait for that one to end"
        assert words == refusal(Locked, path)
    with create_or_open(path) as store:
        assert store.writable
    store.close()  # once more does no harm
    create_or_open(path).close()


def test_a_transaction_is_kept_or_dropped(path: str) -> None:
    sql = "INSERT INTO source (name, started) VALUES ('a', 1.0)"
    with create_or_open(path) as store:
        with store.transaction() as db:
            db.execute(sql)
        with pytest.raises(KeyError), store.transaction() as db:
            _fail(db.execute(sql))
        assert not store.db.in_transaction
        with pytest.raises(Unfit, match="cannot be stored"), store.transaction() as db:
            db.execute("INSERT INTO source (name, started) VALUES (NULL, 1.0)")
        with store.transaction() as db:  # it can be used again
            db.execute(sql)
        assert [(1,), (2,)] == fetch(store.db, "SELECT source FROM source")


def _fail(_: object) -> None:
    raise KeyError


def test_a_snapshot_stays_as_it_is_and_may_be_nested(path: str) -> None:
    sql = "SELECT count(*) FROM source"
    with create_or_open(path) as store, open_readonly(path) as reader:
        with reader.snapshot() as db:
            assert 0 == value(db, sql)
            with store.transaction() as writing:
                writing.execute("INSERT INTO source (name, started) VALUES ('a', 1.0)")
            with reader.snapshot() as inner:
                assert 0 == value(inner, sql)
            assert 0 == value(db, sql)
            assert reader.db.in_transaction
        assert not reader.db.in_transaction
        assert 1 == value(reader.db, sql)
        with pytest.raises(KeyError), reader.snapshot():
            raise KeyError
        assert not reader.db.in_transaction


def grow(store: Store, rows: int = 40) -> int:
    """Store some rows; returns the size of the log in bytes."""
    with store.transaction() as db:
        for _ in range(rows):
            db.execute("INSERT INTO source (name, started) VALUES (?, 1.0)", ("x" * 8000,))
    return os.stat(f"{store.path}-wal").st_size


def test_the_log_is_truncated_where_it_has_grown(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "MOST_LOG", 2**20)
    monkeypatch.setattr(connection, "LOG_PAUSE", 0.0)
    with create_or_open(path) as store:
        store.db.execute("PRAGMA wal_autocheckpoint = 0")
        before = grow(store)
        assert 40 * 8000 < before <= 2**20
        sizes = [grow(store) for _ in range(8)]
        assert 0 in sizes
        assert max(sizes) <= 2**20
        assert 10_000 == store.db.pragma("busy_timeout")


def test_readers_hold_the_log_for_as_long_as_they_read(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "MOST_LOG", 2**18)
    monkeypatch.setattr(connection, "LOG_PATIENCE", 1)
    monkeypatch.setattr(connection, "LOG_PAUSE", 1000.0)
    with create_or_open(path) as store, open_readonly(path) as reader:
        with reader.snapshot() as db:
            value(db, "SELECT count(*) FROM source")
            assert grow(store) > 2**18
            assert 10_000 == store.db.pragma("busy_timeout")
        assert grow(store) > 2**18  # the next attempt is later
        store._next_try = 0.0
        assert 0 == grow(store, 1)


def test_who_is_in_a_hurry_does_not_wait_for_readers(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Commits are put off for as long as it takes readers to go on to what they need no log
    for; the timeouts of SQLite stay short."""
    monkeypatch.setattr(connection, "MOST_LOG", 2**18)
    monkeypatch.setattr(connection, "LOG_PAUSE", 1000.0)
    clock = [0.0]
    monkeypatch.setattr(connection.time, "monotonic", lambda: clock[0])
    count = "SELECT count(*) FROM source"
    waited = set()

    def noting(cursor: apsw.Cursor, sql: str, _: object) -> bool:
        if "wal_checkpoint" in sql:
            waited.add(store.db.pragma("busy_timeout"))
        return cursor is not None

    with create_or_open(path, patience=connection.HURRIED) as store:
        assert connection.HURRIED == store.db.pragma("busy_timeout")
        store.db.exec_trace = noting
        with open_readonly(path) as reader, reader.snapshot() as db:
            value(db, count)
            size = grow(store)
            for clock[0] in (0.1, 0.2, 0.2499):
                with pytest.raises(Busy, match="its log is too large"):
                    grow(store)
            assert size == os.stat(f"{path}-wal").st_size
            clock[0] = 0.25  # it waits no longer
            assert grow(store) > size
            assert grow(store) > size  # nor again for a while
            clock[0] = 1001.0
            grow(store)
            with pytest.raises(Busy):
                grow(store)
        assert connection.HURRIED == store.db.pragma("busy_timeout")
        grow(store, 1)  # it is empty by now
        assert os.stat(f"{path}-wal").st_size < 2**18
        assert store._give_up == 0.0
        assert {0} == waited


def test_a_log_of_just_the_bound_is_left_alone(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "LOG_PAUSE", 0.0)
    with create_or_open(path) as store:
        size = grow(store, 4)
        for bound, left in ((size, size), (size - 1, 0)):
            monkeypatch.setattr(connection, "MOST_LOG", bound)
            with store.transaction():
                pass
            assert left == os.stat(f"{path}-wal").st_size


def test_a_log_that_cannot_be_truncated_fails_no_transaction(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is committed. Nor does it wait for readers for long."""
    monkeypatch.setattr(connection, "MOST_LOG", 0)
    waited = []

    def failing(cursor: apsw.Cursor, sql: str, _: object) -> bool:
        if "wal_checkpoint" in sql:
            waited.append(store.db.pragma("busy_timeout"))
            raise apsw.IOError("the disk")
        return cursor is not None

    with create_or_open(path) as store:
        store.db.exec_trace = failing
        grow(store, 1)
        grow(store, 1)  # the next attempt is later
        assert [250] == waited
        assert 10_000 == store.db.pragma("busy_timeout")
        assert 2 == value(store.db, "SELECT count(*) FROM source")
    with create_or_open(path, patience=connection.HURRIED) as store:
        store.db.exec_trace = failing
        grow(store, 1)
        with pytest.raises(Busy):  # it does not wait at all, and tries again
            grow(store, 1)
        assert 3 == value(store.db, "SELECT count(*) FROM source")


HINTS = [
    (apsw.FullError, StoreError, "no space left; free some, then repeat: what was committed is "
                                 "safe (why)"),
    (apsw.ReadOnlyError, StoreError, "it cannot be written; check its permissions and its "
                                     "folder's (why)"),
    (apsw.CantOpenError, StoreError, "it cannot be opened; check the path and the permissions "
                                     "(why)"),
    (apsw.CorruptError, StoreError, "it is damaged; `flux-jobdb recover` saves what can be "
                                    "saved (why)"),
    (apsw.IOError, StoreError, "reading or writing failed; check the disk, then repeat (why)"),
    (apsw.BusyError, Busy, "another process holds it; wait for that one to end (why)"),
    (apsw.SQLError, StoreError, "why"),
    (apsw.NotADBError, NotOurs, "not an SQLite database; name another file"),
    *((kind, Unfit, "cannot be stored: why") for kind in (
        apsw.ConstraintError, apsw.TooBigError, apsw.MismatchError, apsw.RangeError)),
]  # fmt: skip


@pytest.mark.parametrize(("raised", "error", "words"), HINTS)
def test_errors_of_sqlite_are_told_in_our_words(
    raised: type[apsw.Error], error: type[StoreError], words: str
) -> None:
    with pytest.raises(error) as caught, translated("some/path"):
        raise raised("why")
    assert error is caught.type
    assert f"some/path: {words}" == str(caught.value)


def test_other_errors_of_the_file() -> None:
    damaged = r"^p: it is damaged; `flux-jobdb recover` saves"
    with pytest.raises(StoreError, match=damaged), translated("p"):
        b"\xff".decode()
    full = r"^p: No space; check the disk, then repeat$"
    with pytest.raises(StoreError, match=full), reachable("p"):
        raise OSError(28, "No space")
    with pytest.raises(KeyError), translated("p"), reachable("p"):
        raise KeyError
