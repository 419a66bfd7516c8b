# SPDX-License-Identifier: LGPL-3.0
"""One job: what is known of it, its life as a line, its events, and its nodes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import inf
from typing import Any, NamedTuple

from cli.accounting.explain import explain
from eventstore.events.records import Record
from eventstore.reading import event_log
from projections.engine.fold_batch import refold
from projections.formats import hostlist
from projections.node_queries.around_job import around
from projections.node_queries.history import NodeInterval
from projections.notation.jobid import parse
from projections.queries import job_info
from projections.queries.as_of import job_at
from web.asking import Asking
from web.pages.now import why_it_waits

_LIFE = (
    ("depend", "t_depend"), ("priority", "t_priority"), ("sched", "t_sched"), ("run", "t_run"),
    ("cleanup", "t_cleanup"), ("inactive", "t_inactive"),
)  # fmt: skip
_NEIGHBOURS = 3
MOST_EVENTS = 1000
_WIDTH = 1000.0  # of the line, in units of the picture


class Part(NamedTuple):
    """A part of the line: a state, when it began and ended, and where it is drawn."""

    state: str
    begun: float
    ended: float
    x: float
    width: float


class Several(NamedTuple):
    """What became of so many hosts at the same time; ``host`` is a hostlist (RFC 29)."""

    host: str
    hosts: int
    kind: str
    begun: float
    to: float | None
    reason: str | None
    ended: str | None


def page(asking: Asking, given: Mapping[str, str]) -> dict[str, Any]:
    """Return what the page shows; raises RpcError where there is no such job, or ValueError."""
    jobid = parse(given["jobid"])
    job = asking.job(jobid)
    assert job is not None
    found: dict[str, Any] = {
        "job": job,
        "life": life(job, asking.now),
        "why": why_it_waits(job) if "t_run" not in job and "t_inactive" not in job else None,
        "neighbours": neighbours(asking, job),
        "records": [],
        "may_open": False,
    }
    return found | _inside(asking, jobid)


def life(job: Mapping[str, Any], now: float) -> list[Part]:
    """Return the states of a job, one behind the other; the last one lasts until ``now``."""
    times = [(name, job[key]) for name, key in _LIFE if job.get(key)]
    if not times:
        return []
    times = [("submitted", job["t_submit"]), *times] if not job.get("t_depend") else times
    end = times.pop()[1] if times[-1][0] == "inactive" else max(now, times[-1][1])
    start = times[0][1] if times else end
    scale = _WIDTH / (end - start) if end > start else 0.0
    ends = [begun for _, begun in times[1:]] + [end]
    return [
        Part(name, begun, ended, (begun - start) * scale, max((ended - begun) * scale, 1.0))
        for (name, begun), ended in zip(times, ends, strict=True)
    ]


def neighbours(asking: Asking, job: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Return the jobs before and behind it in the queue, just before it left it."""
    left = job.get("t_run") or job.get("t_cleanup") or job.get("t_inactive")
    moment = asking.at if left is None else left - 0.001
    try:
        queue = asking.jobs({"states": ["pending"]}, most=5000, at=moment)
    except ValueError:
        return {}
    place = next((i for i, one in enumerate(queue) if one["id"] == job["id"]), None)
    if place is None:
        return {}
    return {
        "before": queue[max(place - _NEIGHBOURS, 0) : place],
        "behind": queue[place + 1 : place + 1 + _NEIGHBOURS],
    }


def _inside(asking: Asking, jobid: int) -> dict[str, Any]:
    """Return the job's events and what follows from them, if they are for the viewer.

    Of several jobs of this id, those of the one that is shown.
    """
    db = asking.db
    shown = job_at(db, jobid, inf if asking.at is None else asking.at)
    if shown is None or not asking.may_open(shown.userid):
        return {}
    everything = event_log.job_records(db, shown.key)
    records = _until(everything, asking.at)
    job = shown if asking.at is None else refold(db, shown.key, event_log.head(db))
    lookup = job_info.Lookup(everything, job)
    texts = {key: lookup.text(key) for key in ("jobspec", "R")}
    return {
        "may_open": True,
        "records": records[:MOST_EVENTS],
        "cut": len(records) > MOST_EVENTS,
        "nodes": [] if job is None else together(around(db, job))[:MOST_EVENTS],
        "charge": explain(records).verdict if records else None,
        "texts": {key: (text or b"").decode() for key, text in texts.items()},
    }


def together(found: Iterable[NodeInterval]) -> list[Several]:
    """Return the intervals, those of several hosts that are alike but for the host as one."""
    alike: dict[NodeInterval, list[str]] = {}
    for one in found:
        alike.setdefault(one._replace(host=""), []).append(one.host)
    return [
        Several(
            hosts[0] if len(hosts) == 1 else
            hostlist.encode(hostlist.concat(*map(hostlist.decode, hosts))),
            len(hosts), one.kind, one.begun, one.to, one.reason, one.ended,
        )
        for one, hosts in alike.items()
    ]  # fmt: skip


def _until(records: list[Record], at: float | None) -> list[Record]:
    return [one for one in records if at is None or one.entry.timestamp <= at]
