# SPDX-License-Identifier: LGPL-3.0
"""A drain after another one, and what the first one's end is called."""

from __future__ import annotations

import pytest

from projections.nodes import drains
from projections.nodes.inputs import Change
from projections.nodes.state import Drain, Key, Node, Nodes

KEY = Key("n1")


def drained(
    before: Drain | None, name: str, reason: str | None, overwrite: int | None
) -> tuple[Drain | None, str | None]:
    """Apply a change at 5.0; returns the drain after it, and how the one before it ended."""
    nodes = Nodes({KEY: Node(KEY, rank=0, drain=before)}, [KEY])
    ends = drains.apply(nodes, Change(5.0, 1, name, [(0, "n1")], reason, overwrite))
    assert {KEY} == ends.keys()
    return nodes.nodes[KEY].drain, ends[KEY]


BARE, BROKEN = Drain(1.0, None, 1.0), Drain(1.0, "broken", 1.0)


@pytest.mark.parametrize(
    ("before", "reason", "overwrite", "after", "end"),
    [
        (None, "broken", 0, Drain(5.0, "broken", 5.0), None),
        (None, None, 2, Drain(5.0, None, 5.0), None),
        (BARE, "broken", 0, Drain(1.0, "broken", 5.0), "other reason"),
        (BROKEN, "fan", 0, BROKEN, None),
        (BROKEN, "fan", 1, Drain(1.0, "fan", 5.0), "other reason"),
        (BROKEN, None, 1, Drain(1.0, None, 5.0), "other reason"),
        (BROKEN, "fan", 2, Drain(5.0, "fan", 5.0), "drained again"),
        (BROKEN, "broken", 2, Drain(5.0, "broken", 5.0), "drained again"),
    ],
)
def test_a_drain_after_another_one(
    before: Drain | None, reason: str | None, overwrite: int, after: Drain, end: str | None
) -> None:
    assert (after, end) == drained(before, "drain", reason, overwrite)


@pytest.mark.parametrize(
    ("reason", "overwrite", "end"),
    [
        (None, None, "excluded"),
        ("excluded by config", None, "excluded"),
        (None, 0, "undrained"),
        ("", 0, "undrained"),
        ("fixed", 0, "undrained: fixed"),
    ],
)
def test_an_undrain_says_why(reason: str | None, overwrite: int | None, end: str) -> None:
    assert (None, end) == drained(BROKEN, "undrain", reason, overwrite)
    assert (None, None) == drained(None, "undrain", reason, overwrite)
