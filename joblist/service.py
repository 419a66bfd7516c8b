# SPDX-License-Identifier: LGPL-3.0
"""The service: each topic's answer, for one moment and one asker.

Answers are what flux-core's job-list module (list.c, stats.c, job-list.c) gives for the same
events. Access is a constraint that is added before the question is put.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from errno import EAGAIN, EINVAL, ENOENT, ENOSYS, EPERM, EPROTO
from math import inf
from typing import NamedTuple

import apsw
import msgspec

from eventstore.errors import translated
from eventstore.storage.connection import Store
from joblist.config import Config
from joblist.protocol.errors import RpcError
from joblist.protocol.requests import (
    Credential,
    ListIdRequest,
    read_constraint,
    read_list,
    read_list_id,
)
from projections.constraints.evaluate import TooManyComparisonsError
from projections.constraints.tree import And, Constraint, Userid
from projections.formats.json_text import dumps
from projections.job.attributes import ATTRIBUTES, packed
from projections.job.state import INACTIVE, PENDING, RUNNING, USERID_UNKNOWN, Job
from projections.queries import as_of, job_stats, one_job
from projections.queries.candidates import Scope
from projections.queries.list_jobs import Pack, active_jobs, listing
from projections.queries.render import Renderer, UnknownAttributeError

Counts = Callable[[], tuple[int, int, int]]
"""What is waiting: lookups, ids that are waited for, watchers of job-stats."""

MIN_HOSTS = 1024
"""How many hosts or ranks a constraint may name, in instances that are not larger."""


class NotYet(RpcError):  # noqa: N818 - no fault of anyone
    """The job was not seen, or not in the state asked for: that may still come."""

    @property
    def seen(self) -> bool:
        """Whether the job is there, if in another state."""
        return self.errno == EAGAIN


class Request(NamedTuple):
    """One request, as its message holds it; ``text`` None: without a payload."""

    topic: str
    text: bytes | None
    credential: Credential
    streaming: bool


class Service:
    """Answers requests from a store's views.

    ``as_of`` asks for a past moment, in seconds since the epoch. ``active`` returns the
    active jobs, where the caller has them at hand; ``waiting`` counts who waits; ``behind``
    says what the store lacks, None where it lacks nothing.
    """

    def __init__(
        self,
        store: Store,
        config: Config,
        *,
        as_of: float | None = None,
        active: Callable[[], Iterable[Job]] | None = None,
        pack: Pack = packed,
        waiting: Counts = lambda: (0, 0, 0),
        behind: Callable[[], dict[str, object] | None] = lambda: None,
        instance_size: int = 1,
    ) -> None:
        self._store = store
        self.config = config
        self._as_of = as_of
        self._active = active
        self._pack = pack
        self._waiting = waiting
        self._behind = behind
        self._max_hosts = max(instance_size, MIN_HOSTS)
        self._topics: dict[str, Callable[[apsw.Connection, Request], Iterator[bytes]]] = {
            "job-list.list": self._list,
            "job-list.list-id": self._list_id,
            "job-list.list-attrs": self._list_attrs,
            "job-list.job-stats": self._job_stats,
            "job-list.stats-get": self._stats_get,
        }

    def answer(self, request: Request) -> list[bytes]:
        """Return the response payloads, in order; raises RpcError.

        A stream's closing ENODATA is not among them.
        """
        topic = self._topics.get(request.topic)
        if topic is None:
            raise RpcError(ENOSYS, f"Unknown service method '{request.topic}'")
        if not request.credential.allowed:
            raise RpcError(EPERM, "Request rejected due to insufficient privilege")
        if request.topic == "job-list.list-id" and self._as_of is None:
            with translated(self._store.path):  # it needs no snapshot
                return list(topic(self._store.db, request))
        with self._store.snapshot() as db:
            return list(topic(db, request))

    # -- topics

    def jobs(self, db: apsw.Connection, request: Request) -> Generator[bytes, None, None]:
        """Return the jobs that a ``list`` asks for, one by one; raises RpcError.

        In between there are empty texts, at which whoever reads can pause.
        """
        wanted = read_list(request.text)
        given = read_constraint(wanted.constraint, self._max_hosts)
        found = listing(
            db,
            self._visible(given, request.credential),
            Renderer(wanted.attrs),
            active=lambda: self._active_jobs(db),
            scope=Scope(wanted.since, self._until, self.config.follow_purges),
            max_comparisons=self.config.max_comparisons,
            pack=self._pack,
        )
        left = wanted.max_entries or inf
        try:
            for job in found:
                yield job
                left -= bool(job)
                if not left:
                    return
        except UnknownAttributeError as error:
            raise RpcError(EINVAL, str(error)) from error
        except TooManyComparisonsError as error:
            # job-list sends whatever errno was left over: by experiment, these.
            errno = EPROTO if wanted.constraint is msgspec.UNSET else EINVAL
            raise RpcError(errno, str(error)) from error

    def _list(self, db: apsw.Connection, request: Request) -> Iterator[bytes]:
        jobs = list(filter(None, self.jobs(db, request)))
        if not request.streaming:
            yield b'{"jobs":[%b]}' % b",".join(jobs)
            return
        for index, job in enumerate(jobs):
            yield b'{"jobs":[%b]%b}' % (job, b"" if index else b',"version":1')

    def _list_id(self, db: apsw.Connection, request: Request) -> Iterator[bytes]:
        wanted = read_list_id(request.text)
        picker = Renderer(wanted.attrs)
        try:
            job = self._one(db, wanted.id, wanted.state, picker, request.credential)
        except UnknownAttributeError as error:
            raise RpcError(EINVAL, str(error)) from error
        yield b'{"job":%b}' % job

    def of_job(self, job: Job, wanted: ListIdRequest, asker: Credential) -> bytes:
        """Return the answer to who waited for ``job``; raises RpcError."""
        if self._restricted(asker) and job.userid not in _own(asker):
            raise RpcError(ENOENT)
        try:
            return b'{"job":%b}' % Renderer(wanted.attrs).job(job)
        except UnknownAttributeError as error:
            raise RpcError(EINVAL, str(error)) from error

    def _one(
        self, db: apsw.Connection, jobid: int, state: int, picker: Renderer, asker: Credential
    ) -> bytes:
        if self._as_of is None:
            job, row = one_job.newest(db, jobid)
        else:
            job, row = as_of.job_at(db, jobid, self._as_of), None
            if job is not None and self._purged(job):
                job = None
        if job is not None:
            self._check_visible(job.userid, asker)
            if job.state != INACTIVE and state and not job.states_mask & state:
                raise NotYet(EAGAIN, "the job has not been in that state")
            return picker.text(jobid, self._pack(job))
        if row is None or (self.config.follow_purges and row.t_purged is not None):
            raise NotYet(ENOENT)
        self._check_visible(row.userid, asker)
        return picker.text(jobid, row.values)

    def _list_attrs(self, _db: apsw.Connection, _request: Request) -> Iterator[bytes]:
        yield dumps({"attrs": [*ATTRIBUTES, "all"]})

    def _job_stats(self, db: apsw.Connection, request: Request) -> Iterator[bytes]:
        self._check_unrestricted(request.credential)
        stats = self._stats(db)
        for queue in self.config.queues:
            stats.queue(queue)
        yield dumps(stats.answer())

    def _stats_get(self, db: apsw.Connection, request: Request) -> Iterator[bytes]:
        self._check_unrestricted(request.credential)
        jobs = list(self._active_jobs(db))
        sizes = {
            "pending": sum(bool(job.state & PENDING) for job in jobs),
            "running": sum(bool(job.state & RUNNING) for job in jobs),
            "inactive": self._stats(db).total.states["inactive"],
        }
        lookups, waits, watchers = self._waiting()
        idsync = {"lookups": lookups, "waits": waits}
        found = {"jobs": sizes, "idsync": idsync, "stats_watchers": watchers}
        behind = self._behind()
        if behind is not None:  # job-list has no such member, and no such trouble
            found["behind"] = behind
        yield dumps(found)

    # -- the moment

    @property
    def _until(self) -> float:
        return inf if self._as_of is None else self._as_of

    def _active_jobs(self, db: apsw.Connection) -> Iterable[Job]:
        if self._as_of is not None:
            return as_of.jobs_at(db, self._as_of)
        return active_jobs(db) if self._active is None else self._active()

    def _stats(self, db: apsw.Connection) -> job_stats.JobStats:
        follow = self.config.follow_purges
        if self._as_of is None:
            return job_stats.stats_now(db, follow=follow)
        return job_stats.stats_at(db, self._as_of, follow=follow)

    def _purged(self, job: Job) -> bool:
        return self.config.follow_purges and bool(job.t_purged)

    # -- access

    def _restricted(self, asker: Credential) -> bool:
        return self.config.private and not asker.privileged

    def _visible(self, constraint: Constraint, asker: Credential) -> Constraint:
        if not self._restricted(asker):
            return constraint
        return And((constraint, Userid(_own(asker))))

    def _check_visible(self, userid: int, asker: Credential) -> None:
        if self._restricted(asker) and userid not in _own(asker):
            # As if there were no such job, but for the text: job-list sends an empty one.
            raise RpcError(ENOENT, "")

    def _check_unrestricted(self, asker: Credential) -> None:
        if self._restricted(asker):
            raise RpcError(EPERM)


def _own(asker: Credential) -> tuple[int, ...]:
    """Return whose jobs a guest may see; no guest is the user id that stands for all users."""
    own = asker.userid & USERID_UNKNOWN
    return () if own == USERID_UNKNOWN else (own,)
