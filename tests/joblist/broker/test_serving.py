# SPDX-License-Identifier: LGPL-3.0
"""The stages of a running module: views are made anew beside it, a database is opened again.

The process that makes views is a real one.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from errno import EAGAIN, EIO, ENOSYS, EPERM
from pathlib import Path
from typing import Any

import apsw
import pytest

from eventstore.errors import StoreError
from eventstore.ingest.writer import Writer
from eventstore.storage.connection import create_or_open, open_readonly
from eventstore.storage.sql import fetch, value
from joblist.broker import entry, serving, settings
from joblist.journal import unstored_lines
from joblist.journal.pending_lines import Limits
from projections.engine import rebuild_process
from projections.engine.rebuild_process import RebuildProcess, is_outdated
from projections.engine.verify_views import differing
from projections.engine.views import Views
from tests.support.fake_bus import SENTINEL, Instance, backlog, event, life, message
from tests.support.journal_generator import backlog as long_backlog

LIST = {"max_entries": 0, "attrs": []}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database whose views are those of an older version."""
    found = tmp_path / settings.FILE_NAME
    with create_or_open(str(found)) as store:
        writer = Writer(store, "before", Views(store))
        writer.append([backlog(life(1)), SENTINEL])
        writer.close()
    outdate(found)
    return found


def outdate(path: Path) -> None:
    with apsw.Connection(str(path)) as db:
        db.execute("UPDATE view SET version = 'older'")


@pytest.fixture
def instance(path: Path) -> Instance:
    return Instance({}, rundir=str(path.parent), broker_uuid="b")


def answer(instance: Instance, method: str, payload: object = None, **how: Any) -> Any:
    asked = message(method, payload, **how)
    instance.handle(asked)
    instance.pass_time(0.001)
    while method == "list" and not instance.to(asked) and instance.watchers:
        instance.listen()  # to the reader that it was given to
    found = instance.to(asked)
    return found[0] if found else None


def ids(instance: Instance) -> list[int]:
    return [job["id"] for job in answer(instance, "list", LIST)["jobs"]]


def until(instance: Instance, condition: Callable[[], bool]) -> None:
    """Let the process work, and the module look at it."""
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, instance.logged
        time.sleep(0.01)
        instance.pass_time(serving.LOOK)


def rebuilt(instance: Instance) -> bool:
    return any("rebuilt:" in line for line in instance.logged)


def test_requests_are_refused_at_once_while_views_are_made(
    path: Path, instance: Instance
) -> None:
    def script() -> None:
        assert instance.announced
        errno, text = answer(instance, "list", LIST)
        assert EAGAIN == errno
        assert text.startswith(f"{path}: views are being rebuilt (")
        for method in ("list-id", "job-stats", "stats-get", "job-state-pause"):
            assert EAGAIN == answer(instance, method, {"id": 1, "attrs": []})[0]
        assert "state" in answer(instance, "list-attrs")["attrs"]
        assert ENOSYS == answer(instance, "nonsense")[0]
        assert EPERM == answer(instance, "list", LIST, rolemask=0)[0]
        assert EPERM == answer(instance, "config-reload", {}, rolemask=2)[0]
        wrong = {"job-list": {"purge": "never"}}
        assert "job-list.purge" in answer(instance, "config-reload", wrong)[1]
        assert answer(instance, "config-reload", {}) is None
        assert answer(instance, "disconnect") is None
        until(instance, lambda: rebuilt(instance))
        instance.arrived(SENTINEL)
        instance.pass_time(1)
        assert [1] == ids(instance)

    instance.script = script
    entry.run(instance)
    assert not is_outdated(str(path))
    with open_readonly(str(path)) as store, store.snapshot() as db:
        assert differing(db) is None


