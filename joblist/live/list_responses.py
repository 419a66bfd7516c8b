# SPDX-License-Identifier: LGPL-3.0
"""Answers to ``list``, sent in slices: whoever asks for much waits, and nobody else does.

Flux's own clients extend their lists by the ``jobs`` of each response (flux-core,
flux/job/list.py, joblist_pane.c, cmd/job/list.c), so that one response can carry many. Each
answer comes from a snapshot of its own, taken when the request came: what is stored
meanwhile does not show, and does not wait either.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator
from errno import ENODATA
from math import inf

import apsw

from eventstore.storage.connection import MEMORY, Store, open_readonly
from eventstore.storage.sql import value
from joblist.live.failures import answering
from joblist.live.ports import Bus, Message

MOST_JOBS = 1000
"""Jobs in one response of a stream."""
TURN = 0.01
"""Seconds that an answer may take before it is another one's turn."""

_MOST_IDLE = 2  # connections kept for the next answer
_READERS_CACHE = 8192  # KiB of pages, each

Jobs = Callable[[apsw.Connection], "Generator[bytes, None, None]"]


class Readers:
    """Connections that read the database, each in one snapshot at a time.

    A database in memory has one connection only, which cannot hold a snapshot while it is
    written: there, answers are made in one go.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._idle: list[Store] = []
        self.single = store.path == MEMORY

    def take(self) -> Store:
        """Return a connection with a snapshot of this moment; raises StoreError."""
        if self.single:
            return self._store
        reader = self._idle.pop() if self._idle else self._open()
        reader.db.execute("BEGIN")
        value(reader.db, "SELECT 1 FROM sqlite_schema LIMIT 1")  # reading is what begins it
        return reader

    def _open(self) -> Store:
        reader = open_readonly(self._store.path)
        reader.db.execute(f"PRAGMA cache_size = -{_READERS_CACHE}")
        return reader

    def give_back(self, reader: Store) -> None:
        """Let go of a snapshot; its cursors must be closed."""
        if reader is not self._store:
            reader.db.execute("ROLLBACK")
            if len(self._idle) < _MOST_IDLE:
                self._idle.append(reader)
            else:
                reader.close()

    def close(self) -> None:
        """Close all idle connections."""
        while self._idle:
            self._idle.pop().close()


class _Answer:
    """One answer that is being made."""

    def __init__(
        self, message: Message, reader: Store, jobs: Generator[bytes, None, None]
    ) -> None:
        self.message = message
        self.reader = reader
        self.jobs = jobs
        self.collected: list[bytes] = []
        self.begun = False  # whether a response was sent

    def collect(self, most: float, deadline: float) -> bool:
        """Collect jobs, up to a number or a time; returns whether these were the last."""
        for job in self.jobs:
            if job:
                self.collected.append(job)
            if len(self.collected) >= most or time.monotonic() > deadline:
                return False
        return True

    def payload(self) -> bytes:
        """Return a response with what was collected."""
        first = self.message.request.streaming and not self.begun
        version = b',"version":1' if first else b""
        jobs, self.collected, self.begun = self.collected, [], True
        return b'{"jobs":[%b]%b}' % (b",".join(jobs), version)


class Streaming:
    """The answers that are being made, turn by turn.

    ``whole`` tells whether nothing may be sent before the answer is known to its end.
    """

    def __init__(self, bus: Bus, readers: Readers, whole: Callable[[], bool]) -> None:
        self._bus = bus
        self._readers = readers
        self._whole = whole
        self._answers: deque[_Answer] = deque()
        self._timer = bus.timer(self._turn)

    def begin(self, message: Message, jobs: Jobs) -> None:
        """Answer a request with ``jobs``, the first slice at once; raises StoreError."""
        reader = self._readers.take()
        self._answers.appendleft(_Answer(message, reader, jobs(reader.db)))
        self._turn()

    def drop(self, message: Message) -> None:
        """Forget the answers to a client that went away."""
        for answer in [a for a in self._answers if a.message.dropped_by(message)]:
            self._answers.remove(answer)
            self._free(answer)

    def close(self, errno: int) -> None:
        """End all answers, unfinished as they are."""
        self._timer.stop()
        while self._answers:
            answer = self._answers.popleft()
            self._bus.respond_error(answer.message, errno, None)
            self._free(answer)
        self._readers.close()

    def _turn(self) -> None:
        """Send a slice of the answer whose turn it is."""
        if not self._answers:
            return
        answer = self._answers.popleft()
        last = True  # an error ends it, too
        with answering(self._bus, answer.message):
            last = self._slice(answer)
        if last:
            self._free(answer)
        else:
            self._answers.append(answer)
        if self._answers:
            self._timer.start(0.0)

    def _slice(self, answer: _Answer) -> bool:
        """Go on with an answer; returns whether it is complete."""
        streaming = answer.message.request.streaming
        whole = self._whole() or not streaming
        single = self._readers.single
        last = answer.collect(
            inf if whole or single else MOST_JOBS,
            inf if single else time.monotonic() + TURN,
        )
        if (last or not whole) and (answer.collected or not streaming):
            self._bus.respond(answer.message, answer.payload())
        if last and streaming:
            self._bus.respond_error(answer.message, ENODATA, None)
        return last

    def _free(self, answer: _Answer) -> None:
        answer.jobs.close()
        self._readers.give_back(answer.reader)
