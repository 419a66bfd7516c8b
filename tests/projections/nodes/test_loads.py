# SPDX-License-Identifier: LGPL-3.0
"""A restart: how the load before it ended, who is there now, and which drains persist."""

from __future__ import annotations

import pytest

from projections.formats import idset
from projections.nodes import drains, loads
from projections.nodes.inputs import Change, Restart
from projections.nodes.loads import CLEAN, DOWN, LOST, UNKNOWN, UNRECORDED, End, Outcome, Shown
from projections.nodes.state import Drain, Key, Lapse, Node, Nodes
from projections.nodes.timeline import Fact

N0, N1, N2 = Key("n0", 0), Key("n1", 0), Key("n2", 0)
HOSTS = ("n0", "n1", "n2")


def change(
    time: float, host: str = "n1", *, name: str = "drain", seq: int = 1,
    reason: str | None = None, overwrite: int | None = 0,
) -> Change:  # fmt: skip
    return Change(time, seq, name, [(HOSTS.index(host), host)], reason, overwrite)


def restart(
    nodes: Nodes, time: float, online: str = "", shown: Shown | None = None,
    *changes: Change, hosts: tuple[str, ...] = HOSTS,
) -> Outcome:  # fmt: skip
    """Begin a load; ``changes`` are all that are stored, of whatever time."""
    return loads.begin(
        nodes, time, Restart(hosts, idset.decode(online)), shown or Shown(),
        lambda first, last: [c for c in changes if first <= c.time < last],
    )  # fmt: skip


def running(online: str = "0-2", hosts: tuple[str, ...] = HOSTS) -> Nodes:
    """Return an instance that began at 10.0, and was last heard of at 11.0."""
    nodes = Nodes()
    restart(nodes, 10.0, online, hosts=hosts)
    nodes.heard = 11.0
    return nodes


def test_brokers_of_one_host_are_counted_in_the_order_of_their_ranks() -> None:
    expected = [("a", 0), ("b", 0), ("a", 1), ("a", 2), ("b", 1)]
    assert expected == loads.keys(["a", "b", "a", "a", "b"])


def test_the_first_load_has_the_hosts_and_who_is_online_from_its_restart() -> None:
    nodes = Nodes()
    outcome = restart(nodes, 10.0, "0,2", hosts=("n0", "n1", "n0"))
    assert Outcome(None, End(10.0, UNKNOWN, None), {}, {}) == outcome
    keys = [Key("n0", 0), Key("n1", 0), Key("n0", 1)]
    assert keys == nodes.ranks
    assert {
        key: Node(key, rank, rank != 1, False, None, None, None)
        for rank, key in enumerate(keys)
    } == nodes.nodes
    assert (10.0, 10.0, None, None) == (
        nodes.restart, nodes.heard, nodes.unknown, nodes.ended
    )  # fmt: skip


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("0-2", "0", End(20.0, CLEAN, None)),
        ("0", "0", End(20.0, CLEAN, None)),
        ("0", "", End(11.0, CLEAN, DOWN)),
        ("", "", End(11.0, CLEAN, DOWN)),
        ("0-1", "", End(20.0, LOST, None)),
        ("2", "", End(20.0, LOST, None)),
    ],
)
def test_a_load_ended_as_who_was_online_before_and_after_shows(
    before: str, after: str, expected: End
) -> None:
    """All but rank 0 go offline at a shutdown; nodes stay online if the module is reloaded."""
    outcome = restart(running(before), 20.0, after)
    assert (10.0, expected) == (outcome.before, outcome.end)


@pytest.mark.parametrize("hosts", [("n0",), ()])
def test_an_instance_of_one_node_shows_no_shutdown(hosts: tuple[str, ...]) -> None:
    assert End(20.0, LOST, None) == restart(running("", hosts), 20.0).end


@pytest.mark.parametrize(
    ("changes", "last"),
    [
        ([change(12.0), change(15.0)], 15.0),
        ([change(15.0), change(12.0)], 15.0),
        ([change(11.0)], 11.0),
        ([change(15.0, overwrite=None)], 11.0),
        ([change(12.0), change(15.0, overwrite=None)], 12.0),
        ([change(15.0, seq=2**62 - 1)], 15.0),
    ],
)
def test_a_shutdown_was_after_the_last_drain_that_somebody_asked_for(
    changes: list[Change], last: float
) -> None:
    """One without ``overwrite`` is the module's own: it may post it when it is loaded again."""
    assert End(last, CLEAN, DOWN) == restart(running("0"), 20.0, "", None, *changes).end


