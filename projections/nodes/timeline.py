# SPDX-License-Identifier: LGPL-3.0
"""From changed nodes to intervals.

Each node has one timeline for each kind, whose intervals do not overlap: a node may be drained
and offline at the same time. And it has one timeline of states, which covers all its time: the
first that holds of absent, unknown, excluded, offline, drained and torpid, else up.
"""

from __future__ import annotations

from typing import NamedTuple

from projections.nodes.state import Key, Node, Nodes

KINDS = ("absent", "unknown", "excluded", "offline", "drained", "torpid")
"""In the order of precedence."""
UP = "up"


class Fact(NamedTuple):
    """What holds of a node: of a drain also since when, and why."""

    reason: str | None = None
    since: float | None = None


Facts = dict[str, Fact]
_PLAIN = Fact()


def facts(nodes: Nodes, node: Node) -> Facts:
    """Return what holds of a node, by kind."""
    found: Facts = {}
    if nodes.unknown is not None and (node.rank is not None or nodes.restart is None):
        found["unknown"] = Fact(nodes.unknown)
    elif node.rank is None:
        found["absent"] = _PLAIN
    else:
        if node.excluded:
            found["excluded"] = _PLAIN
        if not node.online:
            found["offline"] = _PLAIN
        if node.torpid:
            found["torpid"] = _PLAIN
    if node.drain is not None:
        found["drained"] = Fact(node.drain.reason or None, node.drain.time)
    return found


def state_of(found: Facts) -> str:
    """Return the one state that counts."""
    return next((kind for kind in KINDS if kind in found), UP)


class Interval(NamedTuple):
    """A change of a timeline: an interval that begins (``to`` None) or ends."""

    key: Key
    kind: str
    begun: float
    fact: Fact
    to: float | None = None
    ended: str | None = None


class Open(NamedTuple):
    """An interval that has not ended."""

    begun: float
    fact: Fact


class Timelines:
    """The open intervals of all nodes: `advance` says which end, and which begin."""

    def __init__(self, opened: dict[Key, dict[str, Open]] | None = None) -> None:
        self.opened = {} if opened is None else opened

    def leave(self, key: Key, found: Facts, time: float) -> list[Interval]:
        """Have facts hold from a time on that is past; drains, which changed since, stay."""
        mine = self.opened.setdefault(key, {})
        wanted = {**found, "state": Fact(state_of(found))}
        changes: list[Interval] = []
        for kind in [kind for kind in mine if kind != "drained"]:
            begun, fact = mine[kind]
            if fact != wanted.get(kind):
                del mine[kind]
                changes.append(Interval(key, kind, begun, fact, max(begun, time)))
        for kind, fact in wanted.items():
            if kind not in mine and kind != "drained":
                ended = [change.to or time for change in changes if change.kind == kind]
                mine[kind] = Open(max(time, *ended) if ended else time, fact)
                changes.append(Interval(key, kind, mine[kind].begun, fact))
        return changes

    def advance(
        self, key: Key, found: Facts, time: float, ended: str | None = None
    ) -> list[Interval]:
        """Have facts hold of a node from ``time`` on; ``ended``: how its drain ended."""
        mine = self.opened.setdefault(key, {})
        wanted = {**found, "state": Fact(state_of(found))}
        changes: list[Interval] = []
        for kind in [kind for kind in mine if mine[kind].fact != wanted.get(kind)]:
            begun, fact = mine.pop(kind)
            how = ended if kind == "drained" else None
            changes.append(Interval(key, kind, begun, fact, time, how))
        for kind, fact in wanted.items():
            if kind not in mine:
                mine[kind] = Open(time, fact)
                changes.append(Interval(key, kind, time, fact))
        return changes
