# SPDX-License-Identifier: LGPL-3.0
"""The service: the answer to a request, for who sent it, now or at a past moment.

Answers are what flux-core's job-list module (list.c, stats.c, job-list.c) gives for the same
events. Which jobs the sender may see is decided in visibility.py, whose constraint is added to
the request's own before the query is planned.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Generator, Iterable, Iterator
from errno import EAGAIN, EINVAL, ENOENT, ENOSYS, EPERM, EPROTO
from math import inf
from typing import NamedTuple

import apsw
import msgspec

from eventstore.errors import translated
from eventstore.storage.connection import Store
from joblist.config import Config
from joblist.protocol import responses
from joblist.protocol.errors import NOT_ALLOWED, RpcError
from joblist.protocol.requests import (
    Credential,
    ListIdRequest,
    read_constraint,
    read_list,
    read_list_id,
)
from joblist.protocol.responses import Facts, ListResponses
from joblist.visibility import Visibility
from projections.constraints.evaluate import TooManyComparisonsError
from projections.job.packing import packed
from projections.job.state import INACTIVE, PENDING, RUNNING, Job
from projections.queries import as_of, job_stats, one_job
from projections.queries.candidates import Scope
from projections.queries.list_jobs import (
    Pack,
    active_jobs,
    last_key,
    listing,
    unfinished_keys,
)
from projections.queries.render import Renderer, UnknownAttributeError, renderer

MIN_HOSTS = 1024
"""How many hosts or ranks a constraint may name; as many as there are brokers, if more."""
NO_FACTS = Facts()
"""Of a service that follows no journal."""


class NotYet(RpcError):  # noqa: N818 - the request is right, and may wait
    """The job is unknown, or has not been in the state asked for; either may still come."""

    @property
    def seen(self) -> bool:
        """Whether the job is known, but has not been in that state."""
        return self.errno == EAGAIN


class Request(NamedTuple):
    """A request, as its message has it; ``text`` is the payload, None if there is none."""

    topic: str
    text: bytes | None
    credential: Credential
    streaming: bool


class _Later:
    """The keys of jobs that were not inactive at one moment, ``last`` being the newest then."""

    def __init__(self, unfinished: frozenset[int], last: int) -> None:
        self._unfinished, self._last = unfinished, last

    def __contains__(self, key: object) -> bool:
        return key in self._unfinished or (isinstance(key, int) and key > self._last)


class _Asked(NamedTuple):
    """What the answer to a topic is made of."""

    db: apsw.Connection
    request: Request
    facts: Facts


class Service:
    """Answers requests from a store's views.

    ``as_of``: answer as of that moment, in seconds since the epoch. If the caller keeps them in
    memory, ``active`` returns the active jobs, ``active_of_id`` the newest one of an id, and
    ``pack`` encodes one's attributes.
    ``instance_size``: number of brokers. ``hidden`` has keys of jobs that do not count as
    inactive in lists.
    """

    def __init__(
        self,
        store: Store,
        config: Config,
        *,
        as_of: float | None = None,
        active: Callable[[], Iterable[Job]] | None = None,
        active_of_id: one_job.Active | None = None,
        pack: Pack = packed,
        instance_size: int = 1,
        hidden: Container[int] = (),
    ) -> None:
        self._store = store
        self.config = config
        self._as_of = as_of
        self._active = active
        self._active_of_id = active_of_id
        self._pack = pack
        self._hidden = hidden
        self._known_stats: tuple[object, bytes] = None, b""
        self.max_hosts = max(instance_size, MIN_HOSTS)
        self._topics: dict[str, Callable[[_Asked], Iterator[bytes]]] = {
            "job-list.list": self._list,
            "job-list.list-id": self._list_id,
            "job-list.list-attrs": self._list_attrs,
            "job-list.job-stats": self._job_stats,
            "job-list.stats-get": self._stats_get,
        }

    def answer(self, request: Request, facts: Facts = NO_FACTS) -> list[bytes]:
        """Return the response payloads, in order; raises RpcError, or StoreError.

        A stream's closing ENODATA is not among them. Of a stream, each job is a response of
        its own, as flux-core's module sends them.
        """
        topic = self._topics.get(request.topic)
        if topic is None:
            raise RpcError(ENOSYS, f"Unknown service method '{request.topic}'")
        if not request.credential.allowed:
            raise RpcError(EPERM, NOT_ALLOWED)
        if request.topic == "job-list.list-id" and self._as_of is None:
            return [self._job_now(request)]
        with self._store.snapshot() as db:
            return list(topic(_Asked(db, request, facts)))

    def of_this_moment(self) -> Service:
        """Return a service whose lists show this moment, also while the store is written on.

        That is for a database in memory, whose one connection cannot hold a snapshot.
        """
        with self._store.snapshot() as db:
            jobs = list(self._active_jobs(db))
            later = _Later(unfinished_keys(db), last_key(db))
        return Service(
            self._store,
            self.config,
            active=lambda: jobs,
            pack=self._pack,
            instance_size=self.max_hosts,
            hidden=later,
        )

    # -- topics

    def jobs(self, db: apsw.Connection, request: Request) -> Generator[bytes, None, None]:
        """Yield the jobs that a ``list`` asks for, each as JSON text; raises RpcError.

        Between them come empty texts, one for a job that was looked at and does not match:
        the reader can take a break there.
        """
        self._check_size(request)
        wanted = read_list(request.text)
        given = read_constraint(wanted.constraint, self.max_hosts, self.config.budgets)
        found = listing(
            db,
            Visibility(self.config, request.credential).within(
                None if wanted.constraint is msgspec.UNSET else given
            ),
            renderer(wanted.attrs),
            active=lambda: self._active_jobs(db),
            scope=Scope(wanted.since, self._until, self.config.follow_purges),
            max_comparisons=self.config.max_comparisons,
            pack=self._pack,
            hidden=self._hidden,
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

    def _check_size(self, request: Request) -> None:
        """Raise RpcError for a request that is too long to be read."""
        if len(request.text or b"") > self.config.budgets.max_request * 2**10:
            raise self.config.budgets.exceeded("max_request")

    def _list(self, asked: _Asked) -> Iterator[bytes]:
        found = ListResponses(streaming=asked.request.streaming, most=1)
        found.collected += filter(None, self.jobs(asked.db, asked.request))
        return found.take(last=True)

    def _job_now(self, request: Request) -> bytes:
        """Answer a ``list-id``: by one statement, which needs no snapshot."""
        try:
            return self._id(self._store.db, request)
        except apsw.Error:
            with translated(self._store.path):
                raise

    def _list_id(self, asked: _Asked) -> Iterator[bytes]:
        yield self._id(asked.db, asked.request)

    def _id(self, db: apsw.Connection, request: Request) -> bytes:
        self._check_size(request)
        wanted = read_list_id(request.text)
        picker = renderer(wanted.attrs)
        try:
            job = self._one(db, wanted.id, wanted.state, picker, request.credential)
        except UnknownAttributeError as error:
            raise RpcError(EINVAL, str(error)) from error
        return responses.one_job(job)

    def of_job(self, job: Job, wanted: ListIdRequest, asker: Credential) -> bytes:
        """Return the payload for a request that waited for ``job``; raises RpcError."""
        if not Visibility(self.config, asker).of_user(job.userid):
            raise RpcError(ENOENT)
        try:
            return responses.one_job(renderer(wanted.attrs).job(job))
        except UnknownAttributeError as error:
            raise RpcError(EINVAL, str(error)) from error

    def _one(
        self, db: apsw.Connection, jobid: int, state: int, picker: Renderer, asker: Credential
    ) -> bytes:
        visible = Visibility(self.config, asker)
        if self._as_of is None:
            job, row = one_job.newest(db, jobid, self._active_of_id)
        else:
            job, row = as_of.job_at(db, jobid, self._as_of), None
            if job is not None and self._purged(job):
                job = None
        if job is not None:
            visible.check_user(job.userid)
            if job.state != INACTIVE and state and not job.states_mask & state:
                raise NotYet(EAGAIN, "the job has not been in that state")
            return picker.text(jobid, self._pack(job))
        if row is None or (self.config.follow_purges and row.t_purged is not None):
            raise NotYet(ENOENT)
        visible.check_user(row.userid)
        return picker.text(jobid, row.values)

    def _list_attrs(self, _asked: _Asked) -> Iterator[bytes]:
        yield responses.attributes()

    def _job_stats(self, asked: _Asked) -> Iterator[bytes]:
        Visibility(self.config, asked.request.credential).check_all()
        # The same for all who may know it, until somebody writes to the database.
        moment = (asked.db.total_changes(), asked.db.pragma("data_version"), self.config)
        if moment != self._known_stats[0]:
            stats = self._stats(asked.db)
            for queue in self.config.queues:
                stats.queue(queue)
            self._known_stats = moment, responses.job_stats(stats.answer())
        yield self._known_stats[1]

    def _stats_get(self, asked: _Asked) -> Iterator[bytes]:
        Visibility(self.config, asked.request.credential).check_all()
        jobs = list(self._active_jobs(asked.db))
        yield responses.stats_get(
            sum(bool(job.state & PENDING) for job in jobs),
            sum(bool(job.state & RUNNING) for job in jobs),
            self._stats(asked.db).total.states["inactive"],
            asked.facts,
        )

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
