# SPDX-License-Identifier: LGPL-3.0
"""A projection that fails is left behind by itself, in the batch in which it does."""

from __future__ import annotations

import apsw
import pytest

from eventstore.errors import StoreError
from eventstore.ingest.writer import Writer
from eventstore.storage.connection import Store
from eventstore.storage.sql import fetch
from projections.definitions.interface import Put
from projections.definitions.registry import BUILTIN
from projections.engine.left_behind import failed
from projections.engine.rebuild import rebuild, refresh
from projections.engine.verify_views import differing
from projections.engine.views import Views
from projections.job.reducers import FOLD_VERSION
from projections.job.state import Job
from tests.support.fake_bus import Module
from tests.support.field_jobs import SENTINEL, backlog, job, recorded
from tests.support.recordings import new_store

CASE = recorded("odd-clocks")


def left_behind(store: Store) -> list[str]:
    """Return the projections of version 1 that are stored as failed."""
    versions = {"raising": f"{FOLD_VERSION}.1"}
    return list(failed(store.db, versions))


class Raising:
    """A projection that raises at the n-th row that it is asked for."""

    name = "raising"
    version = 1
    schema = "CREATE TABLE raising (job INTEGER PRIMARY KEY);\n"

    def __init__(self, after: int) -> None:
        self.left = after

    def rows(self, of: Job) -> list[Put]:
        self.left -= 1
        if self.left < 0:
            raise ZeroDivisionError("boom")
        return [Put("raising", (of.key,))]


@pytest.mark.parametrize("after", [0, 1, 7])
def test_the_module_goes_on(after: int) -> None:
    store, _ = new_store()
    module = Module(Views(store, [*BUILTIN, Raising(after)]))
    module.feed(SENTINEL, *(line for line in CASE[1:]))
    module.bus.pass_time(1)
    assert len(module.ids()) == 8
    assert sum("raising" in line and "boom" in line for line in module.bus.logged) == 1
    assert module.live.follower.total.rejected == 0


def test_a_writer_goes_on() -> None:
    store, _ = new_store()
    views = Views(store, [*BUILTIN, Raising(3)])
    writer = Writer(store, "test", views)
    assert [line for part in (CASE[:40], CASE[40:]) for line in [writer.append(part).new]] == [
        39, 41,
    ]  # fmt: skip


class Faulty(Raising):
    """A projection in which something raises that is not its own fault."""

    def rows(self, of: Job) -> list[Put]:
        raise apsw.FullError("the disk is full")


def test_a_full_disk_is_no_fault_of_a_projection() -> None:
    store, _ = new_store()
    views = Views(store, [*BUILTIN, Faulty(0)])
    with pytest.raises(StoreError, match="no space left"):
        Writer(store, "test", views).append(CASE[:40])
    assert [] == left_behind(store)
    assert [(0,)] == fetch(store.db, "SELECT count(*) FROM event")


class Once:
    """A participant behind the views that raises in the first batch."""

    def __init__(self) -> None:
        self.raised = False

    def apply(self, *_: object) -> None:
        if not self.raised:
            self.raised = True
            raise apsw.IOError("not today")

    def committed(self) -> None: ...

    def rolled_back(self) -> None: ...


def test_a_failure_that_is_rolled_back_is_tried_again() -> None:
    """Whether its batch is stored decides whether it is left behind."""
    store, _ = new_store()
    views = Views(store, [*BUILTIN, Raising(0)])
    said: list[str] = []
    views.tell(said.append)
    writer = Writer(store, "test", views, Once())
    with pytest.raises(StoreError, match="reading or writing failed"):
        writer.append(CASE[:40])
    assert ([], []) == (said, left_behind(store))
    writer.append(CASE[:40])
    writer.append(CASE[40:])
    assert 1 == len(said)
    assert "projection raising: left behind: ZeroDivisionError: boom" in said[0]


def test_what_did_not_fail_after_all_goes_on() -> None:
    """It raised in a batch that was rolled back, and not when that was tried again."""
    store, _ = new_store()
    unlucky = Raising(0)
    views = Views(store, [*BUILTIN, unlucky])
    writer = Writer(store, "test", views, Once())
    with pytest.raises(StoreError):
        writer.append(CASE)
    unlucky.left = 1000
    writer.append(CASE)
    assert [(8,)] == fetch(store.db, "SELECT count(*) FROM raising")
    assert [] == left_behind(store)


def test_one_that_failed_is_not_tried_at_each_opening() -> None:
    store, _ = new_store()
    Writer(store, "test", Views(store, [*BUILTIN, Raising(0)])).append(CASE[:40])
    again = Raising(1000)
    views = Views(store, [*BUILTIN, again])
    assert (set(), []) == (views.stale, refresh(views))
    assert 1000 == again.left
    assert ["raising"] == rebuild(views, ["raising"])


class Halfway(Raising):
    """A projection of which one job's second row does not fit."""

    def rows(self, of: Job) -> list[Put]:
        return [Put("raising", (of.key,)), *([Put("raising", ())] if of.id >> 24 == 5 else [])]


def test_of_a_batch_that_fails_no_row_stays() -> None:
    store, _ = new_store()
    writer = Writer(store, "test", Views(store, [*BUILTIN, Halfway(0)]))
    writer.append(CASE[:20])
    before = fetch(store.db, "SELECT job FROM raising")
    writer.append(CASE[20:])
    assert ["raising"] == left_behind(store)
    assert before == fetch(store.db, "SELECT job FROM raising") != []


class Unpurged(Raising):
    """A projection that fails at one of the jobs that are purged."""

    def rows(self, of: Job) -> list[Put]:
        if of.t_purged and of.id >> 24 == 590:
            raise ZeroDivisionError("boom")
        return [] if of.t_purged else [Put("raising", (of.key,))]


def test_of_a_large_purge_that_fails_no_row_stays() -> None:
    """Its jobs are taken in parts, of which the first ones had been written."""
    store, _ = new_store()
    writer = Writer(store, "test", Views(store, [*BUILTIN, Unpurged(0)]))
    writer.append([backlog(job(n)) for n in range(1, 601)])
    ids = ",".join(str(n << 24) for n in range(1, 601))
    writer.append([b'{"jobs":[%b]}' % ids.encode()])
    assert ["raising"] == left_behind(store)
    assert [(600,)] == fetch(store.db, "SELECT count(*) FROM raising")
    assert [(600, 600)] == fetch(store.db, "SELECT count(*), count(t_purged) FROM inactive")
    with store.snapshot() as db:
        assert differing(db, projections=BUILTIN) is None


def test_a_failure_of_ours_is_none_of_a_site() -> None:
    """Those that are built in raise: a fault of the program is not left behind."""
    store, views = new_store()
    store.db.execute("DROP TABLE active")
    with pytest.raises(StoreError, match="no such table"):
        Writer(store, "test", views).append(CASE[:40])
    assert [] == left_behind(store)
