# SPDX-License-Identifier: LGPL-3.0
"""Reads and allocations that fail, and readers that are killed, at many points of an answer.

Each time: a complete answer or a clear error, no exception in a callback (the bus lets it out),
and the next request is answered. ``FAULT_POINTS`` is the number of points, of all tests
together, roughly; a few by default.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from errno import ENODATA
from pathlib import Path
from typing import Any

import pytest

from eventstore.ingest.writer import Writer
from eventstore.storage.connection import create_or_open
from joblist.live.quick import Quick
from projections.engine.views import Views
from tests.joblist.readers.failing_readers import Disk, fault
from tests.joblist.readers.test_readers import readers
from tests.reliability.torture.faults import failing
from tests.support.fake_bus import (
    SENTINEL,
    Module,
    all_in_the_thread,
    readers_that,
)
from tests.support.journal_generator import journal

POINTS = int(os.environ.get("FAULT_POINTS", "30"))
JOBS = 400
_ALL = {"max_entries": 0, "attrs": ["all"]}
_PLANNED = {
    "or": [
        {"and": [{"hostlist": ["node[1-3]"]}, {"t_run": [">1"]}]},
        {"name": ["lammps", "stream"]},
        {"not": [{"userid": [1001]}]},
    ]
}
QUESTIONS: dict[str, tuple[str, dict[str, Any], bool]] = {
    "stream": ("list", _ALL, True),
    "list": ("list", {**_ALL, "attrs": ["state", "name"]}, False),
    "plan": ("list", {**_ALL, "constraint": _PLANNED}, True),
}


def build(folder: Path) -> Module:
    store = create_or_open(str(folder / "jobs.sqlite"))
    views = Views(store)
    Writer(store, "before", views).append(journal(JOBS))
    module = Module(views)
    module.feed(SENTINEL)
    module.bus.pass_time(1)
    return module


def ask(module: Module, name: str, *, fault: object = None) -> list[Any]:
    method, payload, streaming = QUESTIONS[name]
    if fault is not None:
        payload = {**payload, "fault": fault}
    asked = module.ask(method, payload, streaming=streaming)
    module.bus.pass_time(1)
    found = module.answers(asked)
    module.bus.sent.clear()
    return found


def jobs_of(responses: list[Any]) -> list[Any]:
    return [job for response in responses for job in response["jobs"]]


def whole(found: list[Any]) -> list[Any]:
    """Return all jobs of an answer that came to its end."""
    assert not isinstance(found[-1], tuple) or found.pop() == (ENODATA, None)
    return jobs_of(found)


def judge(found: list[Any], expected: list[Any], where: object) -> bool:
    """Fail unless this is an answer or a clear error; returns whether it is an error."""
    end = found[-1]
    assert not any(isinstance(part, tuple) for part in found[:-1]), where
    if not isinstance(end, tuple) or end == (ENODATA, None):
        parts = found[:-1] if isinstance(end, tuple) else found
        assert jobs_of(parts) == expected, where
        return False
    errno, text = end
    assert errno > 0, where
    assert text, where
    assert "internal error" not in text, where
    sent = jobs_of(found[:-1])
    assert sent == expected[: len(sent)], where
    return True


def spread(count: int, over: int) -> Iterator[int]:
    """Yield about so many numbers from 1 to ``over``."""
    yield from range(1, over + 1, max(1, over // max(1, count)))


@pytest.mark.parametrize("name", QUESTIONS)
def test_in_the_thread(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    all_in_the_thread(monkeypatch)
    disk = Disk("read")
    with failing(disk):
        module = build(tmp_path)
    db = module.store.db
    expected = whole(ask(module, name))
    db.execute("PRAGMA shrink_memory")
    disk.begin()
    ask(module, name)
    calls, tried, errors = disk.calls, 0, 0
    assert calls > 3
    for kind, most in (("read", calls), ("memory read", calls), ("heap", 1600)):
        for number in spread(POINTS // 9, most):
            db.execute("PRAGMA shrink_memory")
            with fault(disk, kind, number):
                errors += judge(ask(module, name), expected, (kind, number))
            assert expected == whole(ask(module, name)), (kind, number)
            tried += 1
    print(f"{name}, thread: {tried} points, {errors} errors, {calls} calls")
    assert errors > tried // 3
    assert not [line for line in module.bus.logged if "report" in line]
    module.live.close()
    module.store.close()


@pytest.mark.parametrize("name", QUESTIONS)
def test_in_a_reader(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    readers_that(monkeypatch, "import tests.joblist.readers.failing_readers as f; f.install(w)")
    monkeypatch.setattr(Quick, "list_jobs", lambda *_: None)
    module = build(tmp_path)
    expected = whole(ask(module, name))
    errors = tried = 0
    for kind, most in (("read", 60), ("memory read", 60), ("heap", 1600), ("memory", 4000)):
        for number in spread(POINTS // 12, most):
            where = kind, number
            errors += judge(ask(module, name, fault=where), expected, where)
            tried += 1
            assert expected == whole(ask(module, name)), where
    print(f"{name}, reader: {tried} points, {errors} errors")
    assert errors > tried // 5
    assert not [line for line in module.bus.logged if "report" in line]
    module.live.close()
    module.store.close()


def test_readers_that_are_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After each number of times that something came of them."""
    readers_that(monkeypatch)
    monkeypatch.setattr(Quick, "list_jobs", lambda *_: None)
    module = build(tmp_path)
    expected = whole(ask(module, "stream"))
    errors = 0
    for point in range(max(4, POINTS // 12)):
        asked = module.ask("list", _ALL, streaming=True)
        for _ in range(point % 5):
            if module.bus.expecting():
                module.bus.listen()
        for reader in readers(module):
            os.kill(reader.process.pid, signal.SIGKILL)
        module.bus.pass_time(1)
        errors += judge(module.answers(asked), expected, point)
        module.bus.sent.clear()
        assert expected == whole(ask(module, "stream")), point
    assert errors > 0
    module.live.close()
    module.store.close()
