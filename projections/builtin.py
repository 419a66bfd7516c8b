# SPDX-License-Identifier: LGPL-3.0
"""The four projections that flux-jobdb answers from."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from eventstore.store import sql_script

from .answer import ATTRIBUTES, answer
from .job import CANCELED, COMPLETED, FAILED, INACTIVE, NEW, RUN, STATES, TIMEOUT, Job
from .jsontext import dumps
from .projection import Add, Projection, Put

_TIMES = ("t_depend", "t_priority", "t_sched", "t_run", "t_cleanup")
_RESULTS = (COMPLETED, FAILED, CANCELED, TIMEOUT)


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
    """The inactive job list: an answer that is ready, and columns to find it by."""

    name = "inactive"
    version = 1
    schema = _schema("inactive")

    def rows(self, job: Job) -> Iterator[Put]:
        """One row, once the job is inactive."""
        if job.state != INACTIVE:
            return
        yield Put(
            "inactive",
            (
                job.key,
                job.id,
                job.userid,
                job.name,
                job.queue,
                job.result,
                job.t_submit,
                *(ATTRIBUTES[name](job) for name in _TIMES),
                job.t_inactive,
                job.t_purged or None,
                job.ranks,
                job.nodelist,
                dumps(answer(job)).decode(),
            ),
        )


class Accounting:
    """The accounting feed: finished jobs that ran."""

    name = "accounting"
    version = 1
    schema = _schema("accounting")

    def rows(self, job: Job) -> Iterator[Put]:
        """One row, once a job that ran is inactive."""
        if job.state != INACTIVE or not job.states_mask & RUN:
            return
        yield Put(
            "accounting",
            (
                job.key,
                job.id,
                job.userid,
                job.t_submit,
                job.t_run,
                job.t_inactive,
                job.ranks,
                job.R,
                job.jobspec,
                job.project,
                job.bank,
                job.duration if job.duration >= 0 else None,
                job.t_inactive - job.t_run,
            ),
        )


class Stats:
    """Job stats: how many jobs are in each state, and how they ended, by queue."""

    name = "stats"
    version = 1
    schema = _schema("stats")

    def rows(self, job: Job) -> Iterator[Add]:
        """One for all jobs and one for the job's queue; zeros for queues it was in before."""
        if job.state != NEW:
            states = tuple(int(job.state == state) for state in STATES.values())
            ended = tuple(int(job.state == INACTIVE and job.result == r) for r in _RESULTS)
            purged = ended if job.t_purged else (0,) * len(_RESULTS)
            counts = states + ended + purged
            yield Add("stats", ("", 1), counts)
            if job.queue is not None:
                yield Add("stats", (job.queue, 0), counts)
        zeros = (0,) * (len(STATES) + 2 * len(_RESULTS))
        for queue in job.queues:
            yield Add("stats", (queue, 0), zeros)


BUILTIN: tuple[Projection, ...] = (Active(), Inactive(), Accounting(), Stats())
