# SPDX-License-Identifier: LGPL-3.0
"""The nodes of the instance, now or at a past moment, each with the jobs that had it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import apsw

from eventstore.storage.sql import fetch, statements
from projections.node_queries import allocations
from projections.node_queries.allocations import Allocation
from projections.node_views.moment import nodes_at
from projections.nodes.state import Node

SQL = statements(__file__)


class Drained(NamedTuple):
    """Since when (seconds since the epoch) a node is drained, and why; None: no reason."""

    since: float
    reason: str | None


class NodeState(NamedTuple):
    """A node. None: not known, and ``unknown`` says why; of ``drained`` also: it is not."""

    host: str
    rank: int
    up: bool | None
    torpid: bool | None
    excluded: bool | None
    drained: Drained | None
    jobs: list[int]
    unknown: str | None = None


def nodes(db: apsw.Connection, time: float | None = None) -> list[NodeState]:
    """Return the nodes of the instance in the order of ranks, now or at ``time``.

    Called inside a snapshot. Empty where no resource journal is stored of that time.
    """
    if time is None:
        rows = [(row[0], *row[2:]) for row in fetch(db, SQL["present"])]
        found, allocated = list(map(_state, rows)), allocations.now(db)
    else:
        then = nodes_at(db, time)
        found = [_state_of(node, then.unknown) for node in then.present()]
        allocated = allocations.at(db, time)
    _add_jobs(found, allocated if found else ())
    return found


def hosts(db: apsw.Connection, time: float | None = None) -> list[str]:
    """Return the hosts of the instance in the order of ranks, now or at ``time``."""
    if time is None:
        found = [row[0] for row in fetch(db, SQL["present"])]
    else:
        found = [node.key.host for node in nodes_at(db, time).present()]
    return list(dict.fromkeys(found))


_BOOL = {None: None, 0: False, 1: True}


def _state(row: tuple[Any, ...]) -> NodeState:
    host, rank, up, torpid, excluded, since, reason, unknown = row
    drained = None if since is None else Drained(since, reason or None)
    flags = _BOOL[up], _BOOL[torpid], _BOOL[excluded]
    return NodeState(host, rank, *flags, drained, [], unknown)


def _state_of(node: Node, unknown: str | None) -> NodeState:
    drain = node.drain
    drained = None if drain is None else Drained(drain.time, drain.reason or None)
    host, rank = node.key.host, node.rank or 0
    if unknown is not None:
        return NodeState(host, rank, None, None, None, drained, [], unknown)
    return NodeState(
        host, rank, node.online, node.torpid, node.excluded, drained, [], node.doubt
    )


def _add_jobs(found: list[NodeState], allocated: Iterable[Allocation]) -> None:
    places = [(one.jobid, *place) for one in allocated for place in one.places()]
    if not places:
        return
    by_host: dict[str, list[NodeState]] = {}
    for node in found:
        by_host.setdefault(node.host, []).append(node)
    for jobid, rank, host in places:
        mine = by_host.get(host, [])
        # Several brokers of a host are told by their ranks.
        for node in [n for n in mine if n.rank == rank] or mine[:1]:
            node.jobs.append(jobid)
