# SPDX-License-Identifier: LGPL-3.0
"""What events, the end of a stream and a status change of the nodes, and which they touch."""

from __future__ import annotations

import json

import pytest

from projections.nodes import loads
from projections.nodes.inputs import Status
from projections.nodes.reducers import (
    Event,
    Touched,
    on_end,
    on_event,
    on_status,
    on_truncation,
    rounded,
)
from projections.nodes.state import Drain, Key, Node, Nodes

N0, N1, N2 = Key("n0", 0), Key("n1", 0), Key("n2", 0)
NOTHING = Touched([], {}, None)
ALL = Touched(None, {}, None)
AFTER_STATUS = "not drained any more, as resource.status says"


def happens(nodes: Nodes, time: float, name: str, context: object = None) -> Touched:
    data = None if context is None else json.dumps(context).encode()
    event = Event(time, 1, name, data)
    return on_event(nodes, event, lambda _: loads.Shown(), lambda _first, _last: [])


def running() -> Nodes:
    """Return an instance of three nodes, all online, which began at 10.0."""
    nodes = Nodes()
    context = {"ranks": "0-2", "online": "0-2", "nodelist": "n[0-2]"}
    happens(nodes, 10.0, "restart", context)
    return nodes


def state(nodes: Nodes) -> list[tuple[bool, bool]]:
    return [(node.online, node.torpid) for node in nodes.present()]


def test_a_restart_begins_a_load_with_what_is_known_of_it() -> None:
    nodes, asked = running(), []

    def knows(time: float) -> loads.Shown:
        asked.append(time)
        return loads.Shown(exclude=((0, 0),))

    context = b'{"ranks":"0-1","online":"1","nodelist":"n[1-2]"}'
    touched = on_event(nodes, Event(20.0, 1, "restart", context), knows, lambda *_: [])
    assert [20.0] == asked
    assert (touched.keys, touched.ends) == (None, {})
    assert touched.began is not None
    assert (10.0, loads.End(20.0, "clean", None)) == (touched.began.before, touched.began.end)
    assert [N1, N2] == nodes.ranks
    assert [True, False] == [node.excluded for node in nodes.present()]


def test_ranks_go_online_offline_torpid_and_lively() -> None:
    nodes = running()
    steps: list[tuple[str, str, list[Key], list[tuple[bool, bool]]]] = [
        ("offline", "0-1", [N0, N1], [(False, False), (False, False), (True, False)]),
        ("torpid", "1-2", [N1, N2], [(False, False), (False, True), (True, True)]),
        ("online", "1", [N1], [(False, False), (True, True), (True, True)]),
        ("lively", "0,2", [N0, N2], [(False, False), (True, True), (True, False)]),
    ]
    for at, (name, ranks, keys, expected) in enumerate(steps, 11):
        assert Touched(keys) == happens(nodes, float(at), name, {"idset": ranks})
        assert expected == state(nodes)
        assert float(at) == nodes.heard


@pytest.mark.parametrize(
    ("ranks", "keys"),
    [("2", [N2]), ("3", []), ("2-3", [N2]), ("0,2-999999999", [N0, N2]), ("1,7", [N1])],
)
def test_ranks_beyond_the_instance_are_not_looked_at(ranks: str, keys: list[Key]) -> None:
    nodes = running()
    assert Touched(keys) == happens(nodes, 11.0, "offline", {"idset": ranks})
    assert keys == [node.key for node in nodes.present() if not node.online]


@pytest.mark.parametrize(
    ("name", "context"),
    [("online", {"idset": "x"}), ("torpid", []), ("offline", None), ("resource-define", {})],
)
def test_other_events_touch_no_node_and_show_that_the_load_goes_on(
    name: str, context: object
) -> None:
    nodes = running()
    assert NOTHING == happens(nodes, 12.0, name, context)
    assert NOTHING == happens(nodes, 11.0, name, context)
    assert ([(True, False)] * 3, 12.0) == (state(nodes), nodes.heard)


@pytest.mark.parametrize("name", ["restart", "drain", "undrain"])
def test_events_that_cannot_be_read_change_nothing(name: str) -> None:
    nodes = running()
    assert NOTHING == happens(nodes, 12.0, name, {"idset": "x"})
    assert (10.0, 10.0) == (nodes.restart, nodes.heard)


def test_before_the_first_restart_no_load_is_heard_of() -> None:
    nodes = Nodes()
    assert NOTHING == happens(nodes, 5.0, "online", {"idset": "0"})
    assert (float("-inf"), None, {}) == (nodes.heard, nodes.restart, nodes.nodes)


