# SPDX-License-Identifier: LGPL-3.0
"""Rows of batches that are lost, and databases of which two states are left."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest

from eventstore.errors import StoreError
from eventstore.ingest.writer import Writer
from eventstore.maintenance.recover import Recovered, recover
from eventstore.maintenance.verify import verify_chain
from eventstore.storage.connection import create_or_open, open_readonly
from eventstore.storage.sql import fetch
from tests.support.damage import alter
from tests.support.every_row import ingest, live

BATCHES = "SELECT batch, source, committed, first, last, rejects FROM batch ORDER BY batch"


@pytest.fixture
def path(tmp_path: Path) -> str:
    """A database of five batches: seqs 1 to 3, 4, 5 and 6, a reject alone, 7 to 10."""
    found = str(tmp_path / "jobs.sqlite")
    lines = live(1, 1000.0)
    with create_or_open(found) as store:
        writer = Writer(store, "test", clock=lambda: 50.0)
        for part in (lines[:3], lines[3:4], lines[4:6], [b"what?"], lines[6:]):
            writer.append(part)
        writer.close()
    return found


def recovered(path: str) -> tuple[Recovered, list[Any]]:
    """Recover; returns what was lost, and the rows of batches."""
    new = f"{path}.new"
    found = recover(path, new)
    with create_or_open(new) as store:
        assert found.head == verify_chain(store).head
        rows = fetch(store.db, BATCHES)
    Path(new).unlink()
    return found, rows


WHOLE = [(1, 1, 50.0, 1, 3, 0), (2, 1, 50.0, 4, 4, 0), (3, 1, 50.0, 5, 6, 0),
         (4, 1, 50.0, 7, 6, 1), (5, 1, 50.0, 7, 10, 0)]  # fmt: skip
PROOF = "seq {} to {}: the digest that proves these events"


@pytest.mark.parametrize(
    ("lost", "stand_in", "losses"),
    [
        ([1], {1: (1, 0, 0.0, 1, 3, 0)}, [PROOF.format(1, 3)]),
        ([2], {2: (2, 0, 0.0, 4, 4, 0)}, [PROOF.format(4, 4)]),
        ([3], {3: (3, 0, 0.0, 5, 6, 0)}, [PROOF.format(5, 6)]),
        # One of several that are lost stands in for all of them.
        ([2, 3], {2: (2, 0, 0.0, 4, 6, 0), 3: (3, 0, 0.0, 7, 6, 0)}, [PROOF.format(4, 6)]),
        ([4], {4: (4, 0, 0.0, 7, 6, 1)}, []),
        ([5], {5: (5, 0, 0.0, 7, 10, 0)}, [PROOF.format(7, 10)]),
        ([1, 2, 3], {1: (1, 0, 0.0, 1, 6, 0), 2: (2, 0, 0.0, 7, 6, 0),
                     3: (3, 0, 0.0, 7, 6, 0)}, [PROOF.format(1, 6)]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("how", ["DELETE FROM batch", "UPDATE batch SET first = 0"])
def test_a_batch_whose_row_is_lost_has_one_that_stands_in(
    path: str,
    lost: list[int],
    stand_in: dict[int, tuple[int, ...]],
    losses: list[str],
    how: str,
) -> None:
    """The batches behind it are as they were."""
    numbers = ", ".join(map(str, lost))
    alter(path, f"{how} WHERE batch IN ({numbers})")
    found, rows = recovered(path)
    assert losses == [loss for loss in found.losses if "digest" in loss]
    assert 10 == found.events
    assert [stand_in.get(row[0], row) for row in WHOLE] == rows[:5]


def test_what_is_whole_is_copied_and_nothing_is_said(path: str) -> None:
    found, rows = recovered(path)
    with open_readonly(path) as store:
        assert verify_chain(store).head == found.head
    assert (WHOLE, [], 10) == (rows, found.losses, found.events)


def test_how_far_it_is_is_told_in_seqs(path: str) -> None:
    told: list[tuple[int, int]] = []
    recover(path, f"{path}.new", lambda done, total: told.append((done, total)))
    assert [(3, 10), (4, 10), (6, 10), (6, 10), (10, 10)] == told


def test_numbers_that_no_file_has_room_for_are_named(path: str) -> None:
    alter(
        path,
        "INSERT INTO event SELECT 900000000, job, timestamp, name, 0, NULL, data, form"
        " FROM event WHERE seq = 1",
        "INSERT INTO jobspec VALUES (-7, x'00', NULL)",
    )
    found, rows = recovered(path)
    assert [
        "event 900000000: is no sequence number", "jobspec -7: is no sequence number",
    ] == found.losses  # fmt: skip
    assert WHOLE == rows[:5]


def test_a_database_of_another_program_is_not_taken_for_a_damaged_one(tmp_path: Path) -> None:
    path = tmp_path / "theirs.sqlite"
    db = apsw.Connection(str(path))
    db.execute("CREATE TABLE event (form)")
    db.close()
    with pytest.raises(StoreError, match="nothing of it can be read"):
        recover(str(path), str(tmp_path / "new.sqlite"))
    assert [path] == list(tmp_path.iterdir())


States = Callable[[str, str], str]


@pytest.fixture
def states(tmp_path: Path) -> States:
    """Return what makes a database by changing its file, then its write-ahead log.

    A copy of what the file was is attached as ``whole``.
    """

    def made(in_file: str, in_log: str) -> str:
        path, copy = str(tmp_path / "used.sqlite"), str(tmp_path / "jobs.sqlite")
        with create_or_open(path) as store:
            ingest(store).close("stopped")
        before = shutil.copy(path, tmp_path / "before.sqlite")
        alter(path, in_file)
        db = apsw.Connection(path)
        db.execute("PRAGMA wal_autocheckpoint = 0")
        db.execute(f"ATTACH '{before}' AS whole")
        db.execute(in_log)
        for suffix in ("", "-wal"):
            shutil.copy(path + suffix, copy + suffix)
        db.close()
        return copy

    return made


NOTHING = "UPDATE source SET name = name"
PAYLOAD = "(SELECT min(seq) FROM {} WHERE base IS NOT NULL)"


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE event SET data = x'00' WHERE seq = 5",
        "UPDATE event SET form = 7 WHERE seq = 5",
        "UPDATE event SET timestamp = 7.5 WHERE seq = 5",
        "UPDATE event SET job = 77 WHERE seq = 5",
        "DELETE FROM event WHERE seq = 5",
        *(f"UPDATE {table} SET data = x'00' WHERE seq = {PAYLOAD.format(table)}"
          for table in ("jobspec", "R")),
        *(f"UPDATE {table} SET data = 'x' WHERE seq = {PAYLOAD.format(table)}"
          for table in ("jobspec", "R")),
        *(f"DELETE FROM {table} WHERE seq = {PAYLOAD.format(table)}"
          for table in ("jobspec", "R")),
    ],
)  # fmt: skip
@pytest.mark.parametrize("in_log", [True, False])
def test_a_row_that_is_damaged_in_one_state_is_taken_from_the_other(
    states: States, damage: str, in_log: bool
) -> None:
    """The file with its log, and the file without."""
    (table,) = (name for name in ("event", "jobspec", "R") if f" {name} " in damage)
    undo = f"INSERT OR REPLACE INTO {table} SELECT * FROM whole.{table}"
    path = states(NOTHING, damage) if in_log else states(damage, undo)
    found, _ = recovered(path)
    with open_readonly(path.replace("jobs", "before")) as store:
        before = verify_chain(store)
    assert before.fault is None
    assert ([], before.events, before.head) == (found.losses, found.events, found.head)


@pytest.mark.parametrize("table", ["event", "jobspec", "R"])
def test_of_what_both_states_have_damaged_the_one_with_the_log_is_set_aside(
    states: States, table: str
) -> None:
    where = f"WHERE seq = (SELECT min(seq) FROM {table})"
    form = ", form = 0" if table == "event" else ""
    damage = "UPDATE {} SET data = CAST('{}' AS BLOB){} {}"
    path = states(
        damage.format(table, '{"timestamp":1,"name":"file"}', form, where),
        damage.format(table, '{"timestamp":1,"name":"log"}', form, where),
    )
    new = f"{path}.new"
    assert len(recover(path, new).losses) >= 1
    with open_readonly(new) as store:
        sql = "SELECT data FROM reject WHERE reason GLOB '*bytes were changed'"
        assert (b'{"timestamp":1,"name":"log"}',) in fetch(store.db, sql)
        assert (b'{"timestamp":1,"name":"file"}',) not in fetch(store.db, sql)
