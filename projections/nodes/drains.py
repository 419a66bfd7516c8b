# SPDX-License-Identifier: LGPL-3.0
"""Draining and undraining, as flux-core does it (resource/drain.c).

``overwrite`` 0 sets the reason of a node that is drained without one, and changes nothing of
one that has a reason; 1 sets the reason, or takes it away where none is given; 2 sets the time,
too. A node that was not drained gets time and reason in any case. An undrain is always
effective.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from projections.nodes.inputs import Change
from projections.nodes.state import Drain, Key, Node, Nodes

_ALL = 2  # of ``overwrite``: whatever the node had before


def drained(before: Drain | None, change: Change, overwrite: int) -> Drain:
    """Return a drain after another one."""
    if before is None:
        return Drain(change.time, change.reason, change.time)
    if not overwrite and before.reason is not None:
        return before
    time = change.time if overwrite == _ALL else before.time
    return Drain(time, change.reason, change.time)


def target(nodes: Nodes, rank: int, host: str | None) -> Node | None:
    """Return the node that an event means: by its host, whatever rank that has now.

    The rank decides between several brokers of a host. A host that was not heard of is a new
    node, which is not in the instance.
    """
    at_rank = nodes.at_rank(rank)
    if host is None or (at_rank is not None and at_rank.key.host == host):
        return at_rank
    key = Key(host)
    if key not in nodes.nodes:
        nodes.nodes[key] = Node(key)
    return nodes.nodes[key]


def targets(nodes: Nodes, change: Change) -> Iterator[Node]:
    """Yield the nodes that an event means."""
    for rank, host in change.targets:
        node = target(nodes, rank, host)
        if node is not None:
            yield node


def apply(nodes: Nodes, change: Change) -> dict[Key, str | None]:
    """Apply a drain or undrain as it happened.

    Returns the nodes that it means, each with how a drain of it ended, None if it did not.
    """
    ended: dict[Key, str | None] = {}
    for node in targets(nodes, change):
        before, overwrite = node.drain, change.overwrite or 0
        if change.name == "undrain":
            node.drain = node.doubt = None
        elif node.doubt is None or overwrite == _ALL:
            node.drain, node.doubt = drained(before, change, overwrite), None
        # Else it is drained now, but since when and why depends on what is not known.
        ended[node.key] = _end_of(before, node.drain, change)
    return ended


def _end_of(before: Drain | None, after: Drain | None, change: Change) -> str | None:
    if before is None or after == before:
        return None
    if after is not None:
        return "drained again" if after.time != before.time else "other reason"
    if change.overwrite is None:
        return "excluded"
    return f"undrained: {change.reason}" if change.reason else "undrained"


def replayed(nodes: Nodes, changes: Iterable[Change]) -> dict[Key, Drain]:
    """Return the drains that follow from those that were saved, and from events since then.

    So the module finds them when it is loaded after a crash. An event that it posted by itself,
    without ``overwrite``, is replayed as 1.
    """
    found = dict(nodes.saved)
    for change in changes:
        for node in targets(nodes, change):
            before = found.pop(node.key, None)
            if change.name == "drain":
                overwrite = 1 if change.overwrite is None else change.overwrite
                found[node.key] = drained(before, change, overwrite)
    return found


def as_saved(drains: Mapping[Key, Drain]) -> dict[Key, Drain]:
    """Return drains as they are after the module wrote and read them: "" becomes no reason.

    (Times are rounded to seconds on the way, as they are wherever they are shown; here they
    stay as they were.)
    """
    return {
        key: Drain(drain.time, drain.reason or None, drain.set_at)
        for key, drain in drains.items()
    }
