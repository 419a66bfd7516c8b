# SPDX-License-Identifier: LGPL-3.0
"""A line that cannot be stored costs itself only, and few transactions."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from eventstore.errors import StoreError, Unfit
from eventstore.ingest.intake import Intake
from eventstore.ingest.isolation import append_isolating
from eventstore.ingest.writer import Writer
from eventstore.storage.connection import MEMORY, Store, create_or_open
from eventstore.storage.sql import fetch
from tests.support.journal_generator import journal

LINES = list(journal(100))[1:]  # an event each
BAD = LINES[499]


class Failing:
    """Makes the intake of some lines raise; notes how many lines each transaction had."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, errors: dict[bytes, Exception]) -> None:
        self.sizes: list[int] = []
        self.reported: list[tuple[bytes, Exception, bool]] = []
        take_all, append = Intake.take_all, Writer.append

        def choking(intake: Intake, lines: Sequence[bytes]) -> None:
            for line in lines:
                if line in errors:
                    raise errors[line]
            take_all(intake, lines)

        def noting(writer: Writer, lines: list[bytes]) -> object:
            self.sizes.append(len(lines))
            return append(writer, lines)

        monkeypatch.setattr(Intake, "take_all", choking)
        monkeypatch.setattr(Writer, "append", noting)

    def store(self, store: Store) -> tuple[Writer, list[bytes]]:
        """Append all lines; returns the writer, and what was said to be stored."""
        writer = Writer(store, "test")
        stored: list[bytes] = []

        def report(line: bytes, error: Exception, kept: bool) -> None:
            self.reported.append((line, error, kept))

        for lines in append_isolating(writer, LINES, report):
            stored += lines
        return writer, stored


def test_a_bad_line_costs_itself_and_few_transactions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    error = ZeroDivisionError("oh")
    failing = Failing(monkeypatch, {BAD: error})
    with create_or_open(MEMORY) as store:
        writer, stored = failing.store(store)
        assert [(BAD, error, True)] == failing.reported
        assert stored == LINES
        assert (len(LINES) - 1, 1) == (writer.counts.new, writer.counts.rejected)
        assert [(BAD,)] == fetch(store.db, "SELECT data FROM reject")
        assert len(failing.sizes) <= 1 + 2 * len(LINES).bit_length()


def test_an_ordinary_batch_is_one_transaction(monkeypatch: pytest.MonkeyPatch) -> None:
    failing = Failing(monkeypatch, {})
    with create_or_open(MEMORY) as store:
        failing.store(store)
    assert [len(LINES)] == failing.sizes


def test_a_store_that_fails_is_no_fault_of_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    failing = Failing(monkeypatch, {BAD: StoreError("no space left")})
    with create_or_open(MEMORY) as store:
        with pytest.raises(StoreError, match="no space"):
            failing.store(store)
        assert [] == fetch(store.db, "SELECT data FROM reject")
    assert (failing.reported, failing.sizes) == ([], [len(LINES)])


def test_what_is_stored_before_the_store_fails_was_said_to_be(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    errors = {BAD: ZeroDivisionError(), LINES[-1]: StoreError("no space left")}
    Failing(monkeypatch, errors)
    stored: list[bytes] = []
    with create_or_open(MEMORY) as store:
        writer = Writer(store, "test")
        parts = append_isolating(writer, LINES, lambda *_: None)
        with pytest.raises(StoreError, match="no space"):
            stored.extend(line for lines in parts for line in lines)
        assert writer.counts.new + writer.counts.rejected == len(stored)
    assert stored == LINES[: len(stored)]
    assert len(stored) >= 500


@pytest.mark.parametrize("error", [Unfit("too big"), ZeroDivisionError()])
def test_what_cannot_be_kept_either_is_reported(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def unfit(*_: object) -> None:
        raise Unfit("too big")

    failing = Failing(monkeypatch, {BAD: error})
    monkeypatch.setattr(Intake, "take_reject", unfit)
    with create_or_open(MEMORY) as store:
        writer, stored = failing.store(store)
    assert [(BAD, error, False)] == failing.reported
    assert (len(LINES) - 1, 0) == (writer.counts.new, writer.counts.rejected)
    assert stored == LINES
