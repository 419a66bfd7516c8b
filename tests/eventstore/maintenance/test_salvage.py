# SPDX-License-Identifier: LGPL-3.0
"""What can be read of a damaged database is read: all rows but those that are damaged."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest

from eventstore.maintenance.recover import recover
from eventstore.maintenance.salvage import Salvage, salvage
from eventstore.storage.connection import create_or_open
from eventstore.storage.sql import fetch
from tests.support.every_row import ingest

OLD = Path(__file__).parents[2] / "data" / "schema-1.sqlite.gz"


def reading(rows: dict[int, str], damaged: set[int] = frozenset()) -> apsw.Connection:  # type: ignore[assignment]
    """A database with a table t, of which some rows cannot be read: they are not UTF-8."""
    db = apsw.Connection(":memory:")
    db.execute("CREATE TABLE t (x TEXT)")
    db.executemany("INSERT INTO t (rowid, x) VALUES (?, ?)", rows.items())
    for number in damaged:
        db.execute("INSERT INTO t (rowid, x) VALUES (?, CAST(x'ff' AS TEXT))", (number,))
    return db


@pytest.fixture
def two() -> Iterator[Salvage]:
    """Two states of a table, with other rows that are damaged."""
    first = reading({1: "a", 2: "b", 4: "d"}, {3, 6})
    second = reading({1: "a", 2: "other", 3: "c", 7: "g"}, {4, 5})
    yield Salvage([first, second], 100)
    first.close()
    second.close()


def test_rows_of_all_states_are_read_once_each(two: Salvage) -> None:
    expected = {1: [(1, "a")], 2: [(2, "b"), (2, "other")], 3: [(3, "c")], 4: [(4, "d")],
                7: [(7, "g")]}  # fmt: skip
    assert expected == two.rows("t", "x")
    assert list(expected) == list(two.rows("t", "x"))
    assert {n: expected[n] for n in (2, 3, 4)} == two.rows("t", "x", 2, 6)
    assert {} == two.rows("t", "x", 5, 6)
    assert {} == two.rows("t", "x", 7, 1)


@pytest.mark.parametrize("damaged", [{1}, {9}, {5}, {1, 2, 3}, {2, 4, 6, 8}, set(range(1, 10))])
def test_a_damaged_row_costs_itself(damaged: set[int]) -> None:
    whole = {number: str(number) for number in range(1, 10) if number not in damaged}
    with reading(whole, damaged) as db:
        assert list(whole) == list(Salvage([db], 9).rows("t", "x"))


def test_a_query_is_read_as_far_as_it_goes(two: Salvage) -> None:
    found = {("a",), ("b",), ("other",), ("c",)}
    assert found == two.every("SELECT x FROM t ORDER BY rowid")
    assert set() == two.every("SELECT none FROM t")


@pytest.mark.parametrize(("room", "highest"), [(100, 7), (7, 7), (6, 6), (2, 2), (0, 0)])
def test_the_highest_row_for_which_there_is_room(two: Salvage, room: int, highest: int) -> None:
    two.room = room
    assert highest == two.highest("t")
    assert 0 == two.highest("none")


@pytest.mark.parametrize(("room", "highest"), [(100, 7), (7, 7), (6, 6), (0, 0)])
def test_a_right_end_that_cannot_be_read_is_reached_from_the_left(
    two: Salvage, room: int, highest: int
) -> None:
    def failing(cursor: object, sql: str, bindings: object) -> bool:
        del cursor, bindings
        if "max(" in sql:
            raise apsw.CorruptError("the right end")
        return True

    two.room = room
    for db in two.readings:
        db.exec_trace = failing
    assert highest == two.highest("t")


def test_numbers_that_no_row_can_have() -> None:
    with reading(dict.fromkeys((-5, 0, 1, 50, 51, 900), "x")) as db:
        assert [-5, 0, 51, 900] == Salvage([db], 50).beyond("t")
        assert [] == Salvage([db], 50).beyond("none")


@pytest.fixture
def path(tmp_path: Path) -> str:
    found = str(tmp_path / "jobs.sqlite")
    with create_or_open(found) as store:
        ingest(store).close()
    return found


def test_reading_is_done_on_copies_with_care(path: str, tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    before = Path(path).read_bytes()
    with salvage(path, scratch) as found:
        (db,) = found.readings
        assert (1, 0) == (db.pragma("cell_size_check"), db.pragma("trusted_schema"))
        assert Path(db.filename).is_relative_to(scratch)
        # A row takes more than eight bytes.
        assert 1000 + len(before) // 8 == found.room
    assert [] == list(scratch.iterdir())
    assert before == Path(path).read_bytes()
    with pytest.raises(apsw.ConnectionClosedError):
        db.execute("SELECT 1")


@pytest.mark.parametrize("log", [None, 0, 1])
def test_a_log_makes_two_states(path: str, tmp_path: Path, log: int | None) -> None:
    """Unless it is empty."""
    copy = str(tmp_path / "copy.sqlite")
    with create_or_open(path) as store:
        store.db.execute("PRAGMA wal_autocheckpoint = 0")
        if log:
            store.db.execute("INSERT INTO source (name, started) VALUES ('in the log', 1.0)")
        shutil.copy(path, copy)
        if log is not None:
            shutil.copy(f"{path}-wal", f"{copy}-wal")
    sizes = [Path(copy + end).stat().st_size for end in ("", "-wal") if log or not end]
    with salvage(copy, tmp_path) as found:
        names = [[row[1] for row in fetch(db, "SELECT * FROM source")] for db in found.readings]
        assert [
            ["one", "two", *["in the log"] * bool(log)],
            *[["one", "two"]] * bool(log),
        ] == names
        assert 1000 + sum(sizes) // 8 == found.room


@pytest.mark.parametrize("version", [0, 1, 3, 99])
def test_columns_tell_which_version_an_old_database_has(tmp_path: Path, version: int) -> None:
    """Its number may be damaged."""
    path, new = str(tmp_path / "old.sqlite"), str(tmp_path / "new.sqlite")
    Path(path).write_bytes(gzip.decompress(OLD.read_bytes()))
    db = apsw.Connection(path)
    expected: Any = fetch(db, "SELECT count(*) FROM event")[0][0]
    db.execute(f"PRAGMA user_version = {version}")
    db.close()
    found = recover(path, new)
    assert ([], expected) == (found.losses, found.events)
