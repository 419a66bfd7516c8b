# SPDX-License-Identifier: LGPL-3.0
"""The readers of a running module: a few processes that answer what its thread does not.

Requests wait in a bounded queue, users by turns (queue.py). Readers are started when there is
something to answer, and one that has ended is replaced; the request that it was at gets an
error and is not tried again. Nothing here waits for a reader: each step is a callback of the
reactor, takes a bounded time, and asks for one response after the other, so that no more than
one a reader is in memory.

Where memory ends in the midst of a step, what it has changed so far cannot be trusted: all
readers are ended, and everyone gets an error (`Readers._start_over`).
"""

from __future__ import annotations

import syslog
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from errno import EAGAIN, EIO, ENODATA, ENOMEM
from functools import partial

import msgspec

from eventstore.events.encoding import to_msgpack
from joblist.callback_guard import OUT_OF_MEMORY, answering
from joblist.config import Config
from joblist.ports import Bus, Message, Watcher
from joblist.protocol.errors import RpcError
from joblist.readers.messages import MOST, Ask, End, Kind
from joblist.readers.process import ReaderProcess
from joblist.readers.queue import FairQueue
from joblist.readers.step import Step

DELAY = 0.5
"""Seconds until a reader is started again when one has ended before it was ready."""
IDLE = 2.0
"""Seconds without a request after which all readers but one are ended."""
PATIENCE, CLOSING = 0.02, 0.2
"""Seconds to wait for a reader that is gone, and for one that was killed as all are closed."""
_ATTEMPTS = 3  # before those who wait are told

Missing = Callable[[Message, End], None]
"""What is done where the answer may come later: the job is not known yet."""


@dataclass(eq=False)
class _Question:
    """A request, with the settings of its moment.

    ``begun``: a reader has begun with it; ``sent``: bytes of its payload.
    """

    message: Message
    config: Config
    missing: Missing | None
    begun: bool = False
    sent: int = 0
    parts: list[bytes] = field(default_factory=list)

    @property
    def userid(self) -> int:
        return self.message.request.credential.userid

    @property
    def size(self) -> int:
        return len(self.message.request.text or b"")


class _State(Enum):
    """What a reader does."""

    STARTING = "starting"
    IDLE = "idle"
    BUSY = "busy"
    LEAVING = "leaving: it has said that it ends"


@dataclass(eq=False)
class _Reader:
    """A reader, and the question that it is at."""

    process: ReaderProcess
    watcher: Watcher | None = None
    state: _State = _State.STARTING
    question: _Question | None = None


