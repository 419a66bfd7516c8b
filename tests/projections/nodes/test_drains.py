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


@pytest.mark.parametrize(("overwrite", "known"), [(0, False), (1, False), (2, True)])
def test_a_drain_whose_past_is_not_known_stays_so_unless_all_of_it_is_set(
    overwrite: int, known: bool
) -> None:
    nodes = Nodes({KEY: Node(KEY, rank=0, doubt="unrecorded")}, [KEY])
    drains.apply(nodes, Change(5.0, 1, "drain", [(0, "n1")], "fan", overwrite))
    node = nodes.nodes[KEY]
    assert known == (node.doubt is None)
    assert (Drain(5.0, "fan", 5.0) if known else None) == node.drain
    drains.apply(nodes, Change(6.0, 2, "undrain", [(0, "n1")], None, 0))
    assert (None, None) == (node.drain, node.doubt)


def test_after_a_crash_drains_follow_from_those_that_were_saved() -> None:
    other = Key("n2")
    saved = {KEY: BROKEN, other: BARE}
    nodes = Nodes({KEY: Node(KEY, rank=0), other: Node(other, rank=1)}, [KEY, other])
    nodes.saved = saved
    changes = [
        Change(2.0, 1, "undrain", [(1, "n2")], None, 0),
        Change(3.0, 2, "drain", [(1, "n2")], "late", None),
        Change(4.0, 3, "drain", [(0, "n1"), (1, "n2")], "by itself", None),
        Change(5.0, 4, "drain", [(0, "n1")], "kept out", 0),
    ]
    expected = {KEY: Drain(1.0, "by itself", 4.0), other: Drain(3.0, "by itself", 4.0)}
    assert expected == drains.replayed(nodes, changes)
    assert {KEY: BROKEN, other: BARE} == saved
    assert {KEY: BROKEN} == drains.replayed(nodes, changes[:1])


@pytest.mark.parametrize(
    ("rank", "host", "expected"),
    [
        (0, None, "n1"),
        (0, "n1", "n1"),
        (0, "n2", "n2"),
        (7, "n2", "n2"),
        (7, None, None),
        (0, "n9", "n9"),
        (7, "n9", "n9"),
    ],
)
def test_an_event_means_a_host_whatever_rank_that_has_now(
    rank: int, host: str | None, expected: str | None
) -> None:
    keys = [KEY, Key("n2")]
    nodes = Nodes({key: Node(key, rank=at) for at, key in enumerate(keys)}, keys)
    found = drains.target(nodes, rank, host)
    assert expected == (None if found is None else found.key.host)
    assert found is None or nodes.nodes[found.key] is found
    assert ({"n1", "n2"} | {host or "n1"}) == {key.host for key in nodes.nodes}


def test_of_several_brokers_of_a_host_the_rank_decides() -> None:
    keys = [Key("n1"), Key("n1", 1)]
    nodes = Nodes({key: Node(key, rank=at) for at, key in enumerate(keys)}, keys)
    assert keys == [found.key for at in (0, 1) if (found := drains.target(nodes, at, "n1"))]
