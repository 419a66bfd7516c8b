# SPDX-License-Identifier: LGPL-3.0
"""The four projections that flux-jobdb answers from."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil, floor

import msgspec

from eventstore.store import sql_script

from . import hostlist, idset, spans
from .accounting import Accounting
from .answer import ATTRIBUTES, answer
from .job import CANCELED, COMPLETED, FAILED, INACTIVE, NEW, STATES, TIMEOUT, Job
from .jsontext import dumps
from .projection import Add, Projection, Put

_TIMES = ("t_depend", "t_priority", "t_sched", "t_run", "t_cleanup")
_RESULTS = (COMPLETED, FAILED, CANCELED, TIMEOUT)
_NONE_ENDED = (0,) * len(_RESULTS)


def _schema(name: str) -> str:
    return sql_script("projections", f"sql/{name}.sql")


class Active:
    """The active-jobs view: jobs between ``validate`` and ``clean``."""

    name = "active"
    version = 1
    schema = _schema("active")
    encode = staticmethod(msgspec.msgpack.Encoder().encode)

    def rows(self, job: Job) -> Iterator[Put]:
        """One row, of the whole state: answers are made from it."""
        if job.state not in {NEW, INACTIVE}:
            yield Put("active", (job.key, job.id, job.userid, job.state, self.encode(job)))


class Inactive:
    """The inactive job list: an answer that is ready, and what it is found by."""

    name = "inactive"
    version = 1
    schema = _schema("inactive")

    def rows(self, job: Job) -> Iterator[Put]:
        """One row, and its spans, once the job is inactive."""
        if job.state != INACTIVE:
            return
        values = (job.key, job.id, job.userid, job.name, job.queue, job.result, job.t_submit)
        times = tuple(ATTRIBUTES[name](job) for name in _TIMES)
        ended = (job.t_inactive, job.t_purged or None)
        text = dumps(answer(job)).decode()
        yield Put("inactive", (*values, *times, *ended, job.ranks, job.nodelist, text))
        for kind, level, bucket, lo, hi in set(_spans(job, times)):
            yield Put("span", (kind, level, bucket, job.t_inactive, job.key, lo, hi))


def _spans(job: Job, times: tuple[float | None, ...]) -> Iterator[spans.Span]:
    known = [time for time in times if time is not None]
    if all(job.t_submit <= time <= job.t_inactive for time in (*known, job.t_inactive)):
        yield spans.span(spans.LIFETIME, floor(job.t_submit), ceil(job.t_inactive))
    else:
        yield spans.span(spans.DISORDERED, 0, 0)
    if job.ranks:
        yield from spans.rank_spans(idset.decode(job.ranks))
    if job.nodelist:
        yield from spans.host_spans(hostlist.decode(job.nodelist))


class Stats:
    """Job stats: how many jobs are in each state, and how they ended, by queue."""

    name = "stats"
    version = 1
    schema = _schema("stats")

    def rows(self, job: Job) -> Iterator[Add | Put]:
        """One for all jobs, one for the job's queue, and the queues that it was in before."""
        keys = [("", 1)] if job.queue is None else [("", 1), (job.queue, 0)]
        ended = tuple(int(job.state == INACTIVE and job.result == r) for r in _RESULTS)
        purged = ended if job.t_purged else _NONE_ENDED
        if job.state != NEW:
            states = tuple(int(job.state == state) for state in STATES.values())
            for key in keys:
                yield Add("stats", key, states + ended + purged)
        for queue in job.queues:
            if queue != job.queue or job.state == NEW:
                yield Put("left_queue", (job.key, queue))
        if job.state != INACTIVE:
            return
        for key in keys:
            yield Add("ended", (hour(job.t_inactive), *key), ended)
            if job.t_purged:
                yield Add("purged_by_hour", (hour(job.t_purged), *key), purged)


def hour(time: float) -> int:
    """Return the hour since the epoch that ``time`` is in; 2^40 stands for all later ones."""
    return int(min(max(time // 3600, -(2**40)), 2**40))


BUILTIN: tuple[Projection, ...] = (Active(), Inactive(), Accounting(), Stats())
