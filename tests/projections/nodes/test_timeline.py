# SPDX-License-Identifier: LGPL-3.0
"""Facts of a node, the one state that counts of them, and the intervals they make."""

from __future__ import annotations

import pytest

from projections.nodes.state import Drain, Key, Node, Nodes
from projections.nodes.timeline import Fact, Facts, Interval, Open, Timelines, facts, state_of

KEY = Key("n0")
PLAIN = Fact(None, None)
DRAIN = Drain(4.0, "disk", 5.0)
DRAINED = Fact("disk", 4.0)


@pytest.mark.parametrize(
    ("node", "unknown", "expected"),
    [
        (Node(KEY, 0, True), None, {}),
        (Node(KEY, 0), None, {"offline": PLAIN}),
        (Node(KEY, 0, True, True), None, {"torpid": PLAIN}),
        (Node(KEY, 0, True, False, True), None, {"excluded": PLAIN}),
        (Node(KEY, 0, True, False, False, DRAIN), None, {"drained": DRAINED}),
        (Node(KEY, 0, True, drain=Drain(4.0, "", 5.0)), None, {"drained": Fact(None, 4.0)}),
        (
            Node(KEY, 0, False, True, True, DRAIN), None,
            {"excluded": PLAIN, "offline": PLAIN, "torpid": PLAIN, "drained": DRAINED},
        ),
        (Node(KEY, 0, False, True, True), "why", {"unknown": Fact("why")}),
        (Node(KEY, 0, drain=DRAIN), "why", {"unknown": Fact("why"), "drained": DRAINED}),
        (Node(KEY), None, {"absent": PLAIN}),
        (Node(KEY), "why", {"absent": PLAIN}),
    ],
)  # fmt: skip
def test_what_holds_of_a_node(node: Node, unknown: str | None, expected: Facts) -> None:
    assert expected == facts(Nodes({KEY: node}, restart=1.0, unknown=unknown), node)


def test_before_the_first_load_any_node_is_unknown() -> None:
    node = Node(KEY)
    assert {"unknown": Fact("not recorded")} == facts(Nodes({KEY: node}), node)
    assert {"absent": PLAIN} == facts(Nodes({KEY: node}, unknown=None), node)


def test_the_first_of_absent_unknown_excluded_offline_drained_and_torpid_counts() -> None:
    order = ["absent", "unknown", "excluded", "offline", "drained", "torpid"]
    for at, kind in enumerate(order):
        assert kind == state_of(dict.fromkeys(reversed(order[at:]), PLAIN))
    assert state_of({}) == "up"


def test_a_rank_beyond_the_instance_has_no_node() -> None:
    nodes = Nodes({KEY: Node(KEY, 0)}, [KEY])
    assert [None, nodes.nodes[KEY], None] == [nodes.at_rank(rank) for rank in (-1, 0, 1)]


def test_what_changes_ends_and_begins_at_once_and_the_rest_goes_on() -> None:
    timelines = Timelines()
    assert [
        Interval(KEY, "offline", 1.0, PLAIN, None, None),
        Interval(KEY, "drained", 1.0, DRAINED, None, None),
        Interval(KEY, "state", 1.0, Fact("offline"), None, None),
    ] == timelines.advance(KEY, {"offline": PLAIN, "drained": DRAINED}, 1.0, "unused")
    # Of the intervals that end, only a drain's says how it did.
    excluded = {"excluded": PLAIN, "offline": PLAIN, "torpid": PLAIN}
    assert [
        Interval(KEY, "drained", 1.0, DRAINED, 3.0, "undrained"),
        Interval(KEY, "state", 1.0, Fact("offline"), 3.0, None),
        Interval(KEY, "excluded", 3.0, PLAIN),
        Interval(KEY, "torpid", 3.0, PLAIN),
        Interval(KEY, "state", 3.0, Fact("excluded")),
    ] == timelines.advance(KEY, excluded, 3.0, "undrained")
    assert timelines.advance(KEY, excluded, 4.0, "unused") == []
    assert [("offline", 1.0), ("excluded", 3.0), ("torpid", 3.0), ("state", 3.0)] == [
        (kind, opened.begun) for kind, opened in timelines.opened[KEY].items()
    ]


def test_each_node_has_timelines_of_its_own_and_stored_ones_go_on() -> None:
    other = Key("n0", 1)
    timelines = Timelines({KEY: {"state": Open(1.0, Fact("up"))}})
    assert timelines.advance(KEY, {}, 2.0) == []
    assert [Interval(other, "state", 2.0, Fact("up"))] == timelines.advance(other, {}, 2.0)


def test_another_reason_of_a_drain_is_another_interval() -> None:
    timelines = Timelines()
    timelines.advance(KEY, {"drained": DRAINED}, 4.0)
    assert [
        Interval(KEY, "drained", 4.0, DRAINED, 6.0, "other reason"),
        Interval(KEY, "drained", 6.0, Fact("fan", 4.0)),
    ] == timelines.advance(KEY, {"drained": Fact("fan", 4.0)}, 6.0, "other reason")


@pytest.mark.parametrize(("down", "ended"), [(7.0, 8.0), (8.0, 8.0), (9.0, 9.0)])
def test_what_is_not_known_since_a_past_time_ends_no_interval_before_it_began(
    down: float, ended: float
) -> None:
    """What began since the instance went down is empty then."""
    timelines = Timelines()
    timelines.advance(KEY, {"excluded": PLAIN, "offline": PLAIN}, 8.0)
    unknown = Fact("the instance was down")
    assert [
        Interval(KEY, "offline", 8.0, PLAIN, ended, None),
        Interval(KEY, "state", 8.0, Fact("excluded"), ended, None),
        Interval(KEY, "unknown", down, unknown),
        Interval(KEY, "state", ended, Fact("unknown")),
    ] == timelines.leave(KEY, {"excluded": PLAIN, "unknown": unknown}, down)
    assert {
        "excluded": Open(8.0, PLAIN), "unknown": Open(down, unknown),
        "state": Open(ended, Fact("unknown")),
    } == timelines.opened[KEY]  # fmt: skip


def test_a_drain_neither_ends_nor_begins_at_a_past_time() -> None:
    timelines = Timelines()
    timelines.advance(KEY, {"drained": DRAINED}, 8.0)
    timelines.leave(KEY, {}, 9.0)
    assert Open(8.0, DRAINED) == timelines.opened[KEY]["drained"]
    other = Key("n1")
    assert [Interval(other, "state", 9.0, Fact("drained"))] == timelines.leave(
        other, {"drained": DRAINED}, 9.0
    )
    assert ["state"] == list(timelines.opened[other])
