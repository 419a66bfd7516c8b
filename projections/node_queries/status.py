# SPDX-License-Identifier: LGPL-3.0
"""What Flux's ``resource.status`` answered, as far as the journals determine it.

The members are those of flux-core's resource/status.c. What cannot be known is null: which
nodes are excluded, where no payload of resource.status was stored in that load of the module;
R, where its event was not seen.
"""

from __future__ import annotations

from math import inf
from typing import Any

import apsw
import msgspec

from eventstore.events import resource_notices as kinds
from eventstore.storage.sql import fetch, statements
from projections.formats import idset
from projections.formats.json_text import dumps
from projections.formats.json_update import put
from projections.node_views.moment import nodes_at
from projections.nodes.reducers import rounded
from projections.nodes.state import Node

SQL = statements(__file__)


def status(db: apsw.Connection, time: float = inf) -> bytes | None:
    """Return the payload at ``time``; None where no resource module is known to have run.

    Called inside a snapshot.
    """
    nodes = nodes_at(db, time)
    if nodes.restart is None or nodes.unknown is not None:
        return None
    present = nodes.present()
    excluded = None if any(node.excluded is None for node in present) else _ranks(
        node for node in present if node.excluded
    )  # fmt: skip
    return dumps({
        "R": _resources(db, nodes.restart, time),
        "drain": _drains(present),
        "online": _ranks(node for node in present if node.online),
        "offline": _ranks(node for node in present if not node.online),
        "exclude": excluded,
        "torpid": _ranks(node for node in present if node.torpid),
    })  # fmt: skip


def _ranks(nodes: Any) -> str:  # noqa: ANN401 - an iterable of nodes
    ranks = ((node.rank, node.rank) for node in nodes)
    return idset.encode(idset.union(tuple(ranks)), brackets=False)


def _drains(present: list[Node]) -> dict[str, dict[str, Any]]:
    groups: dict[tuple[float, str], list[Node]] = {}
    for node in present:
        if node.drain is not None:
            key = rounded(node.drain.time), node.drain.reason or ""
            groups.setdefault(key, []).append(node)
    return {
        _ranks(nodes): {"timestamp": since, "reason": reason}
        for (since, reason), nodes in groups.items()
    }


def _resources(db: apsw.Connection, restart: float, time: float) -> Any:  # noqa: ANN401
    """Return the R that was in force, without the scheduler's part of it."""
    for (data,) in fetch(db, SQL["resources_between"], (restart, time)):
        notice = kinds.decode(kinds.RESOURCES, data)
        found = msgspec.json.decode(notice.R)
        if not isinstance(found, dict):
            return found
        found.pop("scheduling", None)
        for (event,) in fetch(db, SQL["events_between"], (notice.define, time)):
            entry = kinds.decode(kinds.EVENT, event)
            if entry.name == "resource-update":
                _update(found, entry.context)
        return found
    return None


def _update(R: dict[str, Any], context: bytes | None) -> None:  # noqa: N803 - Flux's name
    """Apply a resource-update event: RFC 44 allows the expiration."""
    form = msgspec.json.decode(context or b"{}")
    if "expiration" in form:
        put(R, "execution.expiration", form["expiration"])
