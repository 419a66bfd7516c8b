# SPDX-License-Identifier: LGPL-3.0
"""What is counted on from an earlier state is what is counted anew, of any state."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from eventstore.ingest.writer import Writer
from eventstore.reading import gaps
from eventstore.storage.connection import Store, create_or_open, open_readonly
from projections.engine.views import Views
from projections.queries import store_counts
from tests.support.journal_generator import backlog, journal


class Counted:
    """Both that count on, compared with what is counted anew."""

    def __init__(self) -> None:
        self.gaps, self.stored = gaps.Counting(), store_counts.Counting()

    def check(self, store: Store) -> dict[str, int]:
        with store.snapshot() as db:
            found = self.gaps.counts(db, store.path) | self.stored.counts(db)
            anew = gaps.counts(db, store.path) | store_counts.store_counts(db)
        assert anew == found
        return found


@pytest.fixture(params=[0.0, 60.0], ids=["each state is kept", "the first is kept"])
def counted(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Counted:
    monkeypatch.setattr("eventstore.reading.remembered._APART", request.param)
    return Counted()


def written(path: Path, *parts: list[bytes]) -> None:
    with create_or_open(str(path)) as store:
        writer = Writer(store, "test", Views(store))
        for lines in parts:
            writer.append(lines)
        writer.close()


def test_a_snapshot_that_is_older_is_counted_as_it_is(tmp_path: Path, counted: Counted) -> None:
    path = tmp_path / "jobdb.sqlite"
    lines = list(journal(30))
    written(path, lines[:100])
    with open_readonly(str(path)) as old, old.snapshot():
        before = counted.check(old)
        written(path, lines[100:], list(backlog(9, seed=2)), [b"{"])
        with open_readonly(str(path)) as new:
            after = counted.check(new)
        assert before == counted.check(old)
    assert after["events"] > before["events"]
    assert (0, 9) == (before["backlog"], after["backlog"])
    assert (0, 1) == (before["rejects"], after["rejects"])


def test_another_database_at_the_same_path_is_counted_anew(
    tmp_path: Path, counted: Counted
) -> None:
    """One with fewer batches, and one with more."""
    path = tmp_path / "jobdb.sqlite"
    others = [[list(backlog(3, seed=3))], [list(journal(4, seed=n)) for n in range(5)]]
    written(path, list(journal(5)), list(backlog(6, seed=2)))
    with open_readonly(str(path)) as store:
        assert 6 == counted.check(store)["backlog"]
    for number, parts in enumerate(others):
        other = tmp_path / f"other-{number}.sqlite"
        written(other, *parts)
        os.replace(other, path)
        with open_readonly(str(path)) as store:
            assert [3, 0][number] == counted.check(store)["backlog"]