def test_a_drain_touches_what_it_names_and_is_no_sign_that_the_load_goes_on() -> None:
    nodes = running()
    context = {"idset": "1-2", "nodelist": "n[1-2]", "reason": "disk", "overwrite": 0}
    assert Touched([N1, N2]) == happens(nodes, 11.0, "drain", context)
    undrain = {"idset": "0-1", "nodelist": "n[0-1]", "overwrite": 0}
    assert Touched([N0, N1], {N1: "undrained"}) == happens(nodes, 12.0, "undrain", undrain)
    assert [None, None, Drain(11.0, "disk", 11.0)] == [node.drain for node in nodes.present()]
    assert nodes.heard == 10.0


def test_a_drain_of_an_unheard_of_host_is_that_of_a_node_outside_the_instance() -> None:
    nodes = running()
    n9 = Key("n9", 0)
    assert Touched([n9]) == happens(nodes, 11.0, "drain", {"idset": "1", "nodelist": "n9"})
    drain = Drain(11.0, None, 11.0)
    assert Node(n9, None, False, False, None, drain, None) == nodes.nodes[n9]
    assert [N0, N1, N2] == nodes.ranks


@pytest.mark.parametrize("time", [10.0, 12.0])
def test_a_stream_that_ended_clean_ended_its_load(time: float) -> None:
    nodes = running()
    assert ALL == on_end(nodes, time, "clean")
    assert ((time, "clean"), "the instance was down") == (nodes.ended, nodes.unknown)


def test_a_stream_that_was_lost_may_come_back() -> None:
    nodes = running()
    assert NOTHING == on_end(nodes, 12.0, "lost")
    assert ((12.0, "lost"), None) == (nodes.ended, nodes.unknown)
    assert NOTHING == happens(nodes, 13.0, "resource-define")
    assert nodes.ended is None


@pytest.mark.parametrize("how", ["clean", "lost"])
def test_an_end_before_what_was_heard_of_the_load_is_of_an_earlier_one(how: str) -> None:
    nodes = running()
    assert NOTHING == on_end(nodes, 9.0, how)
    assert (None, None) == (nodes.ended, nodes.unknown)
    before = Nodes()
    assert NOTHING == on_end(before, 9.0, how)
    assert (None, "not recorded") == (before.ended, before.unknown)


def test_a_load_that_is_heard_of_after_its_end_went_on() -> None:
    nodes = running()
    on_end(nodes, 12.0, "clean")
    offline = {"idset": "1"}
    assert Touched([N1]) == happens(nodes, 12.0, "offline", offline)
    assert ((12.0, "clean"), "the instance was down") == (nodes.ended, nodes.unknown)
    assert ALL == happens(nodes, 12.5, "offline", offline)
    assert (None, None) == (nodes.ended, nodes.unknown)


def test_what_is_unknown_for_another_cause_stays_so() -> None:
    nodes = running()
    on_end(nodes, 12.0, "lost")
    nodes.unknown = "the journal was truncated"
    assert Touched([N1]) == happens(nodes, 13.0, "offline", {"idset": "1"})
    assert (None, "the journal was truncated") == (nodes.ended, nodes.unknown)


def test_states_are_unknown_where_later_events_were_dropped() -> None:
    nodes = running()
    assert [NOTHING, NOTHING] == [on_truncation(nodes, time) for time in (9.0, 10.0)]
    assert nodes.unknown is None
    assert ALL == on_truncation(nodes, 10.5)
    assert nodes.unknown == "the journal was truncated"
    assert nodes.heard == 10.0


def said(
    hosts: dict[int, str], drains: list[tuple[tuple[tuple[int, int], ...], float, str]]
) -> Status:
    """Return a status: rank 1 offline, rank 0 excluded, rank 2 torpid."""
    return Status(drains, ((0, 0), (2, 2)), ((1, 1),), ((0, 0),), ((2, 2),), hosts)


def test_a_status_says_all_states_whatever_was_known() -> None:
    nodes = running()
    nodes.unknown, nodes.ended = "the journal was truncated", (12.0, "lost")
    nodes.nodes[N0].torpid = True
    nodes.nodes[N1].doubt = "why"
    nodes.nodes[N2].drain = Drain(11.0, "disk", 11.0)
    status = said({0: "x", 1: "y", 2: "z"}, [(((0, 1),), 9.0, "fan")])
    assert Touched(None, {N2: AFTER_STATUS}) == on_status(nodes, 13.0, status)
    fan = Drain(9.0, "fan", 13.0)
    assert {
        N0: Node(N0, 0, True, False, True, fan, None),
        N1: Node(N1, 1, False, False, False, fan, None),
        N2: Node(N2, 2, True, True, False, None, None),
    } == nodes.nodes
    after: tuple[object, ...] = (nodes.unknown, nodes.ended, nodes.heard, nodes.restart)
    assert (None, None, 13.0, 10.0) == after
    assert [N0, N1, N2] == nodes.ranks
    on_status(nodes, 12.0, status)
    assert nodes.heard == 13.0


