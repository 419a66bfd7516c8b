# SPDX-License-Identifier: LGPL-3.0
"""Nodes and time: jobs as bars, and behind them drained, offline, torpid and the rest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from projections.formats import hostlist
from projections.node_queries import present
from projections.node_queries.history import intervals, natural
from projections.node_queries.present import NodeState, nodes
from projections.notation.jobid import encode
from web.asking import Asking

ROWS = 40
"""Nodes of a page."""
MOST_JOBS, MOST_STATES = 2000, 3000
"""Bars of a picture."""
MOST_NAMED = 100_000
"""Nodes that an address may name."""
_DAY = 86400.0
_DIGITS = 9
_DRAWN = ("name", "nodelist", "t_run", "t_cleanup", "t_inactive")


def page(asking: Asking, given: Mapping[str, str]) -> dict[str, Any]:
    """Return what the page shows: which nodes, which range of time, their states."""
    every = nodes(asking.db, asking.at)
    hosts, first, more = _rows(list(dict.fromkeys(node.host for node in every)), given)
    since, until = _range(asking, given)
    wanted = set(hosts)
    return {
        "nodes": [node for node in every if node.host in wanted],
        "visible": visible_jobs(asking, every),
        "hosts": given.get("hosts", ""),
        "offset": first,
        "more": more,
        "rows": ROWS,
        "since": since,
        "until": until,
        "states": intervals(asking.db, hosts, since, until)[:MOST_STATES],
    }


def node(asking: Asking, given: Mapping[str, str]) -> dict[str, Any]:
    """Return one node's page: what it is, what became of it, and its latest jobs."""
    host = given["host"]
    found = [one for one in nodes(asking.db, asking.at) if one.host == host]
    states = intervals(asking.db, [host], until=asking.now)
    jobs = asking.jobs({"hostlist": [_literal(host)]}, most=100)
    if not found and not states and not jobs:
        raise LookupError(f"{host}: there is no such node here")
    since, until = _range(asking, given)
    return {
        "host": host,
        "node": found[0] if found else None,
        "visible": visible_jobs(asking, found),
        "states": states[::-1][:MOST_STATES],
        "jobs": jobs,
        "since": since,
        "until": until,
    }


def timeline(asking: Asking, given: Mapping[str, str]) -> dict[str, Any]:
    """Return the picture: rows are hosts, bars are [row, from, to, kind, text, job id]."""
    hosts, _, _ = _rows(() if given.get("host") else present.hosts(asking.db, asking.at), given)
    since, until = _range(asking, given)
    place = {host: row for row, host in enumerate(hosts)}
    bars: list[list[Any]] = [
        [place[one.host], max(one.begun, since), min(one.to or until, until), one.kind,
         one.reason or "", ""]
        for one in intervals(asking.db, hosts, since, until)[:MOST_STATES]
    ]  # fmt: skip
    jobs = _jobs(asking, hosts, since, until)
    for job in jobs[:MOST_JOBS]:
        if len(bars) >= MOST_JOBS + MOST_STATES:
            break
        ended = job.get("t_cleanup") or job.get("t_inactive") or until
        span = max(job["t_run"], since), min(ended, until)
        what = "job", job.get("name", ""), encode(job["id"])
        for host in _among(place, hostlist.decode_own(job.get("nodelist", "")) or ()):
            if len(bars) < MOST_JOBS + MOST_STATES:
                bars.append([place[host], *span, *what])
    return {"hosts": hosts, "since": since, "until": until, "bars": bars,
            "cut": len(jobs) > MOST_JOBS or len(bars) >= MOST_JOBS + MOST_STATES}  # fmt: skip


def _among(wanted: Mapping[str, int], nodelist: hostlist.Hostlist) -> Iterator[str]:
    """Yield those of some hosts that are in a nodelist, which may be very long."""
    if hostlist.count(nodelist) > 4 * len(wanted):
        return (host for host in wanted if hostlist.find(nodelist, host) >= 0)
    return (host for host in hostlist.hosts(nodelist) if host in wanted)


def visible_jobs(asking: Asking, found: list[NodeState]) -> dict[int, str]:
    """Return the jobs of nodes that the viewer may see, by id, as f58."""
    ids = {jobid for one in found for jobid in one.jobs}
    if asking.sees_all:
        return {jobid: encode(jobid) for jobid in ids}
    own = {job["id"] for job in asking.jobs({"states": ["running"]}, most=MOST_JOBS)}
    return {jobid: encode(jobid) for jobid in ids & own}


def _jobs(asking: Asking, hosts: list[str], since: float, until: float) -> list[dict[str, Any]]:
    if not hosts:
        return []
    wanted = {"and": [{"hostlist": [_literal(host) for host in hosts]},
                      {"t_run": [f"<={until!r}"]}, {"t_run": [">0"]}]}  # fmt: skip
    return asking.jobs(wanted, most=MOST_JOBS + 1, since=since, attrs=_DRAWN)


def _literal(host: str) -> str:
    """Refuse a host that is more than one, or none."""
    if len(list(islice(hostlist.hosts(hostlist.decode(host)), 2))) != 1:
        raise ValueError(f"{host!a:.100} is not one host")
    return host


def _rows(known: Sequence[str], given: Mapping[str, str]) -> tuple[list[str], int, bool]:
    """Return the hosts of the page, the number of the first one, and whether more follow."""
    if given.get("host"):
        return [given["host"]], 0, False
    if given.get("hosts"):
        listed = hostlist.hosts(hostlist.decode(given["hosts"]))
        named = set(islice(listed, MOST_NAMED))
        if next(listed, None) is not None:
            raise ValueError(f"hosts: more than {MOST_NAMED} nodes are named")
        known = [host for host in known if host in named] or sorted(named, key=natural)
    first = _number(given.get("first") or "0")
    return list(known[first : first + ROWS]), first, len(known) > first + ROWS


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > _DIGITS:
        raise ValueError(f"first={text!a:.100}: expected a number of nodes")
    return int(text)


def _range(asking: Asking, given: Mapping[str, str]) -> tuple[float, float]:
    """Return since and until: the day before the moment, or before the last event."""
    until = asking.time(given, "until")
    if until is None:
        until = asking.at if asking.at is not None else asking.reach()[1] or asking.now
    since = asking.time(given, "since")
    since = until - _DAY if since is None else since
    if since >= until:
        raise ValueError("the range of time ends before it begins")
    return since, until
