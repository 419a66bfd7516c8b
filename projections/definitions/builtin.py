# SPDX-License-Identifier: LGPL-3.0
"""The four projections that flux-jobdb answers from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from math import ceil, floor

from eventstore.storage.sql import script
from projections.constraints import interval_index
from projections.definitions.accounting import Accounting
from projections.definitions.interface import Add, Projection, Put
from projections.formats import hostlist, idset
from projections.formats.caching import remembered
from projections.job.attributes import ATTRIBUTES, packed
from projections.job.state import (
    CANCELED,
    COMPLETED,
    FAILED,
    INACTIVE,
    NEW,
    STATES,
    TIMEOUT,
    Job,
)

_TIMES = ("t_depend", "t_priority", "t_sched", "t_run", "t_cleanup")
_RESULTS = (COMPLETED, FAILED, CANCELED, TIMEOUT)
_NONE_ENDED = (0,) * len(_RESULTS)


def _schema(name: str) -> str:
    return script(__file__, f"{name}.sql")


class Active:
    """The active-jobs view: jobs between ``validate`` and ``clean``.

    Answers are made from their states, which the fold keeps under the same key.
    """

    name = "active"
    version = 2
    schema = _schema("active")

    def rows(self, job: Job) -> Sequence[Put]:
        """One row, by which the job is found."""
        if job.state in {NEW, INACTIVE}:
            return ()
        return (Put("active", (job.key, job.id)),)


class Inactive:
    """The inactive job list: an answer that is ready, and what it is found by."""

    name = "inactive"
    version = 2
    schema = _schema("inactive")

    def rows(self, job: Job) -> Iterator[Put]:
        """One row, and its spans, once the job is inactive."""
        if job.state != INACTIVE:
            return
        values = (job.key, job.id, job.userid, job.name, job.queue, job.result, job.t_submit)
        times = tuple(ATTRIBUTES[name](job) for name in _TIMES)
        ended = (job.t_inactive, job.t_purged or None)
        yield Put(
            "inactive",
            (*values, *times, *ended, job.ranks, job.nodelist, packed(job)),
        )
        for kind, level, bucket, lo, hi in set(_spans(job, times)):
            yield Put("span", (kind, level, bucket, job.t_inactive, job.key, lo, hi))


def _spans(job: Job, times: tuple[float | None, ...]) -> Iterator[interval_index.Span]:
    known = [time for time in times if time is not None]
    if all(job.t_submit <= time <= job.t_inactive for time in (*known, job.t_inactive)):
        yield interval_index.span(
            interval_index.LIFETIME, floor(job.t_submit), ceil(job.t_inactive)
        )
    else:
        yield interval_index.span(interval_index.DISORDERED, 0, 0)
    if job.ranks:
        yield from _rank_spans(job.ranks)
    if job.nodelist:
        yield from _host_spans(job.nodelist)


@remembered(4096)
def _rank_spans(ranks: str) -> tuple[interval_index.Span, ...]:
    return tuple(interval_index.rank_spans(idset.decode(ranks)))


@remembered(4096)
def _host_spans(nodelist: str) -> tuple[interval_index.Span, ...]:
    return interval_index.host_spans(hostlist.decode(nodelist))


class Stats:
    """Job stats: how many jobs are in each state, and how they ended, by queue."""

    name = "stats"
    version = 1
    schema = _schema("stats")

    def rows(self, job: Job) -> Iterator[Add | Put]:
        """One for all jobs, one for the job's queue, and the queues that it was in before."""
        over = job.state == INACTIVE
        if job.state != NEW:
            result = job.result if over else 0
            yield from _counted(job.queue, job.state, result, bool(job.t_purged))
        for queue in job.queues:
            if queue != job.queue or job.state == NEW:
                yield Put("left_queue", (job.key, queue))
        if over:
            yield from _ended("ended", hour(job.t_inactive), job.queue, job.result)
            if job.t_purged:
                yield from _ended("purged_by_hour", hour(job.t_purged), job.queue, job.result)


# The same few rows, over and over. There are as many as there are queues: few.


@lru_cache(256)
def _counted(queue: str | None, state: int, result: int, purged: bool) -> tuple[Add, ...]:
    states = tuple(int(state == one) for one in STATES.values())
    ended = tuple(int(result == one) for one in _RESULTS)
    amounts = states + ended + (ended if purged else _NONE_ENDED)
    return tuple(Add("stats", key, amounts) for key in _sums_of(queue))


@lru_cache(256)
def _ended(table: str, hour: int, queue: str | None, result: int) -> tuple[Add, ...]:
    ended = tuple(int(result == one) for one in _RESULTS)
    return tuple(Add(table, (hour, *key), ended) for key in _sums_of(queue))


def _sums_of(queue: str | None) -> tuple[tuple[str, int], ...]:
    """Return the keys of the sums that a job is counted in: of all jobs, and of its queue."""
    return (("", 1),) if queue is None else (("", 1), (queue, 0))


def hour(time: float) -> int:
    """Return the hour since the epoch that ``time`` is in; 2^40 stands for all later ones."""
    return int(min(max(time // 3600, -(2**40)), 2**40))


BUILTIN: tuple[Projection, ...] = (Active(), Inactive(), Accounting(), Stats())
