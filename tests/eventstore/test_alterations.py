# SPDX-License-Identifier: LGPL-3.0
"""Each column of each row of each table is altered: `verify` names the row or its batch.

What it cannot know is listed in UNPROVEN, with the reason.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from math import inf, nextafter
from typing import Any, NamedTuple

import apsw
import pytest

from eventstore.events.records import Record
from eventstore.maintenance.verify import verify_chain
from eventstore.reading import event_log
from eventstore.storage.connection import MEMORY, Store, create_or_open
from eventstore.storage.schema import APPEND_ONLY
from eventstore.storage.sql import fetch
from tests.support.every_row import ingest

STRIDE = int(os.environ.get("ALTERATIONS_STRIDE", "6"))
"""Of the alterations of events, which are most of all: one in so many. With 1, all of them."""
TABLES = (*APPEND_ONLY, "source")
_SOURCE = "no digest has it: to add it would make all stored chains invalid"
UNPROVEN = {
    ("source", "name"): _SOURCE,
    ("source", "boot"): _SOURCE,
    ("source", "started"): _SOURCE,
    ("source", "ended"): _SOURCE,
    ("source", "outcome"): _SOURCE,
    ("source", "a row that is added"): "a source may have brought nothing",
}
"""What may be altered, as long as it has the form of a stored row."""

_BASES = """
    SELECT p.seq FROM {0} p JOIN {0} b ON b.seq = p.base
    WHERE b.base NOT NULL OR b.seq >= p.seq"""
_ILL_FORMED = {
    "jobspec": _BASES.format("jobspec"),
    "R": _BASES.format("R"),
    "source": """
        SELECT source FROM source
        WHERE typeof(name) != 'text' OR typeof(boot) NOT IN ('text', 'null')
           OR typeof(started) != 'real' OR typeof(ended) NOT IN ('real', 'null')
           OR typeof(outcome) NOT IN ('text', 'null')
           OR (ended IS NULL) != (outcome IS NULL)""",
}
"""Rows that no writer stores, where a table may be altered without `verify` knowing."""

Row = dict[str, Any]


class Altered(NamedTuple):
    """An alteration: ``what`` column, or what is done to the row; statement and bindings."""

    what: str
    row: Row
    sql: str
    bindings: tuple[Any, ...]


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    with create_or_open(MEMORY) as found:
        writer = ingest(found)
        writer.close("stopped")
        assert verify_chain(found).fault is None
        yield found


def rows_of(store: Store, table: str) -> list[Row]:
    names = ["rowid", *columns_of(store, table)]
    found = fetch(store.db, f"SELECT rowid, * FROM {table} ORDER BY rowid")
    return [dict(zip(names, row, strict=True)) for row in found]


def columns_of(store: Store, table: str) -> list[str]:
    return [
        name for (name,) in fetch(store.db, f"SELECT name FROM pragma_table_info('{table}')")
    ]


def others(value: Any, same_column: list[Any]) -> Iterator[Any]:
    """Yield what a value is replaced by."""
    yield from (None, "x", b"x", "", b"", 0, 1, -1, 0.5, -(2**62))
    if isinstance(value, int | float):
        yield from (value + 1, value - 1, str(value) + "x")
    if isinstance(value, float):
        yield from (nextafter(value, inf), nextafter(value, -inf))
    if isinstance(value, str):
        yield from (f"{value}x", value[:-1], value.encode())
    if isinstance(value, bytes):
        yield from (value + b"x", value[:-1], value.decode("latin-1"))
    if isinstance(value, str | bytes) and value:
        yield from (flipped(value, at) for at in {0, len(value) // 2, len(value) - 1})
    yield from same_column[:3] + same_column[-3:]


def flipped(value: Any, at: int) -> Any:
    """Return a text of the same length, with another character at a place."""
    if isinstance(value, bytes):
        return value[:at] + bytes([value[at] ^ 1]) + value[at + 1 :]
    return value[:at] + chr(ord(value[at]) ^ 1) + value[at + 1 :]


def updates(store: Store, table: str) -> Iterator[Altered]:
    rows = rows_of(store, table)
    for column in columns_of(store, table):
        values = sorted({row[column] for row in rows}, key=repr)
        for row in rows:
            for value in others(row[column], values):
                yield Altered(
                    column,
                    row,
                    f"UPDATE {table} SET {column} = ? WHERE rowid = ?",
                    (value, row["rowid"]),
                )


def deletions(store: Store, table: str) -> Iterator[Altered]:
    for row in rows_of(store, table):
        sql = f"DELETE FROM {table} WHERE rowid = ?"
        yield Altered("a row that is deleted", row, sql, (row["rowid"],))


def additions(store: Store, table: str) -> Iterator[Altered]:
    """Yield copies of rows under other keys: behind all, before all, and in between."""
    columns = columns_of(store, table)
    marks = ", ".join("?" * len(columns))
    for row in rows_of(store, table):
        for key in (-1, 0, 1, 2, 3, 5, 8, 13, 21, 2**40):
            new = dict(row)
            new[columns[0]] = key
            for name in ("digest", "jobid"):  # they are unique, in some tables
                if name in new and table != "event":
                    new[name] = flipped(row[name], 0) if name == "digest" and row[name] else key
            sql = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})"
            yield Altered("a row that is added", new, sql, tuple(new[name] for name in columns))


@contextmanager
def altered(store: Store, table: str, change: Altered) -> Iterator[bool]:
    """Alter as somebody would who means harm; yields whether anything was altered."""
    db = store.db
    db.execute("SAVEPOINT altered")
    try:
        triggers = fetch(db, "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'")
        before = fetch(db, f"SELECT * FROM {table}")
        for name, _ in triggers:
            db.execute(f"DROP TRIGGER {name}")
        try:
            db.execute(change.sql, change.bindings)
        except (apsw.ConstraintError, apsw.MismatchError):
            yield False
            return
        for _, sql in triggers:
            db.execute(sql)
        after = fetch(db, f"SELECT * FROM {table}")
        yield repr(before) != repr(after)
    finally:
        db.execute("ROLLBACK TO altered")
        db.execute("RELEASE altered")


def batch_of(store: Store, table: str, row: Row) -> set[int]:
    """Return the batches that a fault of this row may be named by."""
    if table == "batch":
        return {row["batch"], row["batch"] + 1}
    if table == "reject":
        return {row["batch"]}
    if table == "job":
        sql = "SELECT min(seq) FROM event WHERE job = ?"
        seq = fetch(store.db, sql, (row["key"],))[0][0]
    elif table == "source":
        return {b for (b,) in fetch(store.db, "SELECT batch FROM batch")}
    else:
        seq = row["seq"]
    return with_seq(store, seq)


def read_payloads(store: Store) -> list[tuple[bytes | None, bytes | None]]:
    """Return all jobspecs and Rs as readers get them."""
    records = [r for r in event_log.records(store.db) if isinstance(r, Record)]
    return [(record.jobspec, record.R) for record in records]


def with_seq(store: Store, seq: object) -> set[int]:
    """Return the batch that a seq belongs to; none where it belongs to none."""
    sql = "SELECT batch FROM batch WHERE ? BETWEEN first AND last"
    return {batch for (batch,) in fetch(store.db, sql, (seq,))}


def is_named(fault: str, table: str, batches: set[int]) -> bool:
    """Whether a fault names the table, or a batch of the row."""
    numbers = {int(number) for number in re.findall(r"batch (\d+)", fault)}
    if re.search(rf"\b{table}s?\b", fault) or numbers & batches:
        return True
    return table in {"purged", "gone"} and fault.startswith("notice ")


@pytest.mark.parametrize("table", TABLES)
def test_all_columns_of_all_rows(store: Store, table: str) -> None:
    tried: Counter[str] = Counter()
    unproven: Counter[str] = Counter()
    payloads = read_payloads(store)
    changes = (*updates(store, table), *deletions(store, table), *additions(store, table))
    for change in changes[:: STRIDE if table == "event" else 1]:
        batches = batch_of(store, table, change.row)
        if change.what == "seq":  # it is missing in one batch, and too much in the other
            batches |= with_seq(store, change.bindings[0])
        with altered(store, table, change) as is_altered:
            if not is_altered:
                continue
            tried[change.what] += 1
            fault = verify_chain(store).fault
            if fault is None and table in _ILL_FORMED:
                assert fetch(store.db, _ILL_FORMED[table]) == [], change
            if fault is None and change.what == "base":
                # Another base, deflated with which the payload has the same bytes.
                assert payloads == read_payloads(store), change
            elif fault is None:
                assert (table, change.what) in UNPROVEN, change
                unproven[change.what] += 1
            else:
                assert is_named(fault, table, batches), (change, fault)
    whole = {*columns_of(store, table), "a row that is deleted", "a row that is added"}
    assert whole == set(tried)
    assert {what for name, what in UNPROVEN if name == table} == set(unproven)
    assert verify_chain(store).fault is None


def test_there_is_a_row_of_each_kind(store: Store) -> None:
    for table in TABLES:
        rows = rows_of(store, table)
        assert len(rows) > 1, table
        for column in columns_of(store, table):
            assert any(row[column] is not None for row in rows), (table, column)
    kinds = {row["kind"] for row in rows_of(store, "notice")}
    assert {"purge", "boot", "gone"} == kinds
    assert {0, 1, 2} == {row["form"] for row in rows_of(store, "event")}
    assert {None, 0} < {row["anchor"] for row in rows_of(store, "event")}
    assert {0, 1} == {row["replayed"] for row in rows_of(store, "event")}
    for table in ("jobspec", "R"):
        assert len({row["base"] for row in rows_of(store, table)}) > 1
