# SPDX-License-Identifier: LGPL-3.0
"""Long lists from a database in memory: made in the module's thread, a slice at a time.

No other process can read such a database. Its one connection goes on writing between the
slices; what has ended meanwhile is left out (`Service.of_this_moment`).
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from errno import ENODATA, ETIMEDOUT

from eventstore.errors import translated
from eventstore.storage.connection import Store
from joblist.callback_guard import answering
from joblist.config import Config
from joblist.list_answer import list_answer
from joblist.live.thread_time import OverSlice, slice_of
from joblist.ports import Bus, Message
from joblist.protocol.errors import RpcError
from joblist.readers.pool import Missing
from joblist.readers.queue import FairQueue
from joblist.service import Service

TURN = 0.01
"""Seconds of processor time after which it is another answer's turn."""
STEP = 0.2
"""Seconds that a turn may take at most, where SQLite finds nothing for as long."""
_AT_ONCE = 4  # answers that are made by turns; others wait


class _Answer:
    """One answer that is being made, or waits for its turn; ``left``: seconds for it."""

    def __init__(self, message: Message, config: Config) -> None:
        self.message = message
        self.config = config
        self.userid = message.request.credential.userid
        self.size = len(message.request.text or b"")
        self.left = float(config.budgets.max_reader_seconds)
        self.payloads: Iterator[bytes] | None = None


class MemoryLists:
    """The lists that are not answered yet."""

    def __init__(self, bus: Bus, store: Store, service: Service) -> None:
        self._bus = bus
        self._store = store
        self._service = service
        self._queue: FairQueue[_Answer] = FairQueue()
        self._answers: deque[_Answer] = deque()
        self._timer = bus.timer(self._turn)

    @property
    def open(self) -> int:
        """How many lists are not answered yet."""
        return len(self._queue)

    def ask(self, message: Message, config: Config, _missing: Missing | None = None) -> None:
        """Have a list answered; raises RpcError if too many wait, or if it is too long."""
        answer = _Answer(message, config)
        if answer.size > config.budgets.max_thread_request * 2**10:
            raise config.budgets.exceeded("max_thread_request")
        self._queue.add(answer, config.budgets)
        self._timer.start(0.0)

    def drop(self, message: Message) -> None:
        """Forget the answers to a client that went away."""
        self._queue.drop(lambda answer: answer.message.dropped_by(message))
        for answer in [a for a in self._answers if a.message.dropped_by(message)]:
            self._forget(answer)

    def close(self, errno: int) -> None:
        """End all answers, unfinished as they are, with an error."""
        self._timer.stop()
        for answer in (*self._queue.drop(lambda _: True), *self._answers):
            self._bus.respond_error(answer.message, errno, None)
        self._answers.clear()

    def _forget(self, answer: _Answer) -> None:
        self._answers.remove(answer)
        self._queue.closed(answer)

    def _turn(self) -> None:
        """Go on with the answer whose turn it is."""
        if len(self._answers) < _AT_ONCE:
            following = self._queue.next(_AT_ONCE)
            if following is not None:
                self._answers.append(following)
        if not self._answers:
            return
        answer = self._answers[0]
        self._answers.rotate(-1)
        last = True  # an error ends it, too
        try:
            with answering(self._bus, answer.message), translated(self._store.path):
                last = self._slice(answer)
        finally:
            if last:
                self._forget(answer)
            if self._answers or self._queue.waiting:
                self._timer.start(0.0)

    def _slice(self, answer: _Answer) -> bool:
        """Go on with an answer; returns whether it is complete."""
        begin = time.thread_time()
        if answer.payloads is None:
            service = self._service.of_this_moment()
            answer.payloads = list_answer(service, self._store.db, answer.message.request)
        try:
            with slice_of(self._store.db, min(STEP, answer.left)):
                for payload in answer.payloads:
                    if payload:
                        self._bus.respond(answer.message, payload)
                    if time.thread_time() > begin + TURN:
                        answer.left -= time.thread_time() - begin
                        return False
        except OverSlice as error:
            text = "the answer takes too long to find in a database in memory; ask for less"
            raise RpcError(ETIMEDOUT, text) from error
        if answer.message.request.streaming:
            self._bus.respond_error(answer.message, ENODATA, None)
        return True
