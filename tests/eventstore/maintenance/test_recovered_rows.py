# SPDX-License-Identifier: LGPL-3.0
"""What is left of a damaged batch is recovered row by row, each column as it was."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from eventstore.ingest.writer import Writer
from eventstore.maintenance.recover import recover
from eventstore.storage.connection import create_or_open
from eventstore.storage.sql import fetch
from tests.support.journal_generator import backlog, journal

EVENTS = "SELECT * FROM event WHERE seq NOT IN (2, 5) ORDER BY seq"
OTHERS = (
    "SELECT key, jobid, stream FROM job ORDER BY key",
    "SELECT seq FROM jobspec ORDER BY seq",
    "SELECT seq FROM R ORDER BY seq",
    "SELECT seq, time, kind, digest, data FROM notice ORDER BY seq",
)


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """A database with replayed events and late ones, of whose first batch two are lost."""
    path = tmp_path / "damaged.sqlite"
    live = [line for line in journal(3) if b'"start"' not in line]
    with create_or_open(str(path)) as store:
        Writer(store, "all").append([*live, *backlog(6)])
    db = apsw.Connection(str(path))
    db.execute("DROP TRIGGER event_no_delete")
    db.execute("DELETE FROM event WHERE seq IN (2, 5)")
    db.close()
    return path


def test_columns_of_the_events_that_are_left(damaged: Path, tmp_path: Path) -> None:
    new = str(tmp_path / "new.sqlite")
    losses = recover(str(damaged), new).losses
    assert losses
    with create_or_open(str(damaged)) as old, create_or_open(new) as found:
        rows = fetch(old.db, EVENTS)
        assert {0, 1} == {row[4] for row in rows}
        assert 1 < len({row[5] for row in rows})
        assert rows == fetch(found.db, EVENTS)
        for sql in OTHERS:
            assert fetch(old.db, sql) == fetch(found.db, sql)


def test_a_column_that_cannot_be_so_is_a_loss_that_is_named(
    damaged: Path, tmp_path: Path
) -> None:
    db = apsw.Connection(str(damaged))
    db.execute("DROP TRIGGER event_no_update")
    db.execute("PRAGMA ignore_check_constraints = ON")
    (seq,) = db.execute("SELECT max(seq) FROM event").fetchone() or (0,)
    db.execute("UPDATE event SET replayed = 2 WHERE seq = ?", (seq,))
    db.close()
    new = str(tmp_path / "new.sqlite")
    losses = recover(str(damaged), new).losses
    assert any(f"event {seq}" in loss for loss in losses), losses
    with create_or_open(new) as found:
        assert [] == fetch(found.db, "SELECT seq FROM event WHERE seq = ?", (seq,))
