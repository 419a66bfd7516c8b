# SPDX-License-Identifier: LGPL-3.0
"""What was found of an earlier state is used for those that follow on it, and no others."""

from __future__ import annotations

from collections.abc import Iterator

import apsw
import pytest

from eventstore.reading import remembered
from eventstore.reading.remembered import Remembered


class Clock:
    now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(remembered, "time", found)
    return found


@pytest.fixture
def db() -> Iterator[apsw.Connection]:
    """A database without batches."""
    with apsw.Connection(":memory:") as found:
        found.execute("CREATE TABLE batch (batch INTEGER PRIMARY KEY, digest BLOB)")
        yield found


def grow(db: apsw.Connection, number: int, digest: bytes | None = None) -> None:
    db.execute("INSERT INTO batch VALUES (?, ?)", (number, digest or b"%d" % number))


def go_back(db: apsw.Connection, number: int) -> None:
    db.execute("DELETE FROM batch WHERE batch > ?", (number,))


def test_the_latest_state_that_this_one_follows_on_is_used(
    db: apsw.Connection, clock: Clock
) -> None:
    known = Remembered("nothing")
    known.keep(db, "of no batch")
    assert "nothing" == known.latest(db)
    for number in (1, 2, 3):
        clock.now += 5.0
        grow(db, number)
        known.keep(db, f"of {number}")
    grow(db, 4)
    assert "of 3" == known.latest(db)
    go_back(db, 2)  # a reader may be at an older state
    assert "of 2" == known.latest(db)
    grow(db, 3, b"other")  # another database has come to stand there
    assert "of 2" == known.latest(db)
    go_back(db, 0)
    grow(db, 1, b"other")
    assert "nothing" == known.latest(db)


def test_states_are_kept_a_second_apart(db: apsw.Connection, clock: Clock) -> None:
    known = Remembered(0)
    for number, clock.now in enumerate((0.0, 0.9, 1.0, 1.9, 2.0), 1):
        grow(db, number)
        known.keep(db, number)
    found = []
    for number in (5, 4, 3, 2, 1):
        go_back(db, number)
        found.append(known.latest(db))
    assert [5, 3, 3, 1, 1] == found


def test_twenty_states_are_kept(db: apsw.Connection, clock: Clock) -> None:
    known = Remembered(0)
    for number in range(1, 22):
        clock.now += 5.0
        grow(db, number)
        known.keep(db, number)
    assert 21 == known.latest(db)
    go_back(db, 2)
    assert 2 == known.latest(db)
    go_back(db, 1)
    assert 0 == known.latest(db)