def test_what_happens_meanwhile_is_kept(path: Path, instance: Instance) -> None:
    """Also the jobs that end and are purged before the views are there."""
    first, second = life(1), life(2, 2000.0)

    def script() -> None:
        for line in (backlog(first), SENTINEL, *second):
            instance.arrived(line)
        instance.purged(b'{"jobs":[2]}')
        until(instance, lambda: rebuilt(instance))
        assert [True, False] == [journal.stopped for journal in instance.journals]
        for line in (backlog(first), SENTINEL):
            instance.arrived(line)
        instance.pass_time(1)
        assert [2, 1] == ids(instance)

    instance.script = script
    entry.run(instance)
    with open_readonly(str(path)) as store:
        assert 1 == value(store.db, "SELECT count(*) FROM purged")
        assert 0 == value(store.db, "SELECT count(*) FROM gone")
        assert len(first + second) == value(store.db, "SELECT count(*) FROM event")


def test_memory_is_bounded_meanwhile(instance: Instance) -> None:
    held = unstored_lines.UnstoredLines(instance, limits=Limits(kept=1000))
    held.start()
    purge = b'{"jobs":[7]}'
    held.take(purge)
    for line in life(1) * 3:
        instance.arrived(line)
    assert [purge] == held.end()
    assert instance.journals[0].stopped
    assert 1 == sum("too much to keep" in line for line in instance.logged)
    instance.arrived(life(1)[0])  # what was under way
    assert [purge] == held.end()


