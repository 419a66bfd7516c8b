# SPDX-License-Identifier: LGPL-3.0
"""Deduplication case by case: where an event is found, and where a new one belongs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventstore.events.dedup import LIVE_ONLY, Known, anchored, place, taken_back
from eventstore.events.journal_line import Entry


def event(letter: str, time: float = 1.0, data: bytes = b"") -> Entry:
    return Entry(time, letter, None, data)


def stored(*events: tuple[str, float, bytes | None]) -> list[Known]:
    return [Known(time, name, seq, data) for seq, (name, time, data) in enumerate(events, 1)]


ABC = stored(("a", 1.0, b"A"), ("b", 2.0, b"B"), ("c", 3.0, b"C"))
AABB = stored(("a", 1.0, b"A"), ("a", 1.0, b"A"), ("b", 2.0, b"B"), ("b", 2.0, b"B"))
SHOWN = stored(("a", 1.0, None), ("b", 2.0, None))  # by a backlog only


@pytest.mark.parametrize(
    ("known", "entry", "start", "replayed", "expected"),
    [
        # The same event: from the start on, and the first one of several.
        (ABC, event("a", 1.0, b"A"), 0, False, (True, 0)),
        (ABC, event("b", 2.0, b"B"), 0, False, (True, 1)),
        (ABC, event("c", 3.0, b"C"), 0, True, (True, 2)),
        (ABC, event("c", 3.0, b"C"), 2, False, (True, 2)),
        (AABB, event("a", 1.0, b"A"), 0, True, (True, 0)),
        (AABB, event("a", 1.0, b"A"), 1, True, (True, 1)),
        (AABB, event("b", 2.0, b"B"), 3, False, (True, 3)),
        # Before the start, for a live response only: the first one of several.
        (ABC, event("a", 1.0, b"A"), 1, False, (True, 0)),
        (ABC, event("b", 2.0, b"B"), 3, False, (True, 1)),
        (AABB, event("a", 1.0, b"A"), 2, False, (True, 0)),
        (ABC, event("a", 1.0, b"A"), 1, True, (False, 1)),
        (AABB, event("a", 1.0, b"A"), 2, True, (False, 2)),
        (ABC, event("a", 1.0, b"edited"), 1, False, (False, 1)),
        # Other bytes: another event between two live readers, the same one in a backlog.
        (ABC, event("b", 2.0, b"edited"), 0, False, (False, 2)),
        (ABC, event("b", 2.0, b"edited"), 0, True, (True, 1)),
        (SHOWN, event("b", 2.0, b"first"), 0, False, (True, 1)),
        (SHOWN, event("b", 2.0, b"other"), 0, True, (True, 1)),
        # Another name or time is another event, whatever the bytes are.
        (ABC, event("x", 2.0, b"B"), 0, False, (False, 2)),
        (ABC, event("x", 2.0, b"B"), 0, True, (False, 2)),
        (ABC, event("b", 2.5, b"B"), 0, False, (False, 2)),
        (ABC, event("b", 2.5, b"B"), 0, True, (False, 2)),
        # Where a new event belongs: before the first later one from the start on, else last.
        (ABC, event("x", 0.5), 0, False, (False, 0)),
        (ABC, event("x", 0.5), 2, False, (False, 2)),
        (ABC, event("x", 1.0), 0, True, (False, 1)),
        (ABC, event("x", 3.0), 0, True, (False, 3)),
        (ABC, event("x", 9.0), 0, False, (False, 3)),
        (ABC, event("x", 0.5), 3, True, (False, 3)),
        ([], event("a", 1.0), 0, False, (False, 0)),
    ],
)  # fmt: skip
def test_place(
    known: list[Known], entry: Entry, start: int, replayed: bool, expected: tuple[bool, int]
) -> None:
    assert expected == place(known, entry, start, replayed=replayed)


BACKLOG = [event("submit", 1.0), event("alloc", 2.0)]


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ([], False),
        (stored(("submit", 1.0, b"")), False),
        (stored(("submit", 1.0, b""), ("alloc", 2.0, None)), False),
        (stored(("submit", 1.0, b""), ("alloc", 2.5, b"")), True),
        (stored(("submit", 1.5, b"")), True),
        (stored(("alloc", 1.0, b"")), True),
        (stored(("submit", 1.0, b""), ("start", 3.0, b"")), True),
        *((stored(("submit", 1.0, b""), (name, 1.5, b"")), False)
          for name in ("annotations", "memo", "invalidate", "priority")),
        (stored(("memo", 1.5, b""), ("start", 3.0, b"")), True),
    ],
)  # fmt: skip
def test_taken_back(known: list[Known], expected: bool) -> None:
    assert expected == taken_back(known, BACKLOG)


def test_what_is_posted_live_only() -> None:
    assert sorted(LIVE_ONLY) == ["annotations", "invalidate", "memo", "priority"]


@pytest.mark.parametrize(
    ("rows", "order"),
    [
        ([], []),
        ([(1, None), (2, None)], [1, 2]),
        ([(1, None), (2, None), (3, 1)], [1, 3, 2]),
        ([(1, None), (2, None), (3, 2)], [1, 2, 3]),
        ([(1, None), (2, None), (3, 0)], [3, 1, 2]),
        ([(1, None), (2, None), (3, 0), (4, 3)], [3, 4, 1, 2]),
        ([(1, None), (2, None), (3, 1), (4, 1)], [1, 4, 3, 2]),
        ([(1, None), (3, 1), (4, None)], [1, 3, 4]),
        ([(2, 1), (3, None)], [2, 3]),  # its anchor was lost
        ([(1, None), (3, None), (4, 2)], [4, 1, 3]),
    ],
)
def test_anchored(rows: list[tuple[int, int | None]], order: list[int]) -> None:
    assert order == [rows[index][0] for index in anchored(rows)]


LETTERS = st.sampled_from("abc")


@given(st.lists(LETTERS, max_size=8), st.data())
def test_two_readers_of_one_life_store_it_once(life: list[str], data: st.DataObject) -> None:
    """Whatever part of a job's events each has, the two together have each event once."""
    events = [event(letter, float(time), b"%d" % time) for time, letter in enumerate(life)]
    parts = [
        [e for e in events if data.draw(st.booleans())] if events else [] for _ in range(2)
    ]
    known: list[Known] = []
    for part in parts:
        start = 0
        for entry in part:
            found, index = place(known, entry, start, replayed=data.draw(st.booleans()))
            if not found:
                known.insert(index, Known(entry.timestamp, entry.name, 0, entry.data))
            start = index + 1
    seen = [e for e in events if any(e is other for part in parts for other in part)]
    assert [(e.timestamp, e.name) for e in seen] == [(k.timestamp, k.name) for k in known]
