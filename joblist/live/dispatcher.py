# SPDX-License-Identifier: LGPL-3.0
"""The service that takes job-list's place: requests come in, the journal is followed.

Rules are those of flux-core's job-list (job-list.c, list.c, stats.c): what is deferred until
the backlog is complete, what waits, what is refused.
"""

from __future__ import annotations

import syslog
from collections.abc import Callable, Sequence
from errno import ENOSYS, EPERM
from functools import partial

from eventstore.storage.connection import MEMORY, Store
from joblist.callback_guard import answering
from joblist.config import Config
from joblist.journal.batches import Source
from joblist.journal.follower import Follower
from joblist.journal.node_hours import NodeHours
from joblist.journal.pending_lines import LIMITS, Limits
from joblist.journal.resources import ResourceFollower
from joblist.live.answers import Answers
from joblist.live.backlog_gate import BacklogGate
from joblist.live.handlers import Handlers, InProgress, LongRequests
from joblist.live.memory_lists import MemoryLists
from joblist.live.quick import Quick
from joblist.live.routes import AT_ONCE, ROUTES, UNKNOWN
from joblist.live.stats_watchers import Watching
from joblist.live.thread_time import ThreadTime
from joblist.live.turns import Turns
from joblist.live.waiting_list_id import Waiting
from joblist.ports import Bus, Message
from joblist.protocol.errors import NOT_ALLOWED, RpcError
from joblist.readers.pool import Readers
from joblist.service import Service
from projections.engine.views import Views
from projections.job.state import NEW, Job
from projections.queries.list_jobs import unpurged
from projections.queries.render import PackedCache

_GONE = ENOSYS  # what clients get from a service that is not there


class ActiveJobs:
    """The active jobs that the views keep in memory, and their packed values."""

    def __init__(self, views: Views) -> None:
        self._views = views
        self.pack = PackedCache()

    def jobs(self) -> list[Job]:
        """Return the active jobs; those that are NEW are in no answer."""
        found = [job for job in self._views.unfinished() if job.state != NEW]
        self.pack.forget_others(found)
        return found


class Live:
    """Answers from a store that follows the journal.

    ``name`` and ``boot`` say where the events come from (the broker's URI and uuid), ``size``
    is the instance's number of brokers. ``reread`` makes settings of what a config-reload
    request brings. ``held`` and ``reopen`` are the Follower's. Each part is given to those that
    need it when it is complete.
    """

    def __init__(
        self,
        bus: Bus,
        views: Views,
        config: Config,
        *,
        name: str,
        boot: str,
        size: int,
        reread: Callable[[bytes | None], Config],
        limits: Limits = LIMITS,
        held: Sequence[bytes] = (),
        reopen: Callable[[], None] = lambda: None,
        thread_time: ThreadTime | None = None,
    ) -> None:
        store = views.store
        views.tell(partial(bus.log, syslog.LOG_ERR))
        active = ActiveJobs(views)
        service = Service(
            store,
            config,
            active=active.jobs,
            active_of_id=views.newest_active,
            pack=active.pack,
            instance_size=size,
        )
        answers = Answers(bus, service)
        self._time = thread_time or ThreadTime()
        self.requests = InProgress(
            Turns(bus, self._time, self._handle, lambda: service.config.budgets),
            BacklogGate(bus, store, boot),
            Waiting(bus, answers, views.state),
            Watching(bus, answers),
            _long_requests(bus, store, service),
        )
        source = Source(name, boot, lambda: expected_jobs(views, service.config))
        self.follower = Follower(
            bus,
            store,
            source,
            # The views come last: who waits compares with the states before the batch.
            (self.requests.waiting, self.requests.watching, views),
            ready=(self.requests.gate.open, self.requests.waiting.try_all_again),
            limits=limits,
            held=held,
            reopen=reopen,
        )
        self._resources = ResourceFollower(bus, self.follower.take) if config.nodes else None
        self._hours = NodeHours(bus, store) if config.nodes else None
        self._bus = bus
        self._service = service
        quick = Quick(store, service, self._time)
        self._handlers = Handlers(
            bus, store, service, answers, quick, self.requests, self.follower, reread
        )

    def start(self) -> None:
        """Ask for the journals."""
        self.follower.start()
        for part in (self._resources, self._hours):
            if part is not None:
                part.start()

    def handle(self, message: Message) -> None:
        """Answer a request, or see to it that it is answered."""
        with answering(self._bus, message):
            if _method(message) in AT_ONCE or not self.requests.turns.takes(message):
                self._handle(message)

    def _handle(self, message: Message) -> None:
        route = ROUTES.get(_method(message), UNKNOWN)
        gate = self.requests.gate
        with answering(self._bus, message):
            if route is not UNKNOWN and not message.request.credential.rolemask & route.roles:
                raise RpcError(EPERM, NOT_ALLOWED)
            if route.reads:
                # Else, this thread would read a replaced file, and readers its replacement.
                self._handlers.store.check_place()
            follow = self._service.config.follow_purges
            if not gate.lets_pass(message, route.early, follow_purges=follow):
                gate.defer(message, self._handle)
                return
            if gate.is_open and route.shows:
                self.follower.flush()
            with self._time.of(message.request.credential.userid):
                route.handle(self._handlers, message)

    def reconfigure(self, config: Config) -> None:
        """Let other settings take effect; raises StoreError."""
        self._handlers.reconfigure(config)

    def close(self) -> None:
        """Store the pending queue, and answer waiting requests with an error."""
        self._leave_nodes()
        self.follower.close()
        self.requests.close(_GONE)

    def _leave_nodes(self) -> None:
        for part in (self._resources, self._hours):
            if part is not None:
                part.stop()

    def hand_over(self, errno: int) -> list[bytes]:
        """End all requests with an error; returns the lines that are not stored."""
        self._leave_nodes()
        held = self.follower.hand_over()
        self.requests.close(errno)
        return held


def _method(message: Message) -> str:
    return message.request.topic.partition(".")[2]


def _long_requests(bus: Bus, store: Store, service: Service) -> LongRequests:
    if store.path == MEMORY:
        return MemoryLists(bus, store, service)
    return Readers(bus, store.path, service.max_hosts)


def expected_jobs(views: Views, config: Config) -> list[int]:
    """Return the keys of the jobs that the job manager has, if nothing happened meanwhile."""
    keys = [job.key for job in views.unfinished()]
    if config.follow_purges:
        keys += unpurged(views.store.db)
    return keys
