# SPDX-License-Identifier: LGPL-3.0
"""A disk under a running module: files that go away and come back, and locks of others."""

from __future__ import annotations

import time
from collections.abc import Callable
from errno import EAGAIN, EIO
from pathlib import Path

import pytest

from eventstore.errors import Busy
from eventstore.reading.gaps import gaps
from eventstore.storage.connection import HURRIED, create_or_open
from eventstore.storage.sql import value
from joblist.journal import follower
from joblist.journal.pending_lines import Limits
from projections.engine.views import Views
from tests.flux.attacks.faults import read_lock
from tests.support.fake_bus import SENTINEL, Broken, Module, backlog, event, life

LOCKS = {"write": (120, 1), "checkpoint": (121, 1), "all": (120, 8)}
"""The bytes of the -shm file by which SQLite locks the log (walformat.html)."""


def opened(path: Path, *held: bytes, limits: Limits | None = None) -> Module:
    """Return a module that has a file, and a complete backlog of one job."""
    store = create_or_open(str(path), patience=HURRIED)
    module = Module(Views(store), held=held, **({} if limits is None else {"limits": limits}))
    module.feed(backlog(life(1)), SENTINEL)
    module.bus.pass_time(1)
    return module


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "jobs.sqlite"


def ids(module: Module) -> list[int]:
    """Return what is listed, also where it takes more than one slice."""
    asked = module.ask("list", {"max_entries": 0, "attrs": []})
    module.bus.pass_time(0.001)
    (found,) = module.answers(asked)
    return [job["id"] for job in found["jobs"]]


def behind(module: Module) -> str | None:
    found = module.answer("stats-get").get("behind")
    return None if found is None else str(found["reason"])


@pytest.mark.parametrize("which", LOCKS)
def test_a_lock_of_one_who_may_read_holds_nobody_up(path: Path, which: str) -> None:
    """It is behind meanwhile, and stores all of it afterwards."""
    module = opened(path)
    with read_lock(Path(f"{path}-shm"), *LOCKS[which]):
        module.feed(*life(2, 2000.0))
        module.bus.pass_time(5)
        assert ([1] if which != "checkpoint" else [2, 1]) == ids(module)
        assert (which != "checkpoint") == ("another process" in (behind(module) or ""))
    module.bus.pass_time(follower.SOON[-1])
    assert [2, 1] == ids(module)
    assert behind(module) is None
    module.live.close()


def test_a_batch_asks_for_a_lock_once_and_waits_for_it_some_milliseconds(path: Path) -> None:
    module = opened(path)
    waits = 0

    def busy(_: int) -> bool:
        nonlocal waits
        waits += 1
        return False

    assert HURRIED == module.store.db.pragma("busy_timeout") <= 10
    module.store.db.set_busy_handler(busy)
    with read_lock(Path(f"{path}-shm"), *LOCKS["all"]):
        module.feed(event(1, 5000.0, "memo", {"a": 1}))
        module.bus.pass_time(follower.COLLECT)
        assert 1 == waits
        for _ in range(100):  # requests do not try it again
            module.ask("list", {"max_entries": 0, "attrs": []})
        assert 1 == waits
    module.live.close()


def test_what_is_moved_is_missed_and_taken_up_again(path: Path) -> None:
    module = opened(path)
    moved = path.rename(path.with_name("moved"))
    asked = {"list": {"max_entries": 0, "attrs": []}, "list-id": {"id": 1, "attrs": []}}
    for method in ("list", "list-id", "job-stats"):  # before the next batch even
        errno, text = module.answer(method, asked.get(method))
        assert (EIO, True) == (errno, "is no longer there" in text)
    assert "attrs" in module.answer("list-attrs")
    module.feed(*life(2, 2000.0), b'{"jobs":[2]}')
    module.bus.pass_time(100)
    assert "is no longer there" in (behind(module) or "")
    assert 1 == sum("no longer there" in line for line in module.bus.logged)
    moved.rename(path)
    module.bus.pass_time(follower.SOON[-1])
    assert behind(module) is None
    assert [2, 1] == ids(module)
    assert 1 == value(module.store.db, "SELECT count(*) FROM purged")
    module.live.close()


def test_what_is_lost_with_a_module_that_is_behind_lies_in_a_gap(path: Path) -> None:
    """Jobs that ran and were purged while the database was away, until the module ended."""
    module = opened(path)
    moved = path.rename(path.with_name("moved"))
    lost = time.time()
    module.feed(*life(2, 2000.0), b'{"jobs":[2]}')
    module.bus.pass_time(100)
    module.live.close()
    module.store.close()
    assert any("responses are not stored" in line for line in module.bus.logged)
    moved.rename(path)
    again = opened(path)
    assert [1] == ids(again)
    (gap,) = gaps(again.store.db, str(path), ["source"])
    assert gap.since is not None
    assert gap.until is not None
    assert gap.since <= lost <= gap.until
    again.live.close()


