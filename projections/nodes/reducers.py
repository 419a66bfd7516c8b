# SPDX-License-Identifier: LGPL-3.0
"""The reducers: how each event of the resource journal changes the nodes (RFC 44).

State is changed in place. A `Touched` says which nodes may look different now, and how their
drains ended. Events of unknown names, and such that are not of RFC 44's form, change nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from msgspec import Struct

from projections.nodes import drains, loads
from projections.nodes.inputs import (
    Status,
    ids,
    read_change,
    read_ranks,
    read_restart,
)
from projections.nodes.state import Drain, Key, Node, Nodes


class Event(NamedTuple):
    """An event, stored with ``seq``; ``context`` is JSON text, None where there is none."""

    time: float
    seq: int
    name: str
    context: bytes | None


class Touched(Struct):
    """What an input touched.

    ``keys`` None: all nodes. ``ends`` says how drains ended, by node. ``began`` is set where
    this began a load.
    """

    keys: list[Key] | None = []
    ends: dict[Key, str] = {}
    began: loads.Outcome | None = None


Knows = Callable[[float], loads.Shown]
"""Returns what is known of the load that begins with a restart of this timestamp."""


def on_event(nodes: Nodes, event: Event, knows: Knows, history: loads.History) -> Touched:
    """Apply an event."""
    if event.name == "restart":
        restart = read_restart(event.context)
        if restart is None:
            return Touched()
        shown = knows(event.time)
        began = loads.begin(nodes, event.time, restart, shown, history)
        return Touched(None, began.ends, began)
    if event.name in {"drain", "undrain"}:
        return _on_change(nodes, event)
    touched = Touched()
    reducer = _REDUCERS.get(event.name)
    if reducer is not None:
        found = read_ranks(event.context)
        if found is not None:
            touched.keys = _each(nodes, found.ranks, reducer)
    return _heard(nodes, event.time, touched)


def _heard(nodes: Nodes, time: float, touched: Touched) -> Touched:
    """Note that the present load is there at a time."""
    if nodes.restart is not None:
        nodes.heard = max(nodes.heard, time)
        if nodes.ended is not None and nodes.ended[0] < time:
            # The stream was lost, and the load went on.
            nodes.ended = None
            if nodes.unknown == loads.DOWN:
                nodes.unknown, touched.keys = None, None
    return touched


def _on_change(nodes: Nodes, event: Event) -> Touched:
    change = read_change(event.name, event.time, event.seq, event.context)
    if change is None:
        return Touched()
    ended = drains.apply(nodes, change)
    return Touched(list(ended), {key: how for key, how in ended.items() if how is not None})


def _each(
    nodes: Nodes, ranks: tuple[tuple[int, int], ...], reducer: Callable[[Node], None]
) -> list[Key]:
    found: list[Key] = []
    last = len(nodes.ranks) - 1
    for rank in ids(tuple((lo, min(hi, last)) for lo, hi in ranks if lo <= last)):
        key = nodes.ranks[rank]
        reducer(nodes.nodes[key])
        found.append(key)
    return found


def _online(node: Node) -> None:
    node.online = True


def _offline(node: Node) -> None:
    node.online = False


def _torpid(node: Node) -> None:
    node.torpid = True


def _lively(node: Node) -> None:
    node.torpid = False


_REDUCERS: dict[str, Callable[[Node], None]] = {
    "online": _online,
    "offline": _offline,
    "torpid": _torpid,
    "lively": _lively,
}


def on_end(nodes: Nodes, time: float, how: str) -> Touched:
    """Apply the end of a live stream. One that was lost may come back: the states hold."""
    if nodes.restart is None or time < nodes.heard:
        return Touched()
    nodes.ended = time, how
    if how != loads.CLEAN:
        return Touched()
    nodes.unknown = loads.DOWN
    return Touched(None)


def on_truncation(nodes: Nodes, time: float) -> Touched:
    """Apply that all events up to ``time`` were dropped before they were read."""
    if time <= nodes.heard:
        return Touched()
    nodes.unknown = "the journal was truncated"
    return Touched(None)


def on_status(nodes: Nodes, time: float, status: Status) -> Touched:
    """Apply what resource.status said: all states of all nodes, as they were just then."""
    if not nodes.ranks:
        _map_by(nodes, time, status)
    nodes.unknown = nodes.ended = None
    nodes.heard = max(nodes.heard, time)
    groups = {
        rank: (since, reason) for ranks, since, reason in status.drains for rank in ids(ranks)
    }
    online, torpid, exclude = (
        set(ids(ranges)) for ranges in (status.online, status.torpid, status.exclude)
    )
    ends: dict[Key, str] = {}
    for rank, key in enumerate(nodes.ranks):
        node = nodes.nodes[key]
        node.online, node.torpid = rank in online, rank in torpid
        node.excluded = rank in exclude
        before = node.drain
        node.drain, node.doubt = _repaired(node, groups.get(rank), time), None
        if before is not None and before != node.drain:
            ends[key] = "not drained any more, as resource.status says"
    return Touched(None, ends)


def _map_by(nodes: Nodes, time: float, status: Status) -> None:
    """Take the map of ranks from R, where the restart that had it is not stored.

    There was no map before: no node has a rank.
    """
    size = 1 + max(status.hosts, default=-1)
    if set(status.hosts) != set(range(size)):
        return
    names = loads.keys([status.hosts[rank] for rank in range(size)])
    for rank, key in enumerate(names):
        nodes.nodes.setdefault(key, Node(key)).rank = rank
    nodes.ranks, nodes.restart = names, time


def rounded(time: float) -> float:
    """Return a time in whole seconds, as flux-core shows it: half a second counts up."""
    return float(math.floor(time + 0.5))


def _repaired(node: Node, said: tuple[float, str] | None, time: float) -> Drain | None:
    """Return a node's drain: what is known of it where that is what was said."""
    if said is None:
        return None
    since, reason = said
    known = node.drain
    if known is not None and (rounded(known.time), known.reason or "") == said:
        return known
    return Drain(since, reason or None, time)
