# SPDX-License-Identifier: LGPL-3.0
"""What is done with each request, topic by topic (routes.py says which is which)."""

from __future__ import annotations

import syslog
from collections.abc import Callable
from dataclasses import dataclass, replace
from errno import EINVAL, ENODATA, ENOSYS, EPERM
from typing import Protocol

from eventstore.errors import StoreError
from eventstore.storage.connection import MEMORY, Store
from joblist.config import Config, ConfigError
from joblist.journal.follower import Follower
from joblist.live.answers import Answers
from joblist.live.backlog_gate import BacklogGate
from joblist.live.quick import Quick
from joblist.live.stats_watchers import Watching
from joblist.live.turns import Turns
from joblist.live.waiting_list_id import Waiter, Waiting
from joblist.ports import Bus, Message
from joblist.protocol.errors import NOT_ALLOWED, RpcError
from joblist.protocol.requests import read_list_id
from joblist.protocol.responses import Facts
from joblist.readers.messages import End
from joblist.readers.pool import Missing
from joblist.service import Service


class LongRequests(Protocol):
    """What answers the requests that take long: readers, or the thread by turns."""

    @property
    def open(self) -> int:
        """How many requests are not answered yet."""

    def ask(self, message: Message, config: Config, missing: Missing | None = None) -> None:
        """Have a request answered; raises RpcError if too many wait.

        ``missing`` is called if there is no such job yet, in place of an answer.
        """

    def drop(self, message: Message) -> None:
        """Forget the requests of a client that went away."""

    def close(self, errno: int) -> None:
        """Answer all requests with an error."""


@dataclass(frozen=True)
class InProgress:
    """All requests that were taken and are not answered to their end."""

    turns: Turns
    gate: BacklogGate
    waiting: Waiting
    watching: Watching
    long: LongRequests

    def drop(self, message: Message) -> None:
        """Forget the requests of a client that went away."""
        for kind in (self.turns, self.gate, self.waiting, self.watching, self.long):
            kind.drop(message)

    def close(self, errno: int) -> None:
        """Answer all of them with an error."""
        for kind in (self.turns, self.gate, self.waiting, self.watching, self.long):
            kind.close(errno)


@dataclass(frozen=True)
class Handlers:
    """Handles a request that may be answered now. Each method raises RpcError or StoreError.

    ``reread`` makes settings of what a config-reload request brings.
    """

    bus: Bus
    store: Store
    service: Service
    answers: Answers
    quick: Quick
    requests: InProgress
    follower: Follower
    reread: Callable[[bytes | None], Config]

    def answer(self, message: Message) -> None:
        """Answer what is answered by one response; an unknown topic is an error there."""
        self.answers.send(message)

    def list_jobs(self, message: Message) -> None:
        """``list``: at once what takes little, the others by whoever answers long ones."""
        payloads = self.quick.list_jobs(message.request)
        if payloads is None:
            self.requests.long.ask(message, self.service.config)
            return
        for payload in payloads:
            self.bus.respond(message, payload)
        if message.request.streaming:
            self.bus.respond_error(message, ENODATA, None)

    def list_id(self, message: Message) -> None:
        """``list-id``, which may have to wait."""
        if not self.quick.short(message.request):
            self.requests.long.ask(message, self.service.config, self._cannot_wait)
            return
        missing = self.answers.try_job(message)
        if missing is not None:
            waiter = Waiter(message, read_list_id(message.request.text))
            waiting = self.requests.waiting
            (waiting.wait if missing.seen else waiting.look_up)(waiter)

    def _cannot_wait(self, message: Message, _end: End) -> None:
        error = self.service.config.budgets.exceeded("max_thread_request")
        self.answers.refuse(message, error.errno, error.text)

    def job_stats(self, message: Message) -> None:
        """``job-stats``; a stream of them is told of changes from now on."""
        if message.request.streaming:
            self.requests.watching.add(message)
        else:
            self.answers.send(message)

    def sql(self, message: Message) -> None:
        """``sql``, where the site has it: in a reader, so that it holds up nothing here."""
        allowed = self.service.config.sql
        if allowed == "off":
            raise RpcError(ENOSYS, "job-list.sql is not configured: [job-list] sql")
        if allowed == "owner" and not message.request.credential.owner:
            raise RpcError(EPERM, NOT_ALLOWED)
        if self.store.path == MEMORY:
            raise RpcError(ENOSYS, "no other process can read a database in memory")
        self.requests.long.ask(message, self.service.config)

    def stats_get(self, message: Message) -> None:
        """``stats-get``."""
        behind = self.follower.behind
        facts = Facts(
            self.requests.waiting.lookups,
            self.requests.waiting.waits,
            self.requests.watching.count,
            None if behind is None else behind._asdict(),
        )
        self.answers.send(message, facts)

    def pause(self, message: Message) -> None:
        """``job-state-pause``: store nothing that arrives from now on."""
        self.follower.pause()
        self.answers.done(message)

    def unpause(self, message: Message) -> None:
        """``job-state-unpause``."""
        self.follower.unpause()
        self.answers.done(message)

    def disconnect(self, message: Message) -> None:
        """``disconnect``: a client went away; nobody gets an answer."""
        self.requests.drop(message)

    def config_reload(self, message: Message) -> None:
        """``config-reload``."""
        try:
            self.reconfigure(self.reread(message.request.text))
        except (ConfigError, StoreError) as error:
            raise RpcError(EINVAL, str(error)) from error
        self.answers.done(message)

    def reconfigure(self, config: Config) -> None:
        """Let other settings take effect; raises StoreError."""
        now = self.service.config
        if config.dbpath != now.dbpath:
            text = "job-list.dbpath was changed: that takes effect when the module is reloaded"
            self.bus.log(syslog.LOG_WARNING, text)
        self.store.set_synchronous(config.synchronous)
        # job-stats goes on naming queues that were configured once (stats.c).
        queues = dict.fromkeys((*now.queues, *config.queues))
        self.service.config = replace(config, queues=tuple(queues))