@pytest.mark.parametrize("suffix", ["-wal", "-shm", "-lock"])
def test_the_database_is_opened_anew_where_its_log_has_gone(path: Path, suffix: str) -> None:
    """With all that was not stored, in the order in which it came; see the broker's serving."""
    module = opened(path)
    Path(f"{path}{suffix}").unlink()
    lines = [*life(2, 2000.0), b'{"jobs":[2]}']
    module.feed(*lines)
    module.bus.pass_time(1)
    assert module.reopened > 0
    assert lines == module.live.hand_over(EAGAIN)
    assert module.bus.journals[-1].stopped
    module.store.close()
    again = opened(path, *lines)
    assert [2, 1] == ids(again)
    assert 1 == value(again.store.db, "SELECT count(*) FROM purged")
    assert 0 == value(again.store.db, "SELECT count(*) FROM gone")
    found = [gap.kind for gap in gaps(again.store.db, str(path))]
    assert "source" in found  # the one whose end could not be stored
    again.live.close()


def test_what_was_held_is_stored_before_the_backlog_and_once(path: Path) -> None:
    """A job that has been purged meanwhile is in no backlog; sentinels are not held."""
    first, second = life(1), life(2, 2000.0)
    module = Module(
        Views(create_or_open(str(path))),
        held=[backlog(first[:3]), *first[3:], *second, b'{"jobs":[2]}'],
    )
    module.feed(backlog(first), SENTINEL)
    module.bus.pass_time(1)
    assert [2, 1] == ids(module)
    assert len(first) + len(second) == value(module.store.db, "SELECT count(*) FROM event")
    assert 2 == value(module.store.db, "SELECT count(*) FROM job")
    assert behind(module) is None
    module.live.close()


def test_a_live_event_that_was_held_is_no_sign_of_a_restart(path: Path) -> None:
    """Only a whole eventlog shows that what is stored was rolled back."""
    events = life(1)
    module = Module(Views(create_or_open(str(path))))
    module.feed(backlog(events[:5]), SENTINEL)
    module.bus.pass_time(1)
    held = module.live.hand_over(EAGAIN)
    assert [] == held
    again = Module(Views(module.store), held=events[5:7])
    again.feed(backlog(events[:8]), SENTINEL, *events[8:])
    again.bus.pass_time(1)
    assert 1 == value(again.store.db, "SELECT count(*) FROM job")
    assert len(events) == value(again.store.db, "SELECT count(*) FROM event")


def _spend(monkeypatch: pytest.MonkeyPatch, seconds: float) -> Callable[[], int]:
    """Let each look at the clock take some time; returns what counts the looks."""
    looks = 0

    def clock() -> float:
        nonlocal looks
        looks += 1
        return looks * seconds

    monkeypatch.setattr(follower.time, "monotonic", clock)
    return lambda: looks


def test_a_module_that_reads_its_backlog_can_be_removed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Storing a backlog to its end may take long, and the next one has it again."""
    module = Module(Views(create_or_open(str(path))), limits=Limits(lines=1))
    for jobid in range(1, 50):
        module.feed(backlog(life(jobid, 1000.0 * jobid)))
    _spend(monkeypatch, follower.LEAVE / 10)
    module.live.close()
    assert 5 < value(module.store.db, "SELECT count(*) FROM job") < 20
    assert any("responses are not stored" in line for line in module.bus.logged)


def test_a_module_that_follows_stores_all_before_it_is_removed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is live may be in no backlog."""
    module = opened(path, limits=Limits(lines=1))
    for jobid in range(2, 50):
        module.feed(*life(jobid, 1000.0 * jobid))
    _spend(monkeypatch, follower.LEAVE)
    module.live.close()
    assert 49 == value(module.store.db, "SELECT count(*) FROM job")


def test_the_journal_is_followed_while_a_lock_is_held_from_the_start(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Broken(monkeypatch, Busy("locked"))
    disk.broken = False
    module = opened(path)
    disk.broken = True
    module.feed(*life(2, 2000.0))
    module.bus.pass_time(30)
    assert "locked" == behind(module)
    disk.broken = False
    module.bus.pass_time(1)
    assert [2, 1] == ids(module)
    module.live.close()