def test_the_module_can_be_removed_meanwhile_and_goes_on_later(
    path: Path, instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    with create_or_open(str(path)) as store:  # events only
        writer = Writer(store, "more")
        writer.append(long_backlog(3000))
        writer.close()
    started: list[RebuildProcess] = []

    class Watched(RebuildProcess):
        def __init__(self, *args: Any, **how: Any) -> None:
            super().__init__(*args, **how)
            started.append(self)

    monkeypatch.setattr(serving, "RebuildProcess", Watched)
    instance.script = lambda: None  # it is removed at once
    entry.run(instance)
    (process,) = started
    assert process._process.returncode is not None
    assert is_outdated(str(path))

    again = Instance({}, rundir=str(path.parent), broker_uuid="b")
    again.script = lambda: until(again, lambda: rebuilt(again))
    entry.run(again)
    with open_readonly(str(path)) as store, store.snapshot() as db:
        assert differing(db) is None


def test_a_process_that_is_ready_leaves_without_a_word(
    path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    process = RebuildProcess(str(path), lambda text: None)
    assert 0 == process._process.wait(60)
    assert process.is_over()
    assert process.rebuilt
    assert "" == capfd.readouterr().err


def test_the_process_ends_with_the_one_that_started_it(path: Path) -> None:
    process = RebuildProcess(str(path), lambda text: None)
    assert process._process.stdin is not None
    process._process.stdin.close()  # as when this one dies
    status = process._process.wait(30)
    assert status in {0, 1}  # it may have been ready before
    process.end()


def test_a_rebuild_that_fails_is_tried_again(path: Path, instance: Instance) -> None:
    """The instance does not end for it; the log says it once."""

    def script() -> None:
        until(instance, lambda: any("is writing it" in line for line in instance.logged))
        errno, text = answer(instance, "list", LIST)
        assert (EAGAIN, True) == (errno, f"process {os.getpid()} is writing it" in text)
        for _ in range(2):
            instance.pass_time(serving.PAUSE)
            until(instance, lambda: not instance_rebuilds(instance))
        assert 1 == sum("is writing it" in line for line in instance.logged)
        other.close()
        instance.pass_time(serving.PAUSE)
        until(instance, lambda: rebuilt(instance))
        assert instance.stopped is None

    other = create_or_open(str(path))
    instance.script = script
    entry.run(instance)


def instance_rebuilds(instance: Instance) -> bool:
    errno, text = answer(instance, "list", LIST)
    assert errno == EAGAIN
    return "being rebuilt" in text


def test_a_process_that_dies_is_an_error(path: Path) -> None:
    process = RebuildProcess(str(path), lambda text: None)
    process._process.kill()
    process._process.wait()
    with pytest.raises(StoreError, match="has ended"):
        process.is_over()


def test_damaged_states_are_made_anew_beside_the_service(
    path: Path, instance: Instance
) -> None:
    with create_or_open(str(path)) as store:
        rebuild_process.refresh(Views(store))
        writer = Writer(store, "more", Views(store))
        writer.append([life(3, 3000.0)[0]])
        writer.close()
        store.db.execute("UPDATE fold SET data = x'00'")
    assert not is_outdated(str(path))

    def script() -> None:
        assert EAGAIN == answer(instance, "list", LIST)[0]
        until(instance, lambda: rebuilt(instance))

    instance.script = script
    entry.run(instance)


@pytest.mark.parametrize("content", [b"", b"no database", None])
def test_what_is_no_database_is_not_outdated(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "file"
    if content is not None:
        file.write_bytes(content)
    assert not is_outdated(str(file))
    assert not is_outdated(":memory:")
    create_or_open(str(tmp_path / "new")).close()
    assert not is_outdated(str(tmp_path / "new"))


def test_an_older_schema_is_migrated_beside_the_service(path: Path) -> None:
    with apsw.Connection(str(path)) as db:
        db.execute("PRAGMA user_version = 1")
    assert is_outdated(str(path))


# -- a file beside the database goes


@pytest.mark.parametrize("suffix", ["-wal", "-shm", "-lock"])
def test_the_database_is_opened_again(path: Path, instance: Instance, suffix: str) -> None:
    """Nothing is lost, and who asks in between gets an answer or an error with words."""
    with create_or_open(str(path)) as store:
        rebuild_process.refresh(Views(store))

    def script() -> None:
        instance.arrived(SENTINEL)
        instance.pass_time(1)
        assert [1] == ids(instance)
        Path(f"{path}{suffix}").unlink()
        errno, text = answer(instance, "list", LIST)
        assert (EIO, True) == (errno, "was deleted or replaced" in text)
        for line in life(2, 2000.0):
            instance.arrived(line)
        instance.purged(b'{"jobs":[2]}')
        instance.pass_time(serving.AGAIN)
        for line in (backlog(life(1)), SENTINEL, event(1, 9000.0, "memo", {"a": 1})):
            instance.arrived(line)
        instance.pass_time(1)
        assert [2, 1] == ids(instance)
        assert "behind" not in answer(instance, "stats-get")
        assert Path(f"{path}{suffix}").exists()

    instance.script = script
    entry.run(instance)
    with open_readonly(str(path)) as store:
        assert [(1,)] == fetch(store.db, "SELECT count(*) FROM purged")
        assert 21 == value(store.db, "SELECT count(*) FROM event")


def test_opening_again_is_tried_until_it_works(
    path: Path, instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    with create_or_open(str(path)) as store:
        rebuild_process.refresh(Views(store))

    def script() -> None:
        instance.arrived(SENTINEL)
        instance.pass_time(1)
        opening = serving.create_or_open

        def failing(*_: object, **__: object) -> None:
            raise StoreError("not now")

        monkeypatch.setattr(serving, "create_or_open", failing)
        Path(f"{path}-wal").unlink()
        for line in life(2, 2000.0):
            instance.arrived(line)
        instance.pass_time(10)
        errno, text = answer(instance, "list", LIST)
        assert (EAGAIN, "not opened, to be tried again: not now; try again later") == (
            errno,
            text,
        )
        assert 1 == sum("not now" in line for line in instance.logged)
        instance.purged(b'{"jobs":[2]}')
        monkeypatch.setattr(serving, "create_or_open", opening)
        instance.pass_time(serving.AGAIN)
        instance.arrived(SENTINEL)
        instance.pass_time(1)
        assert [2, 1] == ids(instance)

    instance.script = script
    entry.run(instance)
    assert json.loads(b'{"jobs":[2]}')
    with open_readonly(str(path)) as store:
        assert 1 == value(store.db, "SELECT count(*) FROM purged")
