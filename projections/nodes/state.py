# SPDX-License-Identifier: LGPL-3.0
"""The state of a node, and of all nodes of an instance.

A node is known by its host name. Ranks mean something within one load of the resource module
only: `Nodes.ranks` is the map of the present one. Where several brokers run on one host (in
tests), ``twin`` counts them, in the order of their ranks.
"""

from __future__ import annotations

from typing import NamedTuple

from msgspec import Struct


class Key(NamedTuple):
    """A node: a host name, and which one of those with this name."""

    host: str
    twin: int = 0


class Drain(Struct, frozen=True, gc=False):
    """A drained node: since when (seconds since the epoch), and why.

    ``reason`` None: none was given. An empty one is shown as none, but protects like one: see
    `drains.drained`. ``set_at`` is the timestamp of the event that made it so.
    """

    time: float
    reason: str | None
    set_at: float


class Node(Struct, gc=False):
    """A node.

    ``rank`` None: it is not in the instance. ``excluded`` None: not known. ``doubt`` says why
    it is not known whether the node is drained; None: it is known.
    """

    key: Key
    rank: int | None = None
    online: bool = False
    torpid: bool = False
    excluded: bool | None = None
    drain: Drain | None = None
    doubt: str | None = None


class Lapse(Struct, frozen=True):
    """Drains and undrains that a crash took back: the KVS never had them on its disk.

    They have ``after`` < time < ``before``, but for those of the times ``own``.
    """

    after: float
    before: float
    own: list[float] = []

    def has(self, time: float) -> bool:
        """Whether an event of this time was taken back."""
        return self.after < time < self.before and time not in self.own


class Nodes(Struct):
    """All nodes that were ever heard of.

    ``restart`` is the timestamp with which the present load of the resource module began, None
    before the first one; ``ranks`` its map. ``heard`` is the time of its last event, drains and
    undrains apart. ``unknown`` says why the states are not known at present, None if they are.
    ``ended`` is (time, how) of a live stream of this load that ended.

    ``saved`` are the drains as the module wrote them when it was last unloaded, at
    ``saved_at``; after a crash, the drains are made of these and of what was drained and
    undrained since, but for the ``lapses``.
    """

    nodes: dict[Key, Node] = {}
    ranks: list[Key] = []
    restart: float | None = None
    heard: float = float("-inf")
    unknown: str | None = "not recorded"
    ended: tuple[float, str] | None = None
    saved: dict[Key, Drain] = {}
    saved_at: float = float("-inf")
    lapses: list[Lapse] = []

    def at_rank(self, rank: int) -> Node | None:
        """Return the node of a rank of the present load; None where it is not known."""
        return self.nodes[self.ranks[rank]] if 0 <= rank < len(self.ranks) else None

    def present(self) -> list[Node]:
        """Return the nodes of the instance, in the order of their ranks."""
        return [self.nodes[key] for key in self.ranks]
