# SPDX-License-Identifier: LGPL-3.0
"""The targets of fuzzing: each takes an input, and raises where an invariant is broken.

``responses``: lines of a journal into a store. ``requests``: messages to the module's service.
``databases``: a small database, damaged, and everything that opens one.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import apsw

from eventstore.errors import JobdbError
from eventstore.events.journal_line import Purge, Response, decode_line
from eventstore.events.resource_line import ResourceResponse, decode_resource
from eventstore.ingest.writer import Writer
from eventstore.maintenance.backup import backup
from eventstore.maintenance.recover import recover
from eventstore.maintenance.verify import verify_chain
from eventstore.reading.gaps import counts, gaps
from eventstore.storage.connection import create_or_open, open_readonly
from joblist.config import Config
from joblist.protocol.requests import Credential
from joblist.service import Request, Service
from projections.engine.rebuild import rebuild, refresh
from projections.engine.views import Views
from tests.reliability.torture import hostile
from tests.reliability.torture.workload import fault, remove
from tests.support.fake_bus import SENTINEL, Module, life, message
from tests.support.journal_generator import backlog, journal

CHECKED = 100  # inputs after which the whole store is looked at


class Target(Protocol):
    """A target of fuzzing."""

    def seeds(self) -> list[bytes]:
        """Return the initial corpus."""

    def mutate(self, data: bytes, random_: random.Random) -> bytes:
        """Return a mutated input."""

    def try_(self, data: bytes) -> None:
        """Try an input; raises AssertionError where an invariant is broken."""

    def close(self) -> None:
        """Check the state that all inputs together have led to."""


class Responses:
    """Lines of a journal: each of their events is stored, known or a reject; views follow."""

    def __init__(self) -> None:
        self._tried = 0
        self._lines = [*journal(2, rate=0.01), *backlog(3)]
        self._lines += [b'{"jobs":[1,2,3]}', *life(7)]
        self._lines += [
            b'{"id":7,"events":[{"timestamp":1003.5,"name":"%b","context":%b}]}' % event
            for event in (
                (b"memo", b'{"a":{"b":1}}'),
                (b"jobspec-update", b'{"attributes.system.duration":5,"attributes.x":[1]}'),
                (b"resource-update", b'{"expiration":99.5}'),
                (b"exception", b'{"type":"cancel","severity":0,"note":"x","userid":5}'),
                (b"dependency-add", b'{"description":"after=1"}'),
                (b"urgency", b'{"urgency":31,"userid":0}'),
                (b"annotations", b'{"annotations":{"sched":{"t_estimate":5}}}'),
            )
        ]
        self._lines += [
            b'{"events":[{"timestamp":1004.5,"name":"%b","context":%b}]}' % event
            for event in (
                (b"restart", b'{"ranks":"0-1","nodelist":"n[0-1]","online":"0"}'),
                (b"online", b'{"idset":"1"}'),
                (b"drain", b'{"idset":"1","reason":"x","overwrite":0}'),
                (b"truncate", b'{"online":"0"}'),
            )
        ]
        self._lines += [b'{"events":[]}', b'{"drain":{},"exclude":"1"}']
        self._open()

    def _open(self) -> None:
        self._store = create_or_open(":memory:")
        self._views = Views(self._store)
        self._writer = Writer(self._store, "fuzz", self._views, boot="one")

    def seeds(self) -> list[bytes]:
        return self._lines

    def mutate(self, data: bytes, random_: random.Random) -> bytes:
        line = data.split(b"\n")[0] if random_.random() < 0.5 else random_.choice(self._lines)
        return hostile.several(line, random_, self._lines)

    def try_(self, data: bytes) -> None:
        lines = [line for line in data.split(b"\n") if line.strip()]
        events = rejects = 0
        for line in lines:
            found = decode_line(line)
            if isinstance(found, Response):
                events, rejects = events + len(found.entries), rejects + len(found.rejects)
                whole = _parsed(line)
                if whole is not None:
                    assert len(whole["events"]) == len(found.entries) + len(found.rejects)
                for entry in found.entries:
                    assert entry.data in line
                continue
            assert found.data == line
            if isinstance(found, Purge):
                continue
            resources = decode_resource(line)
            rejects += resources is None
            if isinstance(resources, ResourceResponse):
                # Of the resource module's log; truncate is no event to keep.
                events += sum(entry.name != "truncate" for entry in resources.entries)
                rejects += len(resources.rejects)
        counted = self._writer.append(lines)
        assert events == counted.new + counted.known
        assert rejects == counted.rejected
        self._tried += 1
        if self._tried % CHECKED == 0:
            self.close()
            self._open()

    def close(self) -> None:
        found = fault(self._store)
        assert found is None, found
        service = Service(self._store, Config())
        for topic, text in (
            ("list", b'{"max_entries":0,"attrs":["all"]}'),
            ("job-stats", None),
            ("stats-get", None),
        ):
            request = Request(f"job-list.{topic}", text, Credential(), streaming=False)
            for answer in service.answer(request):
                json.loads(answer)
        rebuild(self._views)
        self._store.close()


def _parsed(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


_TOPICS = (
    "list", "list", "list", "list-id", "job-stats", "stats-get", "list-attrs",
    "job-state-pause", "job-state-unpause", "config-reload", "disconnect", "odd",
)  # fmt: skip


class Requests:
    """Messages to the service: each is answered, refused or waits, and nothing is logged.

    Two bytes say topic, roles, streaming and settings; the rest is the payload.
    """

    def __init__(self) -> None:
        self._tried = 0
        store = create_or_open(":memory:")
        self._module = Module(Views(store))
        lines = list(journal(60, rate=0.05))
        self._module.feed(*lines[: len(lines) * 2 // 3], *life(7), SENTINEL)
        self._module.bus.pass_time(1)
        ids = self._module.ids()
        self._ids = [*ids[:3], *ids[-3:], 7, 99]

    def seeds(self) -> list[bytes]:
        lists = [
            {"max_entries": 5, "attrs": ["all"]},
            {"max_entries": 0, "attrs": ["state", "name"], "since": 1.0},
            {"max_entries": 0, "attrs": [], "userid": 0, "states": 64, "results": 1},
        ]
        constraints: list[Any] = [
            {"userid": [0, 1000]}, {"name": ["app"]}, {"queue": ["batch"]},
            {"states": ["active"]},
            {"results": ["failed", 2]}, {"hostlist": ["node[0-500]"]}, {"ranks": ["0-77"]},
            {"t_submit": [">1000"]}, {"t_cleanup": ["<=1700000500.5"]},
            {"not": [{"name": ["x"]}]},
            {"and": [{"or": [{"userid": [0]}, {"states": [64]}]}, {"t_run": [">0"]}]},
        ]  # fmt: skip
        lists += [
            {"max_entries": 3, "attrs": ["all"], "constraint": constraint}
            for constraint in constraints
        ]
        found = [b"\0\0" + json.dumps(wanted).encode() for wanted in lists]
        found += [
            b"\3\0" + json.dumps({"id": jobid, "attrs": ["all"], "state": 64}).encode()
            for jobid in self._ids
        ]
        tables = {"job-list": {"max_comparisons": 9, "purge": "keep"}, "access": {}}
        return [*found, b"\4\0", b"\5\0{}", b"\x09\0" + json.dumps(tables).encode()]

    def mutate(self, data: bytes, random_: random.Random) -> bytes:
        if random_.random() < 0.3:
            data = random_.choice(self.seeds())
        head = bytearray(data[:2].ljust(2, b"\0"))
        if random_.random() < 0.3:
            head[random_.randrange(2)] = random_.randrange(256)
        return bytes(head) + hostile.mutate(data[2:], random_)

    def try_(self, data: bytes) -> None:
        head, text = data[:2].ljust(2, b"\0"), data[2:].partition(b"\0")[0]
        bus = self._module.bus
        bus.sent.clear()
        asked = message(
            _TOPICS[head[0] % len(_TOPICS)],
            userid=(0, 1001, 2**32 - 1)[head[1] % 3],
            rolemask=(1, 2, 9, 0)[head[1] // 4 % 4],
            streaming=bool(head[1] & 64),
        )
        asked = asked._replace(request=asked.request._replace(text=text or None))
        self._module.live.handle(asked)
        bus.pass_time(0.1)
        for sent, payload in bus.sent:
            if sent is asked and isinstance(payload, tuple):
                errno, words = payload
                assert errno > 0
                assert words is None or isinstance(words, str)
        for jobid, answered in bus.lookups:
            del jobid
            answered(2)  # ENOENT
        bus.lookups.clear()
        faults = [line for line in bus.logged if "please report" in line]
        assert not faults, bus.logged
        bus.logged.clear()
        self._tried += 1
        # Who pauses or watches goes away again.
        for method in ("job-state-unpause", "disconnect"):
            self._module.ask(method)
        if self._tried % CHECKED == 0:
            self._module.ask("config-reload", {})
            self.close()

    def close(self) -> None:
        stats = self._module.answer("job-stats")
        assert stats["job_states"]["total"] > 40
        taken = self._module.live.requests
        assert (taken.waiting.lookups, taken.waiting.waits, taken.watching.count) == (0, 0, 0)


class Databases:
    """A damaged database: whatever opens it says so, or works; what is recovered is sound."""

    def __init__(self) -> None:
        scratch = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self._folder = Path(tempfile.mkdtemp(dir=scratch, prefix="fuzz-"))
        self._sound = str(self._folder / "sound.sqlite")
        self._path = str(self._folder / "jobs.sqlite")
        self._new = str(self._folder / "new.sqlite")
        lines = list(journal(3, rate=0.05))
        with create_or_open(self._sound) as store:
            writer = Writer(store, "sound", Views(store))
            for start in range(0, len(lines), 20):
                writer.append(lines[start : start + 20])
            writer.append([b'{"jobs":[%d]}' % int(lines[1][6 : lines[1].index(b",")]), b"odd"])
            writer.close()
        # Small pages: more of them in a small file.
        db = apsw.Connection(self._sound)
        db.execute("PRAGMA journal_mode = DELETE; PRAGMA page_size = 512; VACUUM")
        db.execute("PRAGMA journal_mode = WAL")
        db.close()
        store = create_or_open(self._sound)
        Writer(store, "log", Views(store)).append(life(77))
        for suffix in ("", "-wal"):
            shutil.copy(self._sound + suffix, self._sound + ".kept" + suffix)
        store.close()
        self._more = life(78, 5000.0)
        self._tried = 0

    def seeds(self) -> list[bytes]:
        seeded = random.Random(1)
        return [seeded.randbytes(7 * (1 + n % 4)) for n in range(200)]

    def mutate(self, data: bytes, random_: random.Random) -> bytes:
        found = bytearray(data or b"\0")
        if random_.random() < 0.3:
            found += random_.randbytes(7)
        found[random_.randrange(len(found))] = random_.randrange(256)
        return bytes(found)

    def try_(self, data: bytes) -> None:
        for suffix in ("", "-wal"):
            shutil.copy(self._sound + ".kept" + suffix, self._path + suffix)
        hostile.damage(self._path, data)
        kept = {s: Path(self._path + s) for s in ("", "-wal") if Path(self._path + s).exists()}
        before = {suffix: file.read_bytes() for suffix, file in kept.items()}
        self._tried += 1
        others = (self._read, self._answer, self._backup, self._write)
        for look in (others[self._tried % 4], self._recover):
            for suffix, content in before.items():
                Path(self._path + suffix).write_bytes(content)
            with _refusals():
                look()
            remove(self._new)
            remove(self._path)

    def _read(self) -> None:
        with open_readonly(self._path) as store:
            fault(store)
            with store.snapshot() as db:
                list(gaps(db, self._path))
                counts(db, self._path)

    def _answer(self) -> None:
        with create_or_open(self._path) as store:
            module = Module(Views(store))
            for method in ("list", "job-stats", "stats-get"):
                asked = module.ask(method, {"max_entries": 0, "attrs": ["all"]})
                module.bus.pass_time(1)
                del asked

    def _recover(self) -> None:
        recover(self._path, self._new)
        with create_or_open(self._new) as store:
            refresh(Views(store))
            found = fault(store)
            assert found is None, found

    def _backup(self) -> None:
        with open_readonly(self._path) as store:
            done = backup(store, self._new)
        with open_readonly(self._new) as store:
            assert verify_chain(store).head == done.verified.head

    def _write(self) -> None:
        with create_or_open(self._path) as store:
            views = Views(store)
            refresh(views)
            writer = Writer(store, "more", views)
            assert writer.append(self._more).new == len(self._more)
            rebuild(views)
            writer.close()

    def close(self) -> None:
        assert self._tried
        shutil.rmtree(self._folder)


@contextmanager
def _refusals() -> Iterator[None]:
    """Accept errors that are reported in one line."""
    try:
        yield
    except JobdbError as error:
        assert "\n" not in str(error), str(error)


TARGETS: dict[str, Callable[[], Target]] = {
    "responses": Responses,
    "requests": Requests,
    "databases": Databases,
}
