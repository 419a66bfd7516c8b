# SPDX-License-Identifier: LGPL-3.0
"""The instance at a moment: counts, the queue, what runs, and the nodes as a map."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from projections.formats import hostlist
from projections.job.state import STATES
from projections.node_queries.present import NodeState, nodes
from projections.notation.timespec import format_moment
from web.asking import Asking

MOST = 200
"""Jobs of each list."""
_BEGIN = "begin-time"
_STATES = {state.mask: state.name for state in STATES}
NODE_STATES = ("unknown", "excluded", "offline", "drained", "torpid", "allocated", "idle")
"""What a node is coloured by: the first of these that it is."""


def page(asking: Asking, _: Mapping[str, str]) -> dict[str, Any]:
    """Return what the page shows."""
    queue = asking.jobs({"states": ["pending"]}, most=MOST + 1)
    running = asking.jobs({"states": ["running"]}, most=MOST + 1)
    hosts = hosts_by_state(asking)
    return {
        "stats": asking.stats(),
        "queue": [(job, why_it_waits(job)) for job in queue[:MOST]],
        "running": running[:MOST],
        "more": {"queue": len(queue) > MOST, "running": len(running) > MOST},
        "nodes": [(name, len(found)) for name, found in hosts.items()],
        "hosts": [(name, _list(found)) for name, found in hosts.items()],
    }


def why_it_waits(job: Mapping[str, Any]) -> str:
    """Return in words what a pending job waits for."""
    state = _STATES.get(job["state"], "")
    if state == "DEPEND":
        names = ", ".join(map(_readable, job.get("dependencies", ())))
        return f"waits for {names}" if names else "waits for its dependencies"
    if job.get("urgency") == 0:
        return "held: its urgency is 0"
    if state in {"NEW", "PRIORITY"}:
        return "waits for a priority"
    if job.get("priority") == 0:
        return "its priority is 0"
    return "waits for resources"


def _readable(dependency: str) -> str:
    """Return a dependency; the time of `--begin-time` (seconds) as one."""
    kind, _, time = dependency.partition("=")
    try:
        return f"{kind} {format_moment(float(time))[:19]}Z" if kind == _BEGIN else dependency
    except ValueError:
        return dependency


def expected(job: Mapping[str, Any]) -> float | None:
    """Return when the scheduler expects a job to start, if it says that."""
    sched = job.get("annotations", {})
    sched = sched.get("sched") if isinstance(sched, dict) else None
    time = sched.get("t_estimate") if isinstance(sched, dict) else None
    return time if isinstance(time, int | float) and not isinstance(time, bool) else None


def state_of(node: NodeState) -> str:
    """Return the one of NODE_STATES that a node is."""
    if node.up is None:
        return "unknown"
    if node.excluded:
        return "excluded"
    if not node.up:
        return "offline"
    if node.drained is not None:
        return "drained"
    if node.torpid:
        return "torpid"
    return "allocated" if node.jobs else "idle"


def hosts_by_state(asking: Asking) -> dict[str, list[str]]:
    """Return the hosts of each state that some are in."""
    found: dict[str, list[str]] = {}
    for node in nodes(asking.db, asking.at):
        found.setdefault(state_of(node), []).append(node.host)
    return {name: found[name] for name in NODE_STATES if name in found}


def _list(hosts: list[str]) -> str:
    """Return a hostlist (RFC 29) in the order of ranks."""
    return hostlist.encode(hostlist.concat(*map(hostlist.decode, hosts)))


def node_map(asking: Asking, _: Mapping[str, str]) -> dict[str, Any]:
    """Return the nodes for the map: their hosts, and a number in NODE_STATES for each."""
    found = nodes(asking.db, asking.at)
    return {
        "names": NODE_STATES,
        "hosts": [node.host for node in found],
        "states": [NODE_STATES.index(state_of(node)) for node in found],
    }
