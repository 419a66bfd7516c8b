# SPDX-License-Identifier: LGPL-3.0
"""The file: append-only, proven, one writer, and nobody else's."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import apsw
import pytest

from eventstore.errors import Locked, NotOurs, StoreError, TooNew
from eventstore.events.records import Notice, Record
from eventstore.ingest.writer import Writer
from eventstore.maintenance.verify import verify_chain
from eventstore.storage.connection import create_or_open, open_readonly
from eventstore.storage.schema import APPEND_ONLY, SCHEMA_VERSION
from eventstore.storage.sql import fetch
from projections.engine.rebuild import rebuild
from projections.engine.views import Views
from tests.support.damage import unguarded
from tests.support.journal_generator import EPOCH, journal

PURGE = b'{"jobs":[0]}'
REJECT = b"not JSON"


@pytest.fixture
def path(tmp_path: Path) -> str:
    """A database with a few jobs, a purge, a reject and a job that is gone, closed."""
    name = str(tmp_path / "jobs.sqlite")
    with create_or_open(name) as store:
        views = Views(store)
        writer = Writer(store, "test", views)
        writer.append(journal(20))
        writer.append([PURGE, REJECT])
        writer.close()
        live = Writer(store, "live", views, expected=lambda: [1])
        live.append([b'{"id":-1,"events":[]}'])
        live.close()
    return name


@pytest.mark.parametrize("table", APPEND_ONLY)
@pytest.mark.parametrize("verb", ["UPDATE {} SET rowid = rowid", "DELETE FROM {}"])
def test_stored_rows_cannot_be_changed(path: str, table: str, verb: str) -> None:
    db = apsw.Connection(path)
    before = fetch(db, f"SELECT * FROM {table}")
    assert before
    with pytest.raises(apsw.ConstraintError, match="append-only"):
        db.execute(verb.format(table))
    assert before == fetch(db, f"SELECT * FROM {table}")
    db.close()


@pytest.mark.parametrize("table", [*APPEND_ONLY, "source"])
def test_stored_rows_cannot_be_replaced_by_our_connections(path: str, table: str) -> None:
    with create_or_open(path) as store:
        before = fetch(store.db, f"SELECT * FROM {table}")
        assert before
        with pytest.raises(apsw.ConstraintError, match="append-only"):
            store.db.execute(f"INSERT OR REPLACE INTO {table} SELECT * FROM {table}")
        assert before == fetch(store.db, f"SELECT * FROM {table}")


@pytest.mark.parametrize(
    ("table", "column", "new", "named"),
    [
        ("job", "stream", "stream + 1", "batch 1"),
        ("event", "name", "'stats'", "event 1"),
        ("jobspec", "data", "'{}'", "jobspec of event 1"),
        ("R", "data", "'{}'", "R of event 82"),
        ("notice", "time", "time + 1", "batch 2"),
        ("purged", "seq", "seq + 1", "notice 221"),
        ("batch", "committed", "committed + 1", "batch 1"),
        ("reject", "reason", "'none'", "batch 2"),
        # A row of `gone` is its key: there is nothing to replace in it.
    ],
)
def test_a_row_that_another_program_replaces_is_named(
    path: str, table: str, column: str, new: str, named: str
) -> None:
    db = apsw.Connection(path)
    names = [name for (name,) in fetch(db, f"SELECT name FROM pragma_table_info('{table}')")]
    values = ", ".join(new if name == column else name for name in names)
    rows = fetch(db, f"SELECT * FROM {table}")
    db.execute(f"INSERT OR REPLACE INTO {table} SELECT {values} FROM {table} LIMIT 1")
    after = fetch(db, f"SELECT * FROM {table}")
    assert len(rows) == len(after)
    assert rows != after
    db.close()
    with open_readonly(path) as store:
        fault = verify_chain(store).fault
    assert fault is not None
    assert named in fault


def test_an_ended_source_cannot_be_changed_but_an_open_one(path: str) -> None:
    with create_or_open(path) as store:
        with pytest.raises(apsw.ConstraintError, match="a source ends once"):
            store.db.execute("UPDATE source SET ended = 1")
        store.db.execute("INSERT INTO source (name, started) VALUES ('open', 1.0)")
        store.db.execute("UPDATE source SET name = 'other' WHERE ended IS NULL")
        assert [("other",)] == fetch(store.db, "SELECT name FROM source WHERE ended IS NULL")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("UPDATE event SET name = 'stats' WHERE seq = 7", "event 7"),
        ("UPDATE event SET data = '{}' WHERE seq = 4", "event 4"),
        ("UPDATE event SET form = 0 WHERE seq = 5", "event 5"),
        ("UPDATE event SET form = 9 WHERE seq = 6", "event 6"),
        ("UPDATE event SET timestamp = 1 WHERE seq = 8", "event 8"),
        ("UPDATE event SET job = job + 1 WHERE seq = 9", "batch 1"),
        ("DELETE FROM event WHERE seq = 10", "batch 1"),
        ("UPDATE jobspec SET data = '{}' WHERE seq = 1", "jobspec of event 1"),
        ("DELETE FROM R", "batch 1"),
        ("UPDATE notice SET data = '{\"jobs\":[]}'", "batch 2"),
        ("UPDATE reject SET reason = 'none'", "batch 2"),
        ("DELETE FROM batch WHERE batch = 1", "batch 1 is missing"),
        ("UPDATE batch SET committed = 0 WHERE batch = 2", "batch 2"),
        ("INSERT INTO event SELECT seq + 1000, job, timestamp, name, 0, NULL, data, form"
         " FROM event WHERE seq = 1", "event: seq 1001"),
    ],
)  # fmt: skip
def test_a_change_is_found_and_named(path: str, change: str, named: str) -> None:
    with open_readonly(path) as store:
        assert verify_chain(store).fault is None
    db = unguarded(path)
    db.execute(change)
    db.close()
    with open_readonly(path) as store:
        fault = verify_chain(store).fault
    assert fault is not None
    assert named in fault


def test_a_flipped_byte_in_the_file_is_found_and_named(path: str) -> None:
    whole = Path(path).read_bytes()
    places = [match.start() for match in re.finditer(rb'\{"status":', whole)]
    faults = []
    for at in places:  # some are in pages that are no longer used
        data = bytearray(whole)
        data[at + 4] ^= 1
        Path(path).write_bytes(data)
        with open_readonly(path) as store:
            faults.append(verify_chain(store).fault)
    found = [fault for fault in faults if fault is not None]
    assert found
    assert all("event " in fault for fault in found)


def test_the_head_tells_histories_apart(tmp_path: Path) -> None:
    heads = set()
    for seed in (1, 2):
        with create_or_open(str(tmp_path / f"{seed}.sqlite")) as store:
            Writer(store, "x", Views(store), clock=lambda: 1.0).append(journal(3, seed))
            heads.add(verify_chain(store).head)
    assert len(heads) == 2


def test_one_writer_many_readers(path: str) -> None:
    with create_or_open(path) as store:
        with pytest.raises(Locked, match=r"process \d+ is writing"):
            create_or_open(path)
        with open_readonly(path) as first, open_readonly(path) as second:
            before = fetch(first.db, "SELECT count(*) FROM event")
            with first.snapshot() as db:
                assert before == fetch(db, "SELECT count(*) FROM event")
                Writer(store, "more", Views(store)).append(
                    journal(2, seed=9, start=EPOCH + 1e6)
                )
                assert before == fetch(db, "SELECT count(*) FROM event")
            assert before < fetch(second.db, "SELECT count(*) FROM event")
    create_or_open(path).close()


def test_foreign_and_newer_databases_are_left_alone(tmp_path: Path, path: str) -> None:
    foreign = str(tmp_path / "foreign.sqlite")
    db = apsw.Connection(foreign)
    db.execute("CREATE TABLE jobs (id)")
    db.close()
    text = tmp_path / "text"
    text.write_text("this is no database at all, and never was one\n" * 40)
    newer = apsw.Connection(path)
    newer.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    newer.close()
    for name, error in ((foreign, NotOurs), (str(text), NotOurs), (path, TooNew)):
        before = Path(name).read_bytes()
        for opener in (create_or_open, open_readonly):
            with pytest.raises(error):
                opener(name)
        assert before == Path(name).read_bytes()


@pytest.mark.parametrize("other", ["text", "database"])
def test_nothing_is_left_beside_a_file_of_others(tmp_path: Path, other: str) -> None:
    path = tmp_path / "theirs"
    if other == "database":
        apsw.Connection(str(path)).execute("CREATE TABLE t (x)")
    else:
        path.write_text("root:x:0:0:root:/root:/bin/bash\n" * 9, "utf-8")
    before = path.read_bytes()
    with pytest.raises(NotOurs):
        create_or_open(str(path))
    assert [path] == list(tmp_path.iterdir())
    assert before == path.read_bytes()


def test_a_failed_batch_leaves_nothing_and_can_be_given_again(path: str) -> None:
    more = list(journal(30, seed=5, start=EPOCH + 1e6))
    with create_or_open(path) as store:
        views = Views(store)
        before = fetch(store.db, "SELECT count(*), max(seq) FROM event")
        store.db.execute(f"PRAGMA max_page_count = {store.db.pragma('page_count') + 2}")
        writer = Writer(store, "full", views)
        with pytest.raises(StoreError, match="no space left"):
            writer.append(more)
        assert before == fetch(store.db, "SELECT count(*), max(seq) FROM event")
        store.db.execute("PRAGMA max_page_count = 1000000")
        assert writer.append(more).new == 30 * 11
        assert verify_chain(store).fault is None
        tables = ("active", "inactive", "span", "stats", "ended", "fold")
        grown = [sorted(fetch(store.db, f"SELECT * FROM {name}")) for name in tables]
        rebuild(views)
        assert grown == [sorted(fetch(store.db, f"SELECT * FROM {name}")) for name in tables]


def test_a_batch_that_is_rolled_back_leaves_no_trace_in_the_views(path: str) -> None:
    more = list(journal(30, seed=5, start=EPOCH + 1e6))

    class Failing(Views):
        def apply(self, db: apsw.Connection, records: Sequence[Record | Notice]) -> None:
            super().apply(db, records)
            if fail:
                raise StoreError("the disk is gone")

    with create_or_open(path) as store:
        views = Failing(store)
        fail = False
        Writer(store, "first", views).append(more[:100])
        fail = True
        writer = Writer(store, "second", views)
        for _ in range(2):
            with pytest.raises(StoreError, match="the disk is gone"):
                writer.append(more[100:250])
        fail = False
        writer.append(more[100:])
        tables = ("active", "inactive", "span", "stats", "ended", "fold")
        grown = [sorted(fetch(store.db, f"SELECT * FROM {name}")) for name in tables]
        rebuild(views)
        assert grown == [sorted(fetch(store.db, f"SELECT * FROM {name}")) for name in tables]
        assert [(50,)] == fetch(store.db, "SELECT inactive FROM stats WHERE all_queues")
