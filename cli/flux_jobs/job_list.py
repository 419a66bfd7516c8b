# SPDX-License-Identifier: LGPL-3.0
"""Asks job-list's questions of a database, for `list`: jobs, and statistics of jobs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import msgspec

from joblist.protocol.errors import RpcError
from joblist.protocol.requests import Credential
from joblist.service import Request, Service
from projections.formats.json_text import dumps
from projections.notation.jobid import with_jobid

__all__ = ["Statistics", "by_id", "matching", "statistics", "with_ids"]


class _Identified(msgspec.Struct, gc=False):
    id: int


_decode_id = msgspec.json.Decoder(_Identified).decode


class Statistics(NamedTuple):
    """Numbers of jobs, as `flux jobs --stats` counts them."""

    running: int
    completed: int
    failed: int
    pending: int
    purged: int
    active: int

    def __str__(self) -> str:
        return (
            f"{self.running} running, {self.completed} completed, {self.failed} failed, "
            f"{self.pending} pending, {self.purged} inactive purged"
        )


def matching(
    service: Service,
    constraint: dict[str, Any],
    attrs: list[str],
    *,
    since: float = 0.0,
    count: int = 0,
) -> tuple[list[bytes], bool]:
    """Return the jobs that match, as JSON objects, and whether `count` left some out.

    `since`: none that was inactive by then (seconds since the epoch). `count`: at most so many;
    0: all. Raises RpcError.
    """
    request = {
        # One more than wanted, to know whether any are left out.
        "max_entries": count + 1 if count else 0,
        "attrs": attrs,
        "since": since,
        "constraint": constraint,
    }
    answer = _ask(service, "job-list.list", request)
    found = msgspec.json.decode(answer, type=dict[str, list[msgspec.Raw]])["jobs"]
    jobs = [bytes(job) for job in found]
    return jobs[: count or None], bool(count) and len(jobs) > count


def by_id(
    service: Service, jobids: Iterable[int], attrs: list[str]
) -> tuple[list[bytes], list[int]]:
    """Return the jobs with these ids, as JSON objects, and the ids that no job has."""
    found, absent = [], []
    for jobid in jobids:
        try:
            answer = _ask(service, "job-list.list-id", {"id": jobid, "attrs": attrs})
        except RpcError:
            absent.append(jobid)
        else:
            job = msgspec.json.decode(answer, type=dict[str, msgspec.Raw])["job"]
            found.append(bytes(job))
    return found, absent


def with_ids(jobs: Iterable[bytes]) -> Iterator[bytes]:
    """Yield each job as a line of JSON that has its id in f58, too."""
    for job in jobs:
        yield with_jobid(job, _decode_id(job).id) + b"\n"


def statistics(service: Service, queues: list[str]) -> Statistics:
    """Count the jobs of these queues, or of all; raises KeyError for a queue without stats."""
    answer = json.loads(_ask(service, "job-list.job-stats", {}))
    by_name = {stats["name"]: stats for stats in answer["queues"]}
    chosen = [by_name[name] for name in queues] if queues else [answer]

    def total(*names: str) -> int:
        return sum(
            stats["job_states"].get(name, 0) + stats.get(name, 0)
            for stats in chosen
            for name in names
        )

    return Statistics(
        running=total("run", "cleanup"),
        completed=total("successful"),
        failed=total("failed", "canceled", "timeout"),
        pending=total("depend", "priority", "sched"),
        purged=total("inactive_purged"),
        active=total("total") - total("inactive"),
    )


def _ask(service: Service, topic: str, request: dict[str, Any]) -> bytes:
    # As the instance's owner: whoever can read the file can read all of it anyway.
    return service.answer(Request(topic, dumps(request), Credential(), streaming=False))[0]
