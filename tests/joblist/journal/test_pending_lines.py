# SPDX-License-Identifier: LGPL-3.0
"""The queue of lines that came and are not stored yet: its bounds, and what it drops."""

from __future__ import annotations

import pytest

from joblist.journal.pending_lines import Limits, PendingLines, stands_alone

PURGE = b'{"jobs":[1]}'
RESPONSE = b'{"id":1,"events":[]}'


def filled(*lines: bytes, limits: Limits) -> PendingLines:
    found = PendingLines(limits)
    for line in lines:
        found.add(line)
    return found


def contents(pending: PendingLines) -> list[bytes]:
    """Empty the queue; returns what it had."""
    found = []
    while pending:
        found += pending.batch()
        pending.remove(len(pending.batch()))
    assert 0 == pending.size
    return found


def test_a_purge_is_told_from_a_response() -> None:
    assert stands_alone(PURGE)
    assert not stands_alone(RESPONSE)


@pytest.mark.parametrize(
    ("lines", "limits", "first"),
    [
        ([b"x"] * 5, Limits(lines=3), 3),
        ([b"x"] * 3, Limits(lines=3), 3),
        ([b"xx"] * 5, Limits(bytes=5), 2),
        ([b"xx"] * 5, Limits(bytes=4), 2),
        ([b"x" * 9, b"x"], Limits(bytes=4), 1),  # a long line is a batch of its own
        ([], Limits(), 0),
    ],
)
def test_a_batch_is_bounded(lines: list[bytes], limits: Limits, first: int) -> None:
    pending = filled(*lines, limits=limits)
    assert lines[:first] == pending.batch()
    assert (len(lines), sum(map(len, lines))) == (len(pending), pending.size)
    assert lines == contents(pending)


@pytest.mark.parametrize(("size", "fills", "overflows"), [(4, 0, 0), (5, 1, 0), (9, 1, 1)])
def test_bounds_are_passed_when_there_is_more(size: int, fills: bool, overflows: bool) -> None:
    pending = filled(b"x" * size, limits=Limits(bytes=4, kept=8))
    assert (fills, overflows) == (pending.fills_a_batch, pending.overflows)


def test_purges_survive_in_their_order() -> None:
    other = b'{"jobs":[2]}'
    pending = filled(RESPONSE, PURGE, RESPONSE, other, limits=Limits(kept=30))
    pending.drop()
    assert pending.dropped
    assert len(PURGE) + len(other) == pending.size
    assert [PURGE, other] == contents(pending)


def test_purges_that_are_too_much_themselves_do_not() -> None:
    pending = filled(PURGE, PURGE, limits=Limits(kept=len(PURGE)))
    pending.drop()
    assert not pending.dropped  # of responses, there were none
    assert [] == contents(pending)


def test_what_was_dropped_once_stays_said() -> None:
    pending = filled(RESPONSE, limits=Limits())
    pending.drop()
    pending.drop()
    assert pending.dropped