class Readers:
    """Answers requests about the database at ``path`` by reader processes."""

    def __init__(self, bus: Bus, path: str, most_hosts: int) -> None:
        self._bus = bus
        self._path = path
        self._most_hosts = most_hosts
        self._queue: FairQueue[_Question] = FairQueue()
        # Those whose answers have not come to their end, in their order.
        self._wanted: dict[_Question, None] = {}
        self._readers: list[_Reader] = []
        self._step = Step(self._start_over)
        self._failures = 0  # at starting, one after the other
        self._timer = bus.timer(self._rested)
        self._resting = False
        self._idle = bus.timer(self._end_idle)
        self._most = self._memory = 1  # as last configured

    # -- what others do

    @property
    def open(self) -> int:
        """How many requests are not answered yet."""
        return len(self._queue)

    def ask(self, message: Message, config: Config, missing: Missing | None = None) -> None:
        """Have a request answered; raises RpcError if too many wait."""
        question = _Question(message, config, missing)
        with self._step:
            self._idle.start(IDLE)
            self._most = config.budgets.max_readers
            self._memory = config.budgets.max_reader_memory
            self._wanted[question] = None
            try:
                self._queue.add(question, config.budgets)
            except RpcError:
                del self._wanted[question]
                raise
            self._go_on()

    def drop(self, message: Message) -> None:
        """Forget the requests of a client that went away."""
        with self._step:
            for question in self._queue.drop(lambda one: one.message.dropped_by(message)):
                self._wanted.pop(question, None)
            for reader in list(self._readers):
                asked = reader.question
                if asked is not None and asked.message.dropped_by(message):
                    self._wanted.pop(asked, None)
                    asked.parts.clear()
                    self._say(reader, Kind.CANCEL)

    def close(self, errno: int) -> None:
        """End all readers, and answer what they were at, and what waits, with an error."""
        self._timer.stop()
        self._idle.stop()
        self._end_all(errno, None, CLOSING)

    def _start_over(self) -> None:
        """End all readers, and answer everyone with an error: memory has ended."""
        self._idle.start(IDLE)  # if memory ends here, too, it is tried again by then
        self._end_all(ENOMEM, OUT_OF_MEMORY, 0.0)
        self._resting = False
        self._bus.log(syslog.LOG_ERR, "memory has ended: all readers were ended")

    def _end_all(self, errno: int, text: str | None, patience: float) -> None:
        while self._wanted:
            self._fail(next(iter(self._wanted)), errno, text)
        self._queue.clear()
        for reader in self._readers:
            reader.process.kill()
        while self._readers:
            self._close(self._readers[-1], patience)

    # -- readers come and go

    def _go_on(self) -> None:
        """Give questions to readers that have none, and start readers that are needed."""
        for reader in list(self._readers):
            if reader.state is _State.IDLE:
                question = self._queue.next(self._most, reader.process.spent)
                if question is None:
                    return
                self._give(reader, question)
        states = [reader.state for reader in self._readers]
        starting = states.count(_State.STARTING)
        # The one that is left for others is there before they ask: on a busy machine, it takes
        # a second to start.
        few = len(states) == self._most - 1 > 1 and not self._failures
        reserve = few and not starting and _State.IDLE not in states
        if len(states) < self._most and (self._queue.waiting > starting or reserve):
            self._start()

    def _start(self) -> None:
        if self._resting:
            return
        try:
            process = ReaderProcess(self._path, self._memory)
        except OSError as error:
            self._not_started(str(error))
            return
        reader = _Reader(process)
        self._readers.append(reader)
        try:
            reader.watcher = self._bus.readable(
                process.fileno(), partial(self._arrived, reader)
            )
        except OSError as error:
            process.kill()
            self._close(reader, PATIENCE)
            self._not_started(str(error))

    def _not_started(self, reason: str) -> None:
        """Try again a little later; when that was in vain, tell those who wait."""
        self._failures += 1
        self._resting = True
        self._timer.start(DELAY)
        if self._failures % _ATTEMPTS or self._readers:
            return
        text = f"no reader process can be started: {reason}"
        self._bus.log(syslog.LOG_ERR, text)
        for question in self._queue.drop(lambda _: True):
            self._fail(question, EAGAIN, f"{text}; try again later")

    def _rested(self) -> None:
        with self._step:
            self._resting = False
            self._go_on()

    def _end_idle(self) -> None:
        """End the readers that have nothing to do, but one: the next request may come soon."""
        with self._step:
            idle = [reader for reader in self._readers if reader.state is _State.IDLE]
            for reader in idle[1:]:
                reader.state = _State.LEAVING
                reader.process.kill()
            if len(idle) < len(self._readers):
                self._idle.start(IDLE)

    def _remove(self, reader: _Reader) -> str:
        """Forget a reader that is gone, or was killed; returns how it ended."""
        question = reader.question
        if question is not None:
            if question in self._wanted and not question.begun:
                self._queue.again(question)
            else:
                self._queue.closed(question)
        return self._close(reader, PATIENCE)

    def _close(self, reader: _Reader, patience: float) -> str:
        """Let go of the process of a reader; returns how it ended."""
        if reader.watcher is not None:
            reader.watcher.stop()
            reader.watcher = None
        how = reader.process.end(patience)
        self._readers.remove(reader)
        return how

    def _no_memory(self, reader: _Reader) -> None:
        """Go on without a reader from which nothing can be taken for now."""
        reader.process.kill()
        question = reader.question
        if question in self._wanted:
            question.parts.clear()
            self._fail(question, ENOMEM, OUT_OF_MEMORY)
        self._lost(reader)

    def _lost(self, reader: _Reader) -> None:
        """Go on without a reader that is gone."""
        question = reader.question
        how = self._remove(reader)
        if reader.state is _State.STARTING:
            self._not_started(f"it has ended: {how}")
        if question in self._wanted and question.begun:
            text = f"the process that answered this request has ended ({how}); ask for less"
            self._fail(question, EIO, text)
            topic = question.message.request.topic
            self._bus.log(
                syslog.LOG_ERR, f"a reader has ended while it answered {topic}: {how}"
            )
        self._go_on()

    # -- one question

    def _fail(self, question: _Question, errno: int, text: str | None) -> None:
        """Answer a question with an error."""
        self._bus.respond_error(question.message, errno, text)
        self._wanted.pop(question, None)

    def _give(self, reader: _Reader, question: _Question) -> None:
        reader.question, reader.state = question, _State.BUSY
        request = question.message.request
        ask = Ask(
            request.topic,
            request.credential.userid,
            request.credential.rolemask,
            request.streaming,
            question.config,
            self._most_hosts,
            None if request.text is None else len(request.text),
        )
        self._say(reader, Kind.ASK, to_msgpack(ask))

    def _say(self, reader: _Reader, kind: Kind, body: bytes | memoryview = b"") -> None:
        try:
            reader.process.send(kind, body)
        except OSError:
            reader.process.kill()  # whoever asked is told when it is gone

    def _arrived(self, reader: _Reader) -> None:
        """Take what a reader says."""
        with self._step:
            if reader.watcher is None:
                return  # it was ended when this step began
            try:
                for kind, body in self._frames(reader):
                    self._take(reader, kind, body)
            except ValueError:  # what no reader says
                reader.process.kill()

    def _frames(self, reader: _Reader) -> list[tuple[Kind, bytes]]:
        """Return what a reader says; nothing if it is gone, or there is no memory for it."""
        try:
            return reader.process.receive()
        except EOFError:
            self._lost(reader)
        except MemoryError:  # it would come again and again
            self._no_memory(reader)
        return []

    def _take(self, reader: _Reader, kind: Kind, body: bytes) -> None:
        question = reader.question
        if kind is Kind.READY:
            reader.state, self._failures = _State.IDLE, 0
            self._go_on()
        elif kind is Kind.FAULT:
            for line in body.decode(errors="replace").splitlines():
                self._bus.log(syslog.LOG_ERR, f"a reader failed; please report: {line}")
        elif question is None:
            return
        elif kind is Kind.BEGUN:
            question.begun = True
        elif kind is Kind.END:
            self._end(reader, question, msgspec.msgpack.decode(body, type=End))
        elif question in self._wanted:
            is_done = False
            with answering(self._bus, question.message):
                self._answer(reader, question, kind, body)
                is_done = True
            if not is_done:  # but answered with an error
                self._wanted.pop(question, None)
                self._say(reader, Kind.CANCEL)

    def _answer(self, reader: _Reader, question: _Question, kind: Kind, body: bytes) -> None:
        """Go on with an answer: its request is sent in parts, and its responses come."""
        message = question.message
        if kind is Kind.MORE:
            text = memoryview(message.request.text or b"")[question.sent :][:MOST]
            question.sent += len(text)
            self._say(reader, Kind.TEXT, text)
            return
        question.parts.append(body)
        if kind is Kind.LAST:
            payload = b"".join(question.parts)
            question.parts.clear()
            self._bus.respond(message, payload)
            if message.request.streaming:
                self._say(reader, Kind.GO)
            else:
                self._wanted.pop(question, None)

    def _end(self, reader: _Reader, question: _Question, end: End) -> None:
        reader.question = None
        reader.state = _State.LEAVING if end.leaving else _State.IDLE
        self._queue.closed(question)
        if question in self._wanted:
            with answering(self._bus, question.message):
                self._tell_end(question, end)
            self._wanted.pop(question, None)
        self._go_on()

    def _tell_end(self, question: _Question, end: End) -> None:
        message = question.message
        if end.missing and question.missing is not None:
            question.missing(message, end)
        elif end.errno:
            text = None if end.text is None else end.text.decode(errors="surrogateescape")
            self._bus.respond_error(message, end.errno, text)
        elif message.request.streaming:
            self._bus.respond_error(message, ENODATA, None)