@pytest.mark.parametrize(
    ("ended", "changes", "expected"),
    [
        ((18.0, LOST), [], End(18.0, LOST, DOWN)),
        ((18.0, CLEAN), [], End(18.0, CLEAN, DOWN)),
        ((11.0, LOST), [], End(11.0, LOST, DOWN)),
        ((25.0, CLEAN), [], End(20.0, CLEAN, DOWN)),
        ((15.0, LOST), [change(15.0)], End(15.0, LOST, DOWN)),
        ((15.0, LOST), [change(15.5)], End(20.0, CLEAN, None)),
        ((15.0, LOST), [change(15.5, seq=7)], End(11.0, UNKNOWN, UNRECORDED)),
        ((15.0, LOST), [change(12.0, seq=7)], End(11.0, UNKNOWN, UNRECORDED)),
    ],
)
def test_the_end_of_a_stream_is_that_of_the_load_unless_something_came_later(
    ended: tuple[float, str], changes: list[Change], expected: End
) -> None:
    nodes = running()
    nodes.ended = ended
    assert expected == restart(nodes, 20.0, "0-2", Shown(first=7), *changes).end
    assert nodes.ended is None


@pytest.mark.parametrize(
    ("online", "changes", "expected"),
    [
        ("0-2", [change(15.0, seq=7)], End(11.0, UNKNOWN, UNRECORDED)),
        ("0", [change(15.0, seq=7)], End(11.0, CLEAN, UNRECORDED)),
        ("0-2", [change(12.0), change(15.0, seq=9)], End(12.0, UNKNOWN, UNRECORDED)),
        ("0-2", [change(15.0, seq=6)], End(20.0, CLEAN, None)),
        ("0-2", [change(15.0, seq=7, overwrite=None)], End(20.0, CLEAN, None)),
        ("0-2", [change(11.0, seq=7)], End(20.0, CLEAN, None)),
    ],
)
def test_what_only_a_later_backlog_has_was_not_recorded(
    online: str, changes: list[Change], expected: End
) -> None:
    """Drains after the last that was heard, and stored with or after ``first``."""
    found = restart(running(online), 20.0, "0", Shown(first=7), *changes)
    assert expected == found.end


def test_what_was_known_when_the_instance_went_down_is_left_without_states() -> None:
    nodes = running("0")
    nodes.nodes[N1].drain = Drain(11.0, "disk", 11.0)
    outcome = restart(nodes, 20.0, hosts=("n0", "n1"))
    down, drained = Fact("the instance was down", None), Fact("disk", 11.0)
    assert {
        N0: {"unknown": down}, N1: {"unknown": down, "drained": drained}, N2: {"unknown": down}
    } == outcome.left  # fmt: skip
    assert nodes.unknown is None


def test_nothing_is_left_of_a_load_that_ended_at_the_restart() -> None:
    assert {} == restart(running(), 20.0, "0-2").left


def test_a_new_load_has_its_own_ranks_and_knows_nothing_of_the_states_before() -> None:
    nodes = running()
    for node in nodes.nodes.values():
        node.torpid = node.excluded = True
    restart(nodes, 20.0, "0", hosts=("n2", "n0", "n9"))
    n9 = Key("n9", 0)
    assert [N2, N0, n9] == nodes.ranks
    assert {
        N2: Node(N2, 0, True), N0: Node(N0, 1), N1: Node(N1), n9: Node(n9, 2)
    } == nodes.nodes  # fmt: skip


def test_who_is_excluded_is_known_where_it_was_shown() -> None:
    nodes = running()
    restart(nodes, 20.0, "0-2", Shown(exclude=idset.decode("1")))
    assert [False, True, False] == [node.excluded for node in nodes.present()]
    restart(nodes, 30.0, "0-2", Shown(exclude=()))
    assert [False, False, False] == [node.excluded for node in nodes.present()]
    restart(nodes, 40.0, "0-2")
    assert [None, None, None] == [node.excluded for node in nodes.present()]


def test_drains_persist_by_host_and_one_whose_host_left_ends() -> None:
    nodes = running()
    nodes.nodes[N1].drain = Drain(11.0, "", 11.0)
    nodes.nodes[N2].drain = Drain(12.0, "disk", 12.0)
    outcome = restart(nodes, 20.0, "0-1", hosts=("n2", "n0"))
    assert {N1: "host left"} == outcome.ends
    kept = Drain(12.0, "disk", 12.0)
    assert {N0: None, N1: None, N2: kept} == {
        key: node.drain for key, node in nodes.nodes.items()
    }
    # What the module wrote when it was unloaded: an empty reason is read as none.
    assert ({N1: Drain(11.0, None, 11.0), N2: kept}, 20.0, []) == (
        nodes.saved, nodes.saved_at, nodes.lapses
    )  # fmt: skip


def test_after_a_crash_the_drains_are_those_saved_and_what_came_since() -> None:
    nodes = running()
    nodes.nodes[N1].drain = Drain(10.0, "", 10.0)
    restart(nodes, 20.0, "0-2")
    stored = [change(19.0, "n0"), change(20.0, "n2", reason="fan"), change(25.0, "n0")]
    for one in stored[1:]:
        drains.apply(nodes, one)
    lost = change(27.0, "n0", name="undrain")
    drains.apply(nodes, lost)
    outcome = restart(nodes, 30.0, "", None, *stored)
    assert End(30.0, LOST, None) == outcome.end
    assert {} == outcome.ends
    assert {
        N0: Drain(25.0, None, 25.0), N1: Drain(10.0, None, 10.0), N2: Drain(20.0, "fan", 20.0)
    } == {key: node.drain for key, node in nodes.nodes.items()}  # fmt: skip
    assert ({N1: Drain(10.0, None, 10.0)}, 20.0) == (nodes.saved, nodes.saved_at)


