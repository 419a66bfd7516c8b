# SPDX-License-Identifier: LGPL-3.0
"""What `verify` says of an alteration: the row and the column, in these words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from eventstore.maintenance.verify import NO_EVENT, verify_chain
from eventstore.storage.connection import MEMORY, Store, create_or_open, open_readonly
from eventstore.storage.sql import fetch
from tests.support.damage import drop_triggers
from tests.support.every_row import ingest


@pytest.fixture(scope="module")
def whole() -> Iterator[Store]:
    with create_or_open(MEMORY) as found:
        ingest(found).close("stopped")
        drop_triggers(found.db)
        found.db.execute("PRAGMA ignore_check_constraints = ON")
        yield found


@pytest.fixture
def store(whole: Store) -> Iterator[Store]:
    """A store that may be altered: what is done to it is undone."""
    whole.db.execute("SAVEPOINT altered")
    yield whole
    whole.db.execute("ROLLBACK TO altered")
    whole.db.execute("RELEASE altered")


def fault_of(store: Store, sql: str) -> str:
    store.db.execute(sql)
    assert store.db.changes() == 1, "one row is altered"
    fault = verify_chain(store).fault
    assert fault is not None
    return fault


NO_UTF8 = "'utf-8' codec can't decode byte 0xff in position 0: invalid start byte"
ANCHOR = "its column anchor was changed"
BYTES = "its bytes were changed"
DIFFER = "its columns differ from its bytes"


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("DELETE FROM job WHERE key = 3", "its job is missing"),
        ("UPDATE job SET stream = 1.5 WHERE key = 3", "its job's columns have another type"),
        ("UPDATE job SET jobid = 'x' WHERE key = 3", "its job's columns have another type"),
    ],
)
def test_the_first_event_of_a_job_that_was_altered_is_named(
    store: Store, sql: str, words: str
) -> None:
    seq = fetch(store.db, "SELECT min(seq) FROM event WHERE job = 3")[0][0]
    assert f"batch 3: event {seq}: {words}" == fault_of(store, sql)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("replayed = 2", "its column replayed was changed"),
        ("replayed = -1", "its column replayed was changed"),
        ("replayed = 'x'", "its column replayed was changed"),
        ("anchor = 10", ANCHOR),  # itself
        ("anchor = 11", ANCHOR),
        ("anchor = -1", ANCHOR),
        ("anchor = 0.5", ANCHOR),
        ("anchor = 'x'", ANCHOR),
        ("data = 'text'", BYTES),
        ("form = 3", BYTES),
        ("form = -1", BYTES),
        ("timestamp = 'x'", DIFFER),
        ("name = x'00'", DIFFER),
        ('form = 0, data = CAST(\'{"timestamp":5,"name":"x"}\' AS BLOB)', DIFFER),
    ],
)
def test_a_column_that_no_event_has_is_named(store: Store, change: str, words: str) -> None:
    fault = fault_of(store, f"UPDATE event SET {change} WHERE seq = 10")
    assert f"batch 2: event 10: {words}" == fault


@pytest.mark.parametrize("anchor", [0, 1, 9])
def test_an_anchor_that_an_event_may_have_is_proven_by_the_digest(
    store: Store, anchor: int
) -> None:
    fault = fault_of(store, f"UPDATE event SET anchor = {anchor} WHERE seq = 10")
    where = "batch 2 (seq {} to {})".format(
        *fetch(store.db, "SELECT first, last FROM batch WHERE batch = 2")[0]
    )
    assert f"{where}: its digest differs: a column or the batch was changed" == fault


def test_a_time_that_is_kept_in_another_way_is_named(store: Store) -> None:
    """Of a form that no writer chooses, though the text would be the same."""
    sql = "SELECT min(seq) FROM event WHERE form = 1 AND timestamp = 1000.0"
    ((seq,),) = fetch(store.db, sql)
    fault = fault_of(store, f"UPDATE event SET form = 2 WHERE seq = {seq}")
    assert f"batch 1: event {seq}: its column form was changed" == fault


@pytest.mark.parametrize("table", ["jobspec", "R"])
def test_a_payload_that_was_altered_is_named_with_its_base(store: Store, table: str) -> None:
    rows = fetch(store.db, f"SELECT seq, base FROM {table} ORDER BY seq")
    bases = [seq for seq, base in rows if base is None]
    first, base = next((seq, base) for seq, base in rows if base is not None)
    where = f"{table} of event {first}"
    begun = fetch(store.db, "SELECT batch FROM batch WHERE ? BETWEEN first AND last", (first,))
    batch = f"batch {begun[0][0]}: "
    assert base in bases
    for change, words in (
        ("data = 'text'", f"{where}: its bytes or its base were changed"),
        ("base = seq", f"{where}: its bytes or its base were changed"),
        ("base = 9999", f"{where}: that of event 9999, its base, is missing"),
        ("data = x'ff'",
         f"{where}: its bytes or those of its base, of event {base}, were changed"),
    ):  # fmt: skip
        store.db.execute("SAVEPOINT one")
        sql = f"UPDATE {table} SET {change} WHERE seq = {first}"
        assert batch + words == fault_of(store, sql)
        store.db.execute("ROLLBACK TO one")
        store.db.execute("RELEASE one")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("jobid = 'x'", "a column has another type"),
        ("reason = x'00'", "a column has another type"),
        ("data = 'text'", BYTES),
    ],
)
def test_a_reject_that_was_altered_is_named(store: Store, change: str, words: str) -> None:
    fault = fault_of(store, f"UPDATE reject SET {change} WHERE reject = 2")
    assert f"batch 2: reject 2: {words}" == fault


def test_a_notice_that_was_altered_is_named(store: Store) -> None:
    ((seq, batch),) = fetch(store.db,
        "SELECT seq, batch FROM notice JOIN batch ON seq BETWEEN first AND last LIMIT 1"
    )  # fmt: skip
    fault = fault_of(store, f"UPDATE notice SET data = x'00' WHERE seq = {seq}")
    assert f"batch {batch}: notice {seq}: {BYTES}" == fault


@pytest.mark.parametrize(
    ("sql", "fault"),
    [
        ("UPDATE source SET name = CAST(x'ff' AS TEXT) WHERE source = 2",
         f"SQLite: {NO_UTF8}"),
        ("ALTER TABLE gone RENAME COLUMN seq TO other", "SQLite: no such column: seq"),
        ("DROP TABLE gone", "table gone of table gone is missing"),
        ("DROP INDEX event_by_job", "index event_by_job of table event is missing"),
        ("DROP TRIGGER R_no_update", "trigger R_no_update of table R is missing"),
        ("INSERT INTO gone VALUES (1, 5)", "table gone has 3 rows, its notices say 2"),
    ],
)  # fmt: skip
def test_what_concerns_no_event_is_said_so(sql: str, fault: str) -> None:
    with create_or_open(MEMORY) as store:
        ingest(store)
        store.db.execute(sql)
        found = verify_chain(store)
        assert f"{fault}; {NO_EVENT}" == found.fault
        (events,) = fetch(store.db, "SELECT count(*) FROM event")[0]
        assert (9, events) == (found.batches, found.events)


@pytest.mark.parametrize(
    ("sql", "fault"),
    [
        ("ALTER TABLE batch RENAME COLUMN checks TO other",
         "batch 1, from seq 1 on: cannot be read: no such column: checks"),
        ("ALTER TABLE notice RENAME COLUMN kind TO other",
         "batch 1 (seq 1 to 7): cannot be read: no such column: kind"),
        ("UPDATE batch SET committed = 'x' WHERE batch = 2",
         "batch 2: a column has another type"),
        ("UPDATE batch SET checks = 5 WHERE batch = 2", "batch 2: a column has another type"),
        ("DELETE FROM batch WHERE batch = 2", "batch 2 is missing"),
        ("UPDATE event SET name = CAST(x'ff' AS TEXT) WHERE seq = 1",
         f"batch 1 (seq 1 to 7): cannot be read: {NO_UTF8}"),
        ("UPDATE batch SET digest = CAST(x'ff' AS TEXT) WHERE batch = 2",
         f"batch 2: a column changed: {NO_UTF8}"),
        ("UPDATE batch SET first = first + 1 WHERE batch = 2",
         "batch 2: begins at seq 9, not at 8"),
        ("UPDATE batch SET rejects = 9 WHERE batch = 2",
         "batch 2 (seq 8 to 18): 2 rejects, not 9"),
        ("UPDATE batch SET last = last + 1 WHERE batch = 9",
         "batch 9 (seq 53 to 60): has 7 events and notices"),
        ("UPDATE batch SET checks = x'00000000' WHERE batch = 1",
         "batch 1 (seq 1 to 7): its checksums were changed"),
        ("UPDATE event SET form = 0, data = x'00' WHERE seq = 3",
         "batch 1 (seq 1 to 7): event 3: its bytes were changed"),
        ("UPDATE jobspec SET data = x'00' WHERE seq = 1",
         "batch 1 (seq 1 to 7): jobspec of event 1: its bytes were changed"),
        ("DELETE FROM event WHERE seq = 3",
         "batch 1 (seq 1 to 7): holds 8 rows, 9 were appended"),
        ("UPDATE batch SET digest = x'00' WHERE batch = 1",
         "batch 1 (seq 1 to 7): its digest differs: a column or the batch was changed"),
        ("INSERT INTO event SELECT 0, job, timestamp, name, 0, NULL, data, form FROM event"
         " WHERE seq = 1", "event: seq 0 belongs to no batch"),
        ("INSERT INTO event SELECT 63, job, timestamp, name, 0, NULL, data, form FROM event"
         " WHERE seq = 1", "event: seq 63 belongs to no batch"),
        ("INSERT INTO notice VALUES (63, 1.0, 'purge', NULL, x'00')",
         "notice: seq 63 belongs to no batch"),
        ("INSERT INTO jobspec VALUES (63, x'00', NULL)", "jobspec: seq 63 belongs to no batch"),
        ("INSERT INTO jobspec VALUES (-7, x'00', NULL)", "jobspec: seq -7 belongs to no batch"),
        ("INSERT INTO R VALUES (63, x'00', NULL)", "R: seq 63 belongs to no batch"),
        ("INSERT INTO reject VALUES (99, 10, NULL, '', x'00', x'00')",
         "reject: batch 10 belongs to no batch"),
        ("INSERT INTO reject VALUES (99, 0, NULL, '', x'00', x'00')",
         "reject: batch 0 belongs to no batch"),
    ],
)  # fmt: skip
def test_where_the_chain_cannot_be_read_on_is_said(store: Store, sql: str, fault: str) -> None:
    store.db.execute(sql)
    assert fault == verify_chain(store).fault


@pytest.mark.parametrize(
    ("number", "fault"),
    [(-1, "batch 1 is missing"), (0, "batch 1 is missing")],
)
def test_a_batch_before_the_first_is_no_batch(store: Store, number: int, fault: str) -> None:
    store.db.execute(
        "INSERT INTO batch SELECT ?, source, first, last, rejects, committed, checks, digest"
        " FROM batch WHERE batch = 1", (number,))  # fmt: skip
    assert fault == verify_chain(store).fault


def test_what_sqlite_finds_is_one_line_with_the_tables(tmp_path: Path) -> None:
    """An index that has a row less than its table: another program's doing."""
    path = str(tmp_path / "jobs.sqlite")
    with create_or_open(path) as store:
        ingest(store)
    db = apsw.Connection(path)
    hidden = fetch(db, "SELECT rowid, * FROM sqlite_schema WHERE name = 'notice_by_time'")[0]
    db.execute("PRAGMA writable_schema = ON")
    db.execute("DELETE FROM sqlite_schema WHERE rowid = ?", hidden[:1])
    db.close()
    db = apsw.Connection(path)
    db.execute("DROP TRIGGER notice_no_delete")
    db.execute("INSERT INTO notice VALUES (9999, 1.0, 'purge', NULL, x'00')")
    db.execute("PRAGMA writable_schema = ON")
    marks = ", ".join("?" * len(hidden))
    names = "rowid, type, name, tbl_name, rootpage, sql"
    db.execute(f"INSERT INTO sqlite_schema ({names}) VALUES ({marks})", hidden)
    db.close()
    with open_readonly(path) as store:
        fault = verify_chain(store).fault
    words = "SQLite: wrong # of entries in index notice_by_time in notice"
    assert f"notice: seq 9999 belongs to no batch; {words}" == fault