@pytest.mark.parametrize(
    ("known", "since", "reason", "after"),
    [
        (Drain(10.75, "disk", 11.0), 11.0, "disk", None),
        (Drain(10.5, "disk", 11.0), 11.0, "disk", None),
        (Drain(11.25, None, 12.0), 11.0, "", None),
        (Drain(11.25, "", 12.0), 11.0, "", None),
        (Drain(11.5, "disk", 12.0), 11.0, "disk", Drain(11.0, "disk", 13.0)),
        (Drain(11.25, "disk", 12.0), 11.0, "fan", Drain(11.0, "fan", 13.0)),
        (Drain(11.25, "disk", 12.0), 11.0, "", Drain(11.0, None, 13.0)),
    ],
)
def test_a_drain_that_a_status_confirms_stays_as_it_is(
    known: Drain, since: float, reason: str, after: Drain | None
) -> None:
    """A status has whole seconds: half a second counts up."""
    nodes = running()
    nodes.nodes[N1].drain = known
    touched = on_status(nodes, 13.0, said({}, [(((1, 1),), since, reason)]))
    assert Touched(None, {N1: AFTER_STATUS} if after else {}) == touched
    assert (after or known) == nodes.nodes[N1].drain


def test_a_time_in_whole_seconds_is_the_nearest_half_a_second_counts_up() -> None:
    times = [0.0, 0.25, 0.5, 1.49, 1.5, 2.5]
    assert [0.0, 0.0, 1.0, 1.0, 2.0, 3.0] == [rounded(time) for time in times]


def test_a_status_has_the_map_of_ranks_where_no_restart_is_stored() -> None:
    nodes = Nodes()
    happens(nodes, 5.0, "drain", {"idset": "1", "nodelist": "b", "reason": "disk"})
    b1, a, b = Key("b", 1), Key("a", 0), Key("b", 0)
    status = said({0: "b", 1: "a", 2: "b"}, [(((0, 0),), 5.0, "disk")])
    assert ALL == on_status(nodes, 13.0, status)
    assert ([b, a, b1], 13.0, 13.0) == (nodes.ranks, nodes.restart, nodes.heard)
    assert {
        b: Node(b, 0, True, False, True, Drain(5.0, "disk", 5.0)),
        a: Node(a, 1, False, False, False),
        b1: Node(b1, 2, True, True, False),
    } == nodes.nodes


@pytest.mark.parametrize("hosts", [{0: "n0", 2: "n2"}, {1: "n1"}])
def test_a_map_that_lacks_a_rank_is_none(hosts: dict[int, str]) -> None:
    nodes = Nodes()
    assert ALL == on_status(nodes, 13.0, said(hosts, []))
    assert ([], None, {}) == (nodes.ranks, nodes.restart, nodes.nodes)


def test_a_restart_without_nodes_leaves_the_map_to_the_status() -> None:
    """Until then, the nodes of the load before are not in the instance."""
    nodes = running()
    happens(nodes, 20.0, "restart", {"ranks": "", "online": "", "nodelist": ""})
    assert [None, None, None] == [node.rank for node in nodes.nodes.values()]
    on_status(nodes, 21.0, said({0: "n1", 1: "n9"}, []))
    assert [N1, Key("n9")] == nodes.ranks
    assert {"n0": None, "n1": 0, "n2": None, "n9": 1} == {
        node.key.host: node.rank for node in nodes.nodes.values()
    }
    on_status(nodes, 22.0, said({0: "n2"}, []))  # once there is a map, it holds
    assert [N1, Key("n9")] == nodes.ranks


def test_a_status_without_any_host_begins_a_load_without_nodes() -> None:
    """Its map may be in a later one."""
    nodes = Nodes()
    on_status(nodes, 13.0, said({}, []))
    assert ([], 13.0, 13.0) == (nodes.ranks, nodes.restart, nodes.heard)
    on_status(nodes, 14.0, said({0: "n0"}, []))
    assert ([N0], 14.0) == (nodes.ranks, nodes.restart)