BACKLOG = Shown(has_backlog=True)


@pytest.mark.parametrize(
    ("shown", "lapse"),
    [
        (Shown(), None),
        (BACKLOG, Lapse(10.0, 20.0, [])),
        (BACKLOG._replace(until=14.0), Lapse(14.0, 20.0, [])),
        (BACKLOG._replace(until=15.0), None),
        (BACKLOG._replace(until=5.0), Lapse(10.0, 20.0, [])),
        (BACKLOG._replace(own=(15.0,)), None),
        (BACKLOG._replace(own=(14.0, 16.0)), Lapse(10.0, 20.0, [14.0, 16.0])),
        (Shown(until=14.0), None),
    ],
)
def test_a_drain_that_the_backlog_lacks_was_taken_back_by_a_crash(
    shown: Shown, lapse: Lapse | None
) -> None:
    """Nodes are online at the restart: else it would be taken for a reload of the module."""
    nodes = running()
    drain = change(15.0, reason="disk")
    drains.apply(nodes, drain)
    outcome = restart(nodes, 20.0, "0-2", shown, drain)
    if lapse is None:
        assert (CLEAN, {}, []) == (outcome.end.how, outcome.ends, nodes.lapses)
        assert Drain(15.0, "disk", 15.0) == nodes.nodes[N1].drain
    else:
        assert (LOST, {N1: "crash"}, [lapse]) == (outcome.end.how, outcome.ends, nodes.lapses)
        assert nodes.nodes[N1].drain is None


def test_a_backlog_that_lacks_nothing_shows_no_crash() -> None:
    nodes = running()
    assert CLEAN == restart(nodes, 20.0, "0-2", BACKLOG).end.how
    assert (20.0, []) == (nodes.saved_at, nodes.lapses)


def test_what_each_of_several_crashes_took_back_stays_so() -> None:
    nodes = running()
    stored = [change(12.0, "n0"), change(23.0), change(27.0, "n2")]
    drains.apply(nodes, stored[0])
    restart(nodes, 20.0, "", BACKLOG, *stored)
    for one in stored[1:]:
        drains.apply(nodes, one)
    nodes.nodes[N1].online = True
    outcome = restart(nodes, 30.0, "", BACKLOG._replace(until=25.0), *stored)
    assert {N2: "crash"} == outcome.ends
    assert {N0: None, N1: Drain(23.0, None, 23.0), N2: None} == {
        key: node.drain for key, node in nodes.nodes.items()
    }
    assert [Lapse(10.0, 20.0, []), Lapse(25.0, 30.0, [])] == nodes.lapses


def test_a_lapse_ends_at_its_bounds() -> None:
    lapse = Lapse(10.0, 20.0, [13.0])
    times = [10.0, 10.5, 13.0, 19.5, 20.0]
    assert [False, True, False, True, False] == [lapse.has(time) for time in times]
    assert [] == Lapse(1.0, 2.0).own


def test_drains_and_lapses_cannot_be_changed() -> None:
    """The same ones are in the states of nodes and in what was saved."""
    for value in (Drain(1.0, None, 1.0), Lapse(1.0, 2.0)):
        for name in value.__struct_fields__:
            with pytest.raises(AttributeError):
                setattr(value, name, 3.0)


def test_drains_older_than_an_unrecorded_start_are_not_known() -> None:
    """It may have been without their hosts, which lost their drains then."""
    nodes = running()
    stored = [change(11.0, "n0"), change(15.0, "n1", seq=7)]
    nodes.nodes[N0].drain = Drain(10.5, None, 11.0)
    nodes.nodes[N1].drain = Drain(15.0, None, 15.0)
    outcome = restart(nodes, 20.0, "0-2", Shown(first=7), *stored)
    assert {N0: "not known"} == outcome.ends
    doubt = "drained before 11.000000; a start of the instance was not recorded since"
    assert [(doubt, None), (None, Drain(15.0, None, 15.0)), (None, None)] == [
        (node.doubt, node.drain) for node in nodes.present()
    ]
    # The doubt lasts for as long as the host is there.
    assert {} == restart(nodes, 30.0, "0-2").ends
    assert doubt == nodes.nodes[N0].doubt
    restart(nodes, 40.0, "0", hosts=("n1",))
    assert nodes.nodes[N0].doubt is None


def test_a_drained_host_that_left_in_an_unrecorded_time_is_not_doubted() -> None:
    nodes = running()
    nodes.nodes[N2].drain = Drain(10.5, None, 10.5)
    shown, late = Shown(first=7), change(15.0, "n1", seq=7)
    outcome = restart(nodes, 20.0, "0-1", shown, late, hosts=("n0", "n1"))
    assert {N2: "host left"} == outcome.ends
    assert (None, None) == (nodes.nodes[N2].doubt, nodes.nodes[N2].drain)
