# SPDX-License-Identifier: LGPL-3.0
"""The service that takes job-list's place: requests come in, the journal is followed.

Rules are those of flux-core's job-list (job-list.c, list.c, stats.c): what is deferred until
the backlog is in, what waits, what is refused. What is stored already is answered at once
where no backlog could change it.
"""

from __future__ import annotations

import syslog
from collections.abc import Callable, Sequence
from dataclasses import replace
from errno import EINVAL, ENOSYS

from eventstore.errors import StoreError
from eventstore.events.records import Notice, Record
from eventstore.reading.event_log import knows_boot
from joblist.config import Config, ConfigError
from joblist.live.failures import answering
from joblist.live.journal_follower import Follower, Source
from joblist.live.list_responses import Readers, Streaming
from joblist.live.ports import Bus, Message
from joblist.live.stats_watchers import Watching
from joblist.live.waiting_list_id import Waiter, Waiting
from joblist.protocol.errors import RpcError
from joblist.protocol.requests import read_list_id
from joblist.service import NotYet, Service
from projections.engine.views import Views
from projections.job.state import NEW, Job
from projections.queries.list_jobs import unpurged
from projections.queries.one_job import newest_is_purged
from projections.queries.render import PackedCache

GUEST_TOPICS = (
    "list",
    "list-id",
    "list-attrs",
    "job-stats",
    "stats-get",
    "job-state-pause",
    "job-state-unpause",
    "disconnect",
)
"""Requests that users other than the instance's owner may send."""
OWNER_TOPICS = ("config-reload",)
PURGES = "job-purge-inactive"
"""The event by which the job manager says what it has forgotten."""

_GONE = ENOSYS  # what clients get from a service that is not there


