# SPDX-License-Identifier: LGPL-3.0
"""A bus without a broker: it keeps what the module sends, and the test moves its clock."""

from __future__ import annotations

import itertools
import json
import select
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import apsw
import pytest

from eventstore.own_process import command
from eventstore.storage.connection import Store, create_or_open
from joblist.broker.settings import Settings
from joblist.config import Config
from joblist.journal.pending_lines import LIMITS, Limits
from joblist.live import quick
from joblist.live.dispatcher import Live
from joblist.live.quick import Quick
from joblist.live.thread_time import ThreadTime
from joblist.ports import Message
from joblist.protocol.requests import Credential
from joblist.readers import process
from joblist.service import Request
from projections.engine.views import Views

SENTINEL = b'{"id":-1,"events":[]}'
_number = itertools.count(1)


class FakeTimer:
    def __init__(self, bus: FakeBus, callback: Callable[[], None]) -> None:
        self.bus, self.callback = bus, callback
        self.due: float | None = None

    def start(self, after: float) -> None:
        self.due = self.bus.now + after

    def stop(self) -> None:
        self.due = None


class FakeJournal:
    stopped = False

    def stop(self) -> None:
        self.stopped = True


class FakeWatcher:
    def __init__(self, bus: FakeBus, descriptor: int, callback: Callable[[], None]) -> None:
        self.bus, self.descriptor, self.callback = bus, descriptor, callback

    def stop(self) -> None:
        self.bus.watchers.remove(self)


