# SPDX-License-Identifier: LGPL-3.0
"""Requests that arrive before the backlog is complete: some wait, some are answered at once.

flux-core's module defers requests in the same way (job-list.c, `requests_defer`).
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from eventstore.reading.event_log import knows_boot
from eventstore.storage.connection import Store
from joblist.ports import Bus, Message
from joblist.protocol.requests import read_list_id
from projections.queries.one_job import newest_is_purged

Handle = Callable[[Message], None]


class Early(Enum):
    """Which requests of a topic are answered before the backlog is complete."""

    NONE = "none"
    ALL = "all"
    PURGED = "those for a job that was purged: no backlog has it"


class BacklogGate:
    """Keeps requests until the backlog is complete.

    ``boot`` names the broker's boot that we follow. If the store has no events of it, this
    may be another instance, in which the same ids are other jobs.
    """

    def __init__(self, bus: Bus, store: Store, boot: str) -> None:
        self._bus = bus
        self._store = store
        self._deferred: list[tuple[Message, Handle]] = []
        self.is_open = False
        with store.snapshot() as db:
            self._known_boot = knows_boot(db, boot)

    def lets_pass(self, message: Message, early: Early, *, follow_purges: bool) -> bool:
        """Whether a request can be answered now; raises RpcError if it is malformed."""
        if self.is_open or early is Early.ALL:
            return True
        if early is Early.NONE or follow_purges or not self._known_boot:
            return False
        wanted = read_list_id(message.request.text)
        # The backlog may show a job that is not purged in another form: flux-core's own
        # tests (t2260-job-list.t) rewrite an eventlog in the KVS and reload it.
        with self._store.snapshot() as db:
            return newest_is_purged(db, wanted.id)

    def defer(self, message: Message, handle: Handle) -> None:
        """Have a request handled when the backlog is complete."""
        self._deferred.append((message, handle))

    def open(self) -> None:
        """Let all requests pass, first those that were deferred."""
        self.is_open = True
        deferred, self._deferred = self._deferred, []
        for message, handle in deferred:
            handle(message)

    def drop(self, message: Message) -> None:
        """Forget the requests of a client that went away."""
        self._deferred = [
            (held, handle) for held, handle in self._deferred if not held.dropped_by(message)
        ]

    def close(self, errno: int) -> None:
        """Answer all that were deferred with an error."""
        deferred, self._deferred = self._deferred, []
        for message, _ in deferred:
            self._bus.respond_error(message, errno, None)
