# SPDX-License-Identifier: LGPL-3.0
"""Answers to ``list``, sent in slices, so that a long one holds up neither others nor events.

Flux's own clients extend their lists by the ``jobs`` of each response (flux-core,
flux/job/list.py, joblist_pane.c, cmd/job/list.c), so that one response can carry many. Each
answer is made from a snapshot of the moment when its request arrived: events stored meanwhile
are not in it.
"""

from __future__ import annotations

import syslog
import time
from collections import deque
from collections.abc import Callable, Generator
from errno import ENODATA
from math import inf

import apsw

from eventstore.errors import StoreError, translated
from eventstore.storage.connection import Store
from joblist.callback_guard import answering
from joblist.live.snapshots import Snapshots
from joblist.ports import Bus, Message
from joblist.protocol.responses import ListResponses

MOST_JOBS = 1000
"""Jobs in one response of a stream."""
TURN = 0.01
"""Seconds that an answer may take before it is another one's turn."""

Jobs = Callable[[apsw.Connection], "Generator[bytes, None, None]"]
"""Finds the jobs of a list; an empty text among them is a place to take a break."""


class _Answer:
    """One answer that is being made.

    ``whole``: nothing may be sent before the answer is known to its end.
    """

    def __init__(
        self,
        message: Message,
        reader: Store,
        jobs: Generator[bytes, None, None],
        *,
        whole: bool,
    ) -> None:
        self.message = message
        self.reader = reader
        self.streaming = message.request.streaming
        self.whole = whole or not self.streaming
        self.jobs = jobs
        self.responses = ListResponses(streaming=self.streaming, most=MOST_JOBS)

    def collect(self, most: float, deadline: float) -> bool:
        """Collect jobs, up to a number or a time; returns whether these were the last."""
        collected = self.responses.collected
        with translated(self.reader.path):
            for job in self.jobs:
                if job:
                    collected.append(job)
                if len(collected) >= most or time.monotonic() > deadline:
                    return False
        return True


class ListStreams:
    """The answers that are being made, turn by turn, a slice each."""

    def __init__(self, bus: Bus, snapshots: Snapshots) -> None:
        self._bus = bus
        self._snapshots = snapshots
        self._answers: deque[_Answer] = deque()
        self._timer = bus.timer(self._turn)

    def begin(self, message: Message, jobs: Jobs, *, whole: bool) -> None:
        """Answer a request with ``jobs``, the first slice at once; raises StoreError.

        ``whole``: whether an error may still come after the first job was found.
        """
        reader = self._snapshots.take()
        self._answers.appendleft(_Answer(message, reader, jobs(reader.db), whole=whole))
        self._turn()

    def drop(self, message: Message) -> None:
        """Forget the answers to a client that went away."""
        for answer in [a for a in self._answers if a.message.dropped_by(message)]:
            self._answers.remove(answer)
            self._free(answer)

    def close(self, errno: int) -> None:
        """End all answers, unfinished as they are, with an error."""
        self._timer.stop()
        while self._answers:
            answer = self._answers.popleft()
            self._bus.respond_error(answer.message, errno, None)
            self._free(answer)
        self._snapshots.close()

    def _turn(self) -> None:
        """Send a slice of the answer whose turn it is."""
        if not self._answers:
            return
        answer = self._answers.popleft()
        last = True  # an error ends it, too
        try:
            with answering(self._bus, answer.message):
                last = self._slice(answer)
            if last:
                self._free(answer)
            else:
                self._answers.append(answer)
        finally:
            if self._answers:
                self._timer.start(0.0)

    def _slice(self, answer: _Answer) -> bool:
        """Go on with an answer; returns whether it is complete."""
        at_once = self._snapshots.shared
        last = answer.collect(
            inf if answer.whole or at_once else MOST_JOBS,
            inf if at_once else time.monotonic() + TURN,
        )
        if last or not answer.whole:
            for payload in answer.responses.take(last=last):
                self._bus.respond(answer.message, payload)
        if last and answer.streaming:
            self._bus.respond_error(answer.message, ENODATA, None)
        return last

    def _free(self, answer: _Answer) -> None:
        answer.jobs.close()
        try:
            self._snapshots.give_back(answer.reader)
        except StoreError as error:  # the answer was sent, or its error was
            self._bus.log(syslog.LOG_ERR, f"a snapshot could not be ended: {error}")