class FakeBus:
    """Implements `joblist.ports.Bus`.

    ``sent`` has all responses as (message, payload), an error's payload being (errno, text).
    Exceptions of callbacks are let out, unlike those of a broker's connection.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self.sent: list[tuple[Message, bytes | tuple[int, str | None] | None]] = []
        self.logged: list[str] = []
        self.timers: list[FakeTimer] = []
        self.journals: list[FakeJournal] = []
        self.resource_journals: list[FakeJournal] = []
        self.status_asked: list[Callable[[bytes], None]] = []
        self.lookups: list[tuple[int, Callable[[int], None]]] = []
        self.stopped: bool | None = None  # whether it was for a failure
        self.watchers: list[FakeWatcher] = []
        self.more = False  # requests have come that the module has not taken
        self.expecting: Callable[[], bool] = lambda: False  # something of a process

    def respond(self, message: Message, payload: bytes | None) -> None:
        self.sent.append((message, payload))

    def respond_error(self, message: Message, errno: int, text: str | None) -> None:
        self.sent.append((message, (errno, text)))

    def log(self, level: int, text: str) -> None:
        del level
        self.logged.append(text)

    def timer(self, callback: Callable[[], None]) -> FakeTimer:
        self.timers.append(FakeTimer(self, callback))
        return self.timers[-1]

    def readable(self, descriptor: int, callback: Callable[[], None]) -> FakeWatcher:
        self.watchers.append(FakeWatcher(self, descriptor, callback))
        return self.watchers[-1]

    def journal(
        self, arrived: Callable[[bytes], None], ended: Callable[[int, str], None]
    ) -> FakeJournal:
        self.arrived, self.ended = arrived, ended
        self.journals.append(FakeJournal())
        return self.journals[-1]

    def resource_journal(
        self, arrived: Callable[[bytes], None], ended: Callable[[int, str], None]
    ) -> FakeJournal:
        self.resource_arrived, self.resource_ended = arrived, ended
        self.resource_journals.append(FakeJournal())
        return self.resource_journals[-1]

    def resource_status(self, arrived: Callable[[bytes], None]) -> None:
        self.status_asked.append(arrived)

    def job_exists(self, jobid: int, answered: Callable[[int], None]) -> None:
        self.lookups.append((jobid, answered))

    def stop(self, *, failed: bool = False) -> None:
        self.stopped = failed

    def pressed(self) -> bool:
        return self.more

    def tables(self) -> dict[str, Any]:
        return {}

    # -- what the test does

    def pass_time(self, seconds: float, *, turns: int = 10_000, wait: bool = True) -> None:
        """Let timers fire in their order; ``turns`` bounds how many.

        Then ``wait``, by a real clock, for all that is expected of processes.
        """
        end = self.now + seconds
        self._fire(end, turns)
        while wait and self.watchers and self.expecting():
            self.listen()
            self._fire(end, turns)
        self.now = max(self.now, end)

    def listen(self, patience: float = 30.0) -> None:
        """Call those who watch descriptors, when something can be read there."""
        there, _, _ = select.select([w.descriptor for w in self.watchers], [], [], patience)
        assert there, "nothing came"
        for watcher in [w for w in self.watchers if w.descriptor in there]:
            if watcher in self.watchers:
                watcher.callback()

    def _fire(self, end: float, turns: int) -> None:
        for _ in range(turns):
            due = [t for t in self.timers if t.due is not None and t.due <= end]
            if not due:
                break
            timer = min(due, key=lambda t: t.due or 0.0)
            self.now = max(self.now, timer.due or 0.0)
            timer.due = None
            timer.callback()

    def to(self, message: Message) -> list[Any]:
        """Return what was sent in answer to a request, payloads decoded."""
        return [
            json.loads(payload) if isinstance(payload, bytes) else payload
            for asked, payload in self.sent
            if asked is message
        ]


class Instance(FakeBus):
    """A bus with an instance behind it; ``script`` is what happens while it runs."""

    def __init__(self, config: dict[str, Any], **attributes: str) -> None:
        super().__init__()
        self.config, self.attributes = config, attributes
        self.announced = False
        self.kept_alive = 0  # messages
        self.script: Any = lambda: None

    def attribute(self, name: str) -> str | None:
        return self.attributes.get(name.replace(".", "_").replace("-", "_"))

    def tables(self) -> dict[str, Any]:
        return self.config

    def loaded(self) -> None:
        self.announced = True

    def keep_alive(self) -> None:
        self.kept_alive += 1

    def listen(self, handle: Any) -> None:
        self.handle = handle

    def purges(self, arrived: Any) -> None:
        self.purged = arrived

    def on_signal(self, number: int, callback: Any) -> None:
        self.hang_up = callback
        del number

    def run(self) -> None:
        self.script()


def readers_that(monkeypatch: pytest.MonkeyPatch, code: str = "") -> None:
    """Have readers run some code first; ``w`` is their module.

    They do not go behind others either: tests wait for them.
    """
    first = "import itertools, time, joblist.readers.worker as w; w.limits._NICE = 0; "

    def starting(*words: str) -> list[str]:
        before, main, after = "\0".join(command(*words)).partition("main(*")
        return f"{before}{first}{code}\n{main}{after}".split("\0")

    monkeypatch.setattr(process, "command", starting)


def all_by_readers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have nothing answered in the module's thread that a reader can answer."""
    readers_that(monkeypatch)
    monkeypatch.setattr(Quick, "short", lambda *_: False)


def all_in_the_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have everything answered in the module's thread, however long it takes."""
    monkeypatch.setattr(Quick, "short", lambda *_: True)
    monkeypatch.setattr(ThreadTime, "may_have_more", lambda *_: True)
    monkeypatch.setattr(quick, "SLICE", 600.0)
    monkeypatch.setattr(quick, "WALL", 600.0)
    monkeypatch.setattr(quick, "SLICE_BYTES", 2**40)


def message(
    method: str,
    payload: object = None,
    *,
    userid: int = 0,
    rolemask: int = 1,
    streaming: bool = False,
    sender: str = "one",
) -> Message:
    text = None if payload is None else json.dumps(payload).encode()
    request = Request(f"job-list.{method}", text, Credential(userid, rolemask), streaming)
    return Message(request, sender, next(_number))


