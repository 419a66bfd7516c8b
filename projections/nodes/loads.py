# SPDX-License-Identifier: LGPL-3.0
"""A load of the resource module: who is in the instance, which drains persist (drain.c).

A load begins with a ``restart`` event. How the load before it ended is not in any event:

* A live stream that was followed to its end says so.
* If nodes are online at the restart, the module alone was loaded again.
* If all nodes but rank 0 went offline, the instance was shut down.
* Otherwise, it is taken for killed, at an unknown time: what was known holds until the restart.
  It was certainly killed if the KVS has lost drains of it: `Lapse`.

A module that is unloaded writes the drains. They persist by host name: a host that is not in
the next load loses its drain. After a crash, they are those that were written last, and what
the KVS still has of the events since.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from projections.formats import idset
from projections.nodes import drains
from projections.nodes.inputs import Change, Restart
from projections.nodes.state import Drain, Key, Lapse, Node, Nodes
from projections.nodes.timeline import Facts, facts

CLEAN, LOST, UNKNOWN = "clean", "lost", "unknown"
"""How a load ended."""

DOWN = "the instance was down"
UNRECORDED = "the journal was not recorded"


class Shown(NamedTuple):
    """What else is known of a load than its restart; members are those of a backlog's notice.

    ``exclude`` are the excluded ranks; None: no payload of resource.status says it.
    """

    first: int = 2**62
    until: float | None = None
    own: Sequence[float] = ()
    exclude: idset.Ranges | None = None
    has_backlog: bool = False


class End(NamedTuple):
    """When and how a load ended, and what is not known from then on."""

    time: float
    how: str
    why: str | None


History = Callable[[float, float], Iterable[Change]]
"""Returns the drains and undrains with first <= time < second, in their order."""


class Outcome(NamedTuple):
    """What a restart led to: how the load before ended, and how drains ended, by node.

    ``left`` is what was known of the nodes when the load before had ended. The timestamp of
    its restart is ``before``; None: there was none.
    """

    before: float | None
    end: End
    left: dict[Key, Facts]
    ends: dict[Key, str]


def begin(
    nodes: Nodes, time: float, restart: Restart, shown: Shown, history: History
) -> Outcome:
    """Begin a load."""
    end, missed = _ended(nodes, time, restart, shown, history)
    left: dict[Key, Facts] = {}
    if end.why is not None:
        nodes.unknown = end.why
        left = {key: facts(nodes, nodes.nodes[key]) for key in nodes.ranks}
    before = {key: node.drain for key, node in nodes.nodes.items() if node.drain is not None}
    lapse = _lapse(nodes, time, shown)
    changes = list(history(nodes.saved_at, time)) if lapse or end.how == LOST else []
    crashed = end.how == LOST or (lapse is not None and any(lapse.has(c.time) for c in changes))
    if crashed:
        nodes.lapses = [*nodes.lapses, *([lapse] if lapse else [])]
        kept = [c for c in changes if not any(gone.has(c.time) for gone in nodes.lapses)]
        after = drains.replayed(nodes, kept)
        end = end._replace(how=LOST)
    else:
        after = drains.as_saved(before)
        nodes.saved, nodes.saved_at, nodes.lapses = after, time, []
    ends = {key: "crash" for key, drain in before.items() if after.get(key) != drain}
    ends |= _doubted(nodes, end, missed, after)
    ends |= _enter(nodes, restart, shown, after)
    outcome = Outcome(nodes.restart, end, left, ends)
    nodes.restart = nodes.heard = time
    nodes.unknown = nodes.ended = None
    return outcome


def _enter(
    nodes: Nodes, restart: Restart, shown: Shown, after: dict[Key, Drain]
) -> dict[Key, str]:
    """Have the nodes of the new load, and no others, in the instance."""
    nodes.ranks = keys(restart.hosts)
    ends: dict[Key, str] = {}
    for node in nodes.nodes.values():
        node.rank, node.online, node.torpid, node.excluded = None, False, False, None
    for rank, key in enumerate(nodes.ranks):
        node = nodes.nodes.setdefault(key, Node(key))
        node.rank = rank
        node.online = idset.contains(restart.online, rank)
        if shown.exclude is not None:
            node.excluded = idset.contains(shown.exclude, rank)
    for key, node in nodes.nodes.items():
        if node.rank is None and (node.drain is not None or node.doubt is not None):
            ends[key] = "host left"
            node.doubt = None
        node.drain = after.get(key) if node.rank is not None and node.doubt is None else None
    return ends


def keys(hosts: Sequence[str]) -> list[Key]:
    """Return the nodes of ranks 0, 1, 2 …, given the host of each."""
    seen: dict[str, int] = {}
    found: list[Key] = []
    for host in hosts:
        twin = seen.get(host, 0)
        seen[host] = twin + 1
        found.append(Key(host, twin))
    return found


def _ended(
    nodes: Nodes, time: float, restart: Restart, shown: Shown, history: History
) -> tuple[End, list[Change]]:
    """Return how the load before ended, and what happened unseen since then."""
    if nodes.restart is None:
        return End(time, UNKNOWN, None), []
    since = list(history(nodes.heard, time))
    missed = [
        c for c in since
        if c.seq >= shown.first and c.overwrite is not None and c.time > nodes.heard
    ]  # fmt: skip
    seen = [c.time for c in since if c not in missed and c.overwrite is not None]
    last = max(nodes.heard, *seen) if seen else nodes.heard
    if nodes.ended is not None and nodes.ended[0] >= last and not missed:
        when, how = nodes.ended
        return End(min(when, time), how, DOWN), []
    if missed:
        return End(last, CLEAN if _shut_down(nodes) else UNKNOWN, UNRECORDED), missed
    if restart.online:
        return End(time, CLEAN, None), []
    if _shut_down(nodes):
        return End(last, CLEAN, DOWN), []
    return End(time, LOST, None), []


def _shut_down(nodes: Nodes) -> bool:
    """Whether all nodes but rank 0 went offline, as they do at a shutdown."""
    others = [node for node in nodes.present() if node.rank]
    return bool(others) and not any(node.online for node in others)


def _lapse(nodes: Nodes, time: float, shown: Shown) -> Lapse | None:
    """Return which drains of the load before the KVS cannot have, as the backlog shows."""
    if nodes.restart is None or not shown.has_backlog:
        return None
    until = nodes.restart if shown.until is None else max(shown.until, nodes.restart)
    return Lapse(until, time, list(shown.own))


def _doubted(
    nodes: Nodes, end: End, missed: list[Change], after: dict[Key, Drain]
) -> dict[Key, str]:
    """Doubt the drains that are older than a time of which nothing was recorded.

    A load that was missed had other nodes, perhaps: a host that it did not have lost its drain.
    """
    if not missed:
        return {}
    why = f"drained before {end.time:.6f}; a start of the instance was not recorded since"
    ends: dict[Key, str] = {}
    for key, drain in list(after.items()):
        if drain.set_at <= end.time and key in nodes.nodes:
            nodes.nodes[key].doubt = why
            ends[key] = "not known"
    return ends
