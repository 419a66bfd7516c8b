# SPDX-License-Identifier: LGPL-3.0
"""Which rows can be those that were stored: each column is made impossible."""

from __future__ import annotations

from typing import Any

import pytest

from eventstore.events.digest_chain import GENESIS, Contents, prove
from eventstore.maintenance.derived_rows import is_source
from eventstore.maintenance.trusted_rows import Batch, Losses

ROOM = 100
ODD: tuple[Any, ...] = (None, "x", [])
POSSIBLE = (5, 1, 7.0, 11, 20, b"1234" * 10, b"digest")
COLUMNS = ("number", "source", "committed", "first", "last", "checks", "digest")


def with_(**changes: Any) -> tuple[Any, ...]:
    return tuple((dict(zip(COLUMNS, POSSIBLE, strict=True)) | changes).values())


@pytest.mark.parametrize(
    "row",
    [
        POSSIBLE,
        with_(number=1, first=1, last=1),
        with_(number=ROOM, last=ROOM),
        with_(first=21),  # a batch of rejects only
        with_(source=0),
        with_(source=2**62 - 1),
        with_(source=1 - 2**62),
        with_(checks=b"", digest=b""),
    ],
)
def test_rows_of_batches_that_are_possible(row: tuple[Any, ...]) -> None:
    assert Batch.is_possible(row, ROOM)


@pytest.mark.parametrize(
    "row",
    [
        *(with_(**{name: other}) for name in COLUMNS for other in ODD),
        *(with_(**{name: 5.0}) for name in COLUMNS if name != "committed"),
        with_(committed=7),
        with_(number=0),
        with_(number=-1),
        with_(first=0),
        with_(number=ROOM + 1),
        with_(last=ROOM + 1),
        with_(first=22),
        with_(source=2**62),
        with_(source=-(2**62)),
        with_(checks=b"123"),
        with_(checks=b"12345"),
    ],
)
def test_rows_of_batches_that_are_impossible(row: tuple[Any, ...]) -> None:
    assert not Batch.is_possible(row, ROOM)


def test_what_a_batch_proves() -> None:
    rows = Contents([], [(1, b"j")], [], [], [])
    digest = prove(GENESIS, (5, 1, 7.0), rows).digest
    batch = Batch(5, 1, 7.0, 1, 1, digest=digest, previous=GENESIS)
    assert batch.proves(rows)
    assert not batch.proves(rows._replace(jobspecs=[]))
    assert not batch._replace(previous=b"").proves(rows)
    for wrong in ({"number": 4}, {"source": 2}, {"committed": 7.5}, {"previous": bytes(31)}):
        assert not batch._replace(**wrong).proves(rows)
    odd: list[Any] = [[(1, "text")], [("1", b"j")], [(1, None)]]
    for jobspecs in odd:
        assert not batch.proves(rows._replace(jobspecs=jobspecs))


def test_losses_are_named_and_bytes_are_kept() -> None:
    losses = Losses([], [])
    losses.name("batch 1")
    losses.set_aside("event 5", "it was changed", b"bytes", 7)
    losses.set_aside("event 6", "it was changed", b"")
    losses.set_aside("event 7", "it is gone", None, 7)
    losses.set_aside("event 8", "it is text", "text")
    assert [
        "batch 1", "event 5: it was changed", "event 6: it was changed",
        "event 7: it is gone", "event 8: it is text",
    ] == losses.lines  # fmt: skip
    assert [
        (7, "recovered event 5: it was changed", b"bytes"),
        (None, "recovered event 6: it was changed", b""),
    ] == losses.rejects


SOURCE = (1, "name", "boot", 1.0, 2.0, "done")


@pytest.mark.parametrize(
    ("row", "possible"),
    [
        (SOURCE, True),
        ((1, "name", None, 1.0, None, None), True),
        ((1, "", "", 0.0, 0.0, ""), True),
        *((tuple(b"x" if n == at else item for n, item in enumerate(SOURCE)), False)
          for at in range(6)),
        *((tuple(None if n == at else item for n, item in enumerate(SOURCE)), False)
          for at in (0, 1, 3, 4, 5)),
        ((1, "name", None, 1, None, None), False),
        ((1, "name", None, 1.0, 2, "done"), False),
    ],
)  # fmt: skip
def test_rows_of_sources(row: tuple[Any, ...], possible: bool) -> None:
    assert possible is is_source(row)