class Module:
    """A service without Flux."""

    def __init__(
        self,
        views: Views,
        config: Config | None = None,
        boot: str = "boot",
        bus: FakeBus | None = None,
        limits: Limits = LIMITS,
        size: int = 1,
        held: Sequence[bytes] = (),
        thread_time: ThreadTime | None = None,
    ) -> None:
        self.bus = bus or FakeBus()
        self.reopened = 0  # how often the module asked for it
        self.store = views.store
        self.live = Live(
            self.bus,
            views,
            config or Config(),
            name="test",
            boot=boot,
            size=size,
            reread=Settings(self.bus.tables).read,
            limits=limits,
            held=held,
            reopen=self._reopen,
            thread_time=thread_time or ThreadTime(work=lambda: 0.0),
        )
        self.bus.expecting = lambda: bool(self.live.requests.long.open)
        self.live.start()

    def _reopen(self) -> None:
        self.reopened += 1

    def feed(self, *lines: bytes) -> None:
        """Bring responses of the journal."""
        for line in lines:
            self.bus.arrived(line)

    def ask(self, method: str, payload: object = None, **how: Any) -> Message:
        """Send a request; the answer is `answers` of what is returned."""
        asked = message(method, payload, **how)
        self.live.handle(asked)
        return asked

    def answers(self, asked: Message) -> list[Any]:
        return self.bus.to(asked)

    def answer(self, method: str, payload: object = None, **how: Any) -> Any:
        """Send a request that has one answer, and return that."""
        asked = self.ask(method, payload, **how)
        for _ in range(
            3
        ):  # a turn, if its user has had much of the thread's time, and a reader
            if not self.answers(asked):
                self.bus.pass_time(0)
        (found,) = self.answers(asked)
        return found

    def ids(self, **members: Any) -> list[int]:
        """Return the ids that a list has."""
        wanted = {"max_entries": 0, "attrs": [], **members}
        return [job["id"] for job in self.answer("list", wanted)["jobs"]]


def started(*lines: bytes, limits: Limits = LIMITS) -> Module:
    """Return a module whose backlog, empty or these lines, is stored."""
    module = Module(Views(create_or_open(":memory:")), limits=limits)
    module.feed(*lines, SENTINEL)
    module.bus.pass_time(1)
    return module


class Broken:
    """Makes every transaction fail before its COMMIT, while it is ``broken``."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
        self.broken, self.error = True, error
        transaction = Store.transaction

        @contextmanager
        def failing(store: Store) -> Iterator[apsw.Connection]:
            with transaction(store) as db:
                yield db
                if self.broken:
                    raise self.error

        monkeypatch.setattr(Store, "transaction", failing)


def event(jobid: int, time: float, name: str, context: object = None) -> bytes:
    """Return a live response."""
    found: dict[str, object] = {"timestamp": time, "name": name}
    if context is not None:
        found["context"] = context
    return json.dumps({"id": jobid, "events": [found]}).encode()


def life(jobid: int, start: float = 1000.0, *, userid: int = 0) -> list[bytes]:
    """Return the live responses of a job, from submit to clean."""
    submit = {"urgency": 16, "userid": userid, "version": 1, "flags": 0}
    jobspec: dict[str, object] = {
        "resources": [
            {"type": "slot", "count": 1, "with": [{"type": "core", "count": 1}], "label": "t"}
        ],
        "tasks": [{"command": ["app"], "slot": "t", "count": {"per_slot": 1}}],
        "attributes": {"system": {"duration": 0}},
        "version": 1,
    }
    first = json.loads(event(jobid, start, "submit", submit)) | {"jobspec": jobspec}
    steps: list[tuple[str, object]] = [
        ("validate", None),
        ("depend", None),
        ("priority", {"priority": 16}),
        ("alloc", None),
        ("start", None),
        ("finish", {"status": 0}),
        ("release", {"ranks": "all", "final": True}),
        ("free", None),
        ("clean", None),
    ]
    return [json.dumps(first).encode()] + [
        event(jobid, start + index, name, context)
        for index, (name, context) in enumerate(steps, start=1)
    ]


def backlog(lines: list[bytes]) -> bytes:
    """Return a job's live responses as one response of a backlog."""
    parts = [json.loads(line) for line in lines]
    events = [event for part in parts for event in part["events"]]
    return json.dumps(parts[0] | {"events": events}).encode()