class Live:
    """Answers from a store that follows the journal.

    ``size`` is the instance's number of brokers, ``name`` and ``boot`` say where the events
    come from (the broker's URI and uuid). ``reread`` makes settings of Flux's tables.
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
    ) -> None:
        self._bus = bus
        self._views = views
        self._store = views.store
        self._boot = boot
        self._reread = reread
        self._ready = False
        self._deferred: list[Message] = []
        self._known_boot = self._seen_before(boot)
        self._packer = PackedCache()
        self._service = Service(
            self._store,
            config,
            active=self._active,
            pack=self._packer,
            waiting=lambda: (self._waiting.lookups, self._waiting.waits, self._watching.count),
            behind=self._behind,
            instance_size=size,
        )
        self._streaming = Streaming(
            bus, Readers(self._store), lambda: bool(self.config.max_comparisons)
        )
        self._waiting = Waiting(bus, self._ask_again, self._answer_with)
        self._watching = Watching(bus, self._answer)
        self.follower = Follower(
            bus,
            views,
            Source(name, boot, self._expected),
            seen=self._seen,
            stored=self._waiting.respond,
            ready=self._backlog_is_in,
        )
        self._handlers: dict[str, Callable[[Message], None]] = {
            "list": self._list,
            "list-id": self._list_id,
            "job-stats": self._job_stats,
            "job-state-pause": self._pause,
            "job-state-unpause": self._unpause,
            "disconnect": self._disconnect,
            "config-reload": self._reload,
        }

    @property
    def config(self) -> Config:
        """The settings that are in force."""
        return self._service.config

    def handle(self, message: Message) -> None:
        """Answer a request, or see to it that it is answered."""
        method = message.request.topic.partition(".")[2]
        with answering(self._bus, message):
            if not self._ready and not self._answers_early(method, message):
                self._deferred.append(message)
                return
            if self._ready:
                self.follower.flush()
            self._handlers.get(method, self._answer)(message)

    def close(self) -> None:
        """Store what came, and refuse what waits."""
        self.follower.close()
        for message in self._deferred:
            self._bus.respond_error(message, _GONE, None)
        self._deferred = []
        self._waiting.close(_GONE)
        self._watching.close(_GONE)
        self._streaming.close(_GONE)

    # -- before the backlog is in

    def _seen_before(self, boot: str) -> bool:
        with self._store.snapshot() as db:
            return knows_boot(db, boot)

    def _answers_early(self, method: str, message: Message) -> bool:
        """Whether no backlog can change the answer.

        What was purged stays as it is; but an instance that has no events of this boot in
        the store may be another one, whose ids tell of other jobs.
        """
        if method == "list-id" and self._known_boot and not self.config.follow_purges:
            wanted = read_list_id(message.request.text)
            # What the job manager still has, it may tell otherwise: flux-core's own tests
            # (t2260-job-list.t) rewrite an eventlog in the KVS and reload it. Of several jobs
            # of this id, the newest is meant, and that may be active.
            with self._store.snapshot() as db:
                return newest_is_purged(db, wanted.id)
        return method in {"list-attrs", "job-stats", "disconnect", "config-reload"}

    def _backlog_is_in(self) -> None:
        self._ready = True
        deferred, self._deferred = self._deferred, []
        for message in deferred:
            self.handle(message)
        self._waiting.ask_again()

    def _expected(self) -> list[int]:
        """Keys of the jobs that the job manager has, if nothing happened while we were away."""
        keys = [job.key for job in self._views.unfinished()]
        if self.config.follow_purges:
            keys += unpurged(self._store.db)
        return keys

    # -- what the journal brings

    def _seen(self, records: Sequence[Record | Notice]) -> None:
        self._waiting.see(records, self._views.state)
        self._watching.see(records)

    def _active(self) -> list[Job]:
        jobs = [job for job in self._views.unfinished() if job.state != NEW]
        self._packer.forget_others(jobs)
        return jobs

    def _behind(self) -> dict[str, object] | None:
        found = self.follower.behind
        return None if found is None else found._asdict()

    # -- topics

    def _answer(self, message: Message) -> None:
        """Answer what is answered by one response, or an error."""
        with answering(self._bus, message):
            (payload,) = self._service.answer(message.request)
            self._bus.respond(message, payload)

    def _list(self, message: Message) -> None:
        self._streaming.begin(message, lambda db: self._service.jobs(db, message.request))

    def _list_id(self, message: Message) -> None:
        try:
            (payload,) = self._service.answer(message.request)
        except NotYet as missing:
            waiter = Waiter(message, read_list_id(message.request.text))
            (self._waiting.wait if missing.seen else self._waiting.look_up)(waiter)
        else:
            self._bus.respond(message, payload)

    def _ask_again(self, waiter: Waiter) -> None:
        with answering(self._bus, waiter.message):
            try:
                (payload,) = self._service.answer(waiter.message.request)
            except NotYet:
                self._waiting.wait(waiter)
            else:
                self._bus.respond(waiter.message, payload)

    def _answer_with(self, waiter: Waiter, job: Job) -> None:
        with answering(self._bus, waiter.message):
            asker = waiter.message.request.credential
            self._bus.respond(waiter.message, self._service.of_job(job, waiter.wanted, asker))

    def _job_stats(self, message: Message) -> None:
        (payload,) = self._service.answer(message.request)
        if message.request.streaming:
            self._watching.add(message)
        self._bus.respond(message, payload)

    def _pause(self, message: Message) -> None:
        self.follower.pause()
        self._bus.respond(message, None)

    def _unpause(self, message: Message) -> None:
        self.follower.unpause()
        self._bus.respond(message, None)

    def _disconnect(self, message: Message) -> None:
        self._deferred = [m for m in self._deferred if not m.dropped_by(message)]
        self._waiting.drop(message)
        self._watching.drop(message)
        self._streaming.drop(message)

    # -- settings

    def _reload(self, message: Message) -> None:
        try:
            self.reconfigure(self._reread(message.request.text))
        except (ConfigError, StoreError) as error:
            raise RpcError(EINVAL, str(error)) from error
        self._bus.respond(message, None)

    def reconfigure(self, config: Config) -> None:
        """Let other settings take effect; raises StoreError."""
        if config.dbpath != self.config.dbpath:
            text = "job-list.dbpath was changed: that takes effect when the module is reloaded"
            self._bus.log(syslog.LOG_WARNING, text)
        self._store.set_synchronous(config.synchronous)
        # Queues that were configured once are listed on, as job-list does (stats.c).
        queues = dict.fromkeys((*self.config.queues, *config.queues))
        self._service.config = replace(config, queues=tuple(queues))
