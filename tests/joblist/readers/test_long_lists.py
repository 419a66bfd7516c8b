# SPDX-License-Identifier: LGPL-3.0
"""Lists that take long: by readers from a file, by turns from memory, and what both promise."""

from __future__ import annotations

from collections.abc import Iterator
from errno import EINVAL, ENODATA, ENOSYS, EPROTO
from pathlib import Path

import pytest

from eventstore.ingest.writer import Writer
from eventstore.storage.connection import create_or_open
from joblist.config import Config
from joblist.live import memory_lists
from joblist.live.quick import Quick
from joblist.ports import Message
from joblist.protocol.budgets import Budgets
from projections.engine.views import Views
from tests.support.fake_bus import SENTINEL, Module, all_in_the_thread, life, readers_that
from tests.support.journal_generator import journal

ALL = {"max_entries": 0, "attrs": []}
GUEST = {"userid": 42, "rolemask": 2}
SLICED = Config(budgets=Budgets(max_jobs=10))


@pytest.fixture(params=["jobs.sqlite", ":memory:"])
def large(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Module]:
    """A module with 100 jobs; its lists take long, and have ten jobs a response."""
    readers_that(monkeypatch)
    monkeypatch.setattr(Quick, "list_jobs", lambda *_: None)
    monkeypatch.setattr(memory_lists, "TURN", 0.0)
    memory = request.param == ":memory:"
    with create_or_open(request.param if memory else str(tmp_path / request.param)) as store:
        views = Views(store)
        Writer(store, "before", views).append(journal(100))
        module = Module(views, SLICED)
        module.feed(SENTINEL)
        module.bus.pass_time(1)
        yield module
        module.live.close()


def go_on_until(module: Module, asked: Message, responses: int) -> None:
    """Let readers, and lists in memory, go on until there are so many responses."""
    while len(module.answers(asked)) < responses:
        if module.bus.watchers:
            module.bus.listen()
        else:
            module.bus.pass_time(0, turns=1, wait=False)


def test_a_long_answer_lets_others_in(large: Module, monkeypatch: pytest.MonkeyPatch) -> None:
    before = large.ids()
    asked = large.ask("list", ALL, streaming=True)
    go_on_until(large, asked, 2)
    assert (10, 1) == (len(large.answers(asked)[0]["jobs"]), large.answers(asked)[0]["version"])
    monkeypatch.undo()
    all_in_the_thread(monkeypatch)  # the next one, however much the machine has to do
    large.feed(*life(7777, 2e9))
    assert [7777] == large.ids(max_entries=1)
    assert len(large.answers(asked)) < 11
    large.bus.pass_time(1)
    *responses, end = large.answers(asked)
    assert (ENODATA, None) == end
    ids = [job["id"] for response in responses for job in response["jobs"]]
    assert before == ids  # all of one moment
    assert ["version" in response for response in responses] == [True] + [False] * 9


def test_a_job_that_ends_meanwhile_is_listed_once(large: Module) -> None:
    running = life(7777, 2e9)
    large.feed(*running[:6], *life(7778, 2e9)[:1])
    asked = large.ask("list", ALL, streaming=True)
    go_on_until(large, asked, 1)
    large.feed(*running[6:], *life(7778, 2e9)[1:], *life(7779, 2e9 + 1))
    large.bus.pass_time(1)
    ids = [job["id"] for one in large.answers(asked)[:-1] for job in one["jobs"]]
    assert 101 == len(ids) == len(set(ids))
    assert 7777 == ids[0]


def test_answers_take_turns(large: Module) -> None:
    long = large.ask("list", ALL, streaming=True)
    short = large.ask("list", {**ALL, "max_entries": 5}, streaming=True, userid=7)
    go_on_until(large, short, 2)
    assert (ENODATA, None) == large.answers(short)[-1]
    if not large.bus.watchers:  # of two readers, one may be started later
        assert len(large.answers(long)) < 11


def test_whoever_goes_away_frees_what_was_held(large: Module) -> None:
    asked = large.ask("list", ALL, streaming=True)
    go_on_until(large, asked, 2)
    waiting = large.ask("list", ALL, streaming=True)
    large.ask("disconnect", sender="two", **GUEST)
    assert 2 == large.live.requests.long.open
    large.ask("disconnect")
    large.bus.pass_time(1)
    assert 2 == len(large.answers(asked))
    assert [] == large.answers(waiting)
    assert 0 == large.live.requests.long.open
    if large.store.path != ":memory:":
        # Nothing reads any longer: the log can be taken back to its beginning.
        assert 0 == large.store.db.wal_checkpoint(mode=3)[0]


def test_nothing_comes_before_an_error(large: Module) -> None:
    asked = large.ask("list", {**ALL, "attrs": ["x"]}, streaming=True)
    large.bus.pass_time(1)
    assert [(EINVAL, "x is not a valid attribute")] == large.answers(asked)
    large.live.reconfigure(Config(max_comparisons=50))
    asked = large.ask("list", {**ALL, "constraint": {"userid": [-2]}}, streaming=True)
    large.bus.pass_time(1)
    ((errno, text),) = large.answers(asked)
    assert EINVAL == errno
    assert text.startswith("Excessive comparisons")
    empty = large.ask("list", {**ALL, "constraint": {"states": ["run"]}}, streaming=True)
    large.bus.pass_time(1)
    assert [(ENODATA, None)] == large.answers(empty)
    assert EPROTO == large.answer("list", [])[0]


def test_close_refuses_what_waits(large: Module) -> None:
    waiting = large.ask("list-id", {"id": 9999, "attrs": []})
    watching = large.ask("job-stats", {}, streaming=True)
    reading = large.ask("list", ALL, streaming=True)
    large.live.close()
    assert [(ENOSYS, None)] * 3 == [
        large.answers(asked)[-1] for asked in (waiting, watching, reading)
    ]
