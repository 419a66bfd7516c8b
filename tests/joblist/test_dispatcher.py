# SPDX-License-Identifier: LGPL-3.0
"""The module's requests: deferred, waiting, watched, sliced; without Flux."""

from __future__ import annotations

import json
from collections.abc import Iterator
from errno import EAGAIN, EINVAL, EIO, ENODATA, ENOENT, ENOSYS, EPERM, EPROTO
from pathlib import Path

import pytest

from eventstore.ingest.writer import Writer
from eventstore.storage.connection import create_or_open
from joblist.config import Config
from joblist.live import memory_lists
from joblist.live.quick import Quick
from joblist.live.stats_watchers import DELAY
from joblist.ports import Message
from joblist.protocol.budgets import Budgets
from projections.engine.views import Views
from projections.job.state import CLEANUP, DEPEND, INACTIVE, RUN, SCHED
from tests.support.fake_bus import SENTINEL, Module, backlog, event, life
from tests.support.journal_generator import journal
from tests.support.recordings import Recording, new_store, recordings

WITH_WAITS = [recording for recording in recordings() if recording.lines("waits")]
GUEST = {"userid": 42, "rolemask": 2}


# -- the backlog


def test_requests_wait_for_the_backlog() -> None:
    _, views = new_store()
    module = Module(views)
    listing = module.ask("list", {"max_entries": 0, "attrs": ["state"]})
    by_id = module.ask("list-id", {"id": 1, "attrs": []})
    assert "userid" in module.answer("list-attrs")["attrs"]
    assert module.answer("job-stats")["job_states"]["total"] == 0
    module.feed(backlog(life(1)))
    module.bus.pass_time(1)
    assert [] == module.answers(listing)
    module.feed(SENTINEL)
    module.bus.pass_time(1)
    assert [{"jobs": [{"id": 1, "state": INACTIVE}]}] == module.answers(listing)
    assert [{"job": {"id": 1}}] == module.answers(by_id)


def test_what_no_backlog_changes_is_answered_before_it() -> None:
    _, views = new_store()
    first = Module(views, boot="a")
    first.feed(SENTINEL, *life(1), *life(3), b'{"jobs":[1]}')
    first.live.close()
    again = Module(views, boot="a")
    # The job manager has job 3, and may tell of it what is not known here.
    assert [] == again.answers(again.ask("list-id", {"id": 3, "attrs": []}))
    assert {"job": {"id": 1}} == again.answer("list-id", {"id": 1, "attrs": []})
    assert [] == again.answers(again.ask("list-id", {"id": 2, "attrs": []}))
    again.live.close()
    # Another boot may be of another instance, whose job 1 is another job.
    other = Module(views, boot="b")
    assert [] == other.answers(other.ask("list-id", {"id": 1, "attrs": []}))


def test_jobs_that_a_complete_backlog_does_not_have_are_gone() -> None:
    _, views = new_store()
    first = Module(views, boot="a")
    ended, running, other = life(1), life(2, 2000.0), life(3, 3000.0)
    first.feed(SENTINEL, *ended, *running[:6], *other[:6])
    first.bus.pass_time(1)
    assert [3, 2, 1] == first.ids()
    first.live.close()
    again = Module(views, boot="b")
    again.feed(backlog(other[:6]), SENTINEL)
    again.bus.pass_time(1)
    assert [3, 1] == again.ids()
    assert 1 == again.answer("job-stats")["job_states"]["run"]
    again.feed(*running[6:])  # it was not gone after all
    assert [3, 2, 1] == again.ids()
    again.live.close()
    follow = Module(views, Config(follow_purges=True), boot="c")
    follow.feed(backlog(other[:6]), SENTINEL)
    follow.bus.pass_time(1)
    assert [3] == follow.ids()


def test_a_list_shows_all_that_came_before_it(module: Module) -> None:
    module.feed(*life(1))
    assert [1] == module.ids()
    module.feed(b'{"jobs":[1]}')
    assert [1] == module.ids()
    module.live.reconfigure(Config(follow_purges=True))
    assert [] == module.ids()


# -- waiting for a job


def test_an_id_that_is_nowhere_is_refused(module: Module) -> None:
    asked = module.ask("list-id", {"id": 7, "attrs": []})
    assert {"lookups": 1, "waits": 0} == module.answer("stats-get")["idsync"]
    ((jobid, answered),) = module.bus.lookups
    assert 7 == jobid
    answered(ENOENT)
    assert [(ENOENT, None)] == module.answers(asked)
    assert {"lookups": 0, "waits": 0} == module.answer("stats-get")["idsync"]


def test_an_id_that_is_in_the_kvs_is_waited_for(module: Module) -> None:
    asked = [module.ask("list-id", {"id": 7, "attrs": ["state"]}) for _ in range(2)]
    for _, answered in module.bus.lookups:
        answered(0)
    assert {"lookups": 0, "waits": 1} == module.answer("stats-get")["idsync"]
    lines = life(7)
    module.feed(lines[0])
    assert {"lookups": 0, "waits": 1} == module.answer("stats-get")["idsync"]
    module.feed(*lines[1:])
    module.bus.pass_time(1)
    answer = [{"job": {"id": 7, "state": DEPEND}}]
    assert [answer, answer] == [module.answers(one) for one in asked]


def test_an_id_that_comes_while_it_is_looked_up(module: Module) -> None:
    asked = module.ask("list-id", {"id": 7, "attrs": ["state"]})
    module.feed(*life(7))
    module.bus.pass_time(1)
    module.bus.lookups[0][1](0)
    assert [{"job": {"id": 7, "state": INACTIVE}}] == module.answers(asked)


@pytest.mark.parametrize("state", [SCHED, RUN, CLEANUP, INACTIVE])
def test_a_state_is_shown_as_it_was_reached(module: Module, state: int) -> None:
    lines = life(7)
    module.feed(*lines[:3])
    asked = module.ask("list-id", {"id": 7, "attrs": ["state"], "state": state})
    assert [] == module.answers(asked)
    module.feed(*lines[3:])
    module.bus.pass_time(1)
    assert [{"job": {"id": 7, "state": state}}] == module.answers(asked)


def test_a_state_that_is_never_reached_is_answered_by_the_end(module: Module) -> None:
    lines = life(7)
    module.feed(*lines[:3])
    asked = module.ask("list-id", {"id": 7, "attrs": ["state"], "state": RUN})
    cancel = {"type": "cancel", "severity": 0, "note": ""}
    module.feed(event(7, 1010.0, "exception", cancel), event(7, 1011.0, "clean"))
    module.bus.pass_time(1)
    assert [{"job": {"id": 7, "state": INACTIVE}}] == module.answers(asked)


def test_a_job_that_is_refused_is_not_waited_for_longer(module: Module) -> None:
    module.feed(life(7)[0])
    asked = module.ask("list-id", {"id": 7, "attrs": []})
    module.bus.lookups[0][1](0)
    module.feed(event(7, 1001.0, "invalidate"))
    module.bus.pass_time(1)
    assert [(ENOENT, None)] == module.answers(asked)


def test_a_guest_waits_in_vain_for_what_is_private(module: Module) -> None:
    module.live.reconfigure(Config(private=True))
    mine = module.ask("list-id", {"id": 7, "attrs": ["userid"]}, **GUEST)
    other = module.ask("list-id", {"id": 8, "attrs": ["userid"]}, **GUEST)
    for _, answered in module.bus.lookups:
        answered(0)
    module.feed(*life(7, userid=42), *life(8, userid=43))
    module.bus.pass_time(1)
    assert [{"job": {"id": 7, "userid": 42}}] == module.answers(mine)
    assert [(ENOENT, None)] == module.answers(other)


@pytest.mark.parametrize("recording", WITH_WAITS, ids=lambda recording: recording.name)
def test_recorded_waits(recording: Recording) -> None:
    """Every wait of a recording is answered at the point where job-list answered it."""
    waits = recording.objects("waits")
    _, views = new_store()
    module = Module(views, recording.config(1))
    lines = recording.journal(1)
    sent = waits[0]["journal_lines_sent"]
    module.feed(*lines[:sent])
    asked = [
        module.ask("list-id", w["request"], userid=w["userid"], rolemask=w["rolemask"])
        for w in waits
    ]
    done = sent
    for point in waits[0]["journal_lines_seen"]:
        module.feed(*lines[done:point])
        done = point
        module.bus.pass_time(1)
        for wait, message in zip(waits, asked, strict=True):
            answered = wait["journal_lines_answered_by"]
            due = answered is not None and answered <= point
            expected = [json.loads(r) for r in wait["responses"]] if due else []
            found = module.answers(message)
            if "error" in wait and due:
                expected = [(wait["error"]["errno"], wait["error"]["errstr"])]
            assert expected == found, wait


def test_pause(module: Module) -> None:
    lines = life(7)
    assert module.answer("job-state-pause") is None
    module.feed(*lines[:6])
    module.bus.pass_time(1)
    asked = module.ask("list-id", {"id": 7, "attrs": ["state"], "state": CLEANUP})
    module.bus.lookups[0][1](0)
    assert [] == module.ids()
    assert module.answer("job-state-unpause") is None
    assert [7] == module.ids()
    assert [] == module.answers(asked)
    module.feed(*lines[6:])
    module.bus.pass_time(1)
    assert [{"job": {"id": 7, "state": CLEANUP}}] == module.answers(asked)


# -- watching


def test_who_may_watch_no_longer_is_told_once(module: Module) -> None:
    guest = module.ask("job-stats", {}, userid=1, rolemask=2, streaming=True)
    owner = module.ask("job-stats", {}, streaming=True)
    module.live.reconfigure(Config(private=True))
    for jobid in (1, 2, 3):
        module.feed(*life(jobid, 1000.0 * jobid))
        module.bus.pass_time(DELAY * 2)
    assert [EPERM] == [answer[0] for answer in module.answers(guest)[1:]]
    assert 4 == len(module.answers(owner))
    assert 1 == module.answer("stats-get")["stats_watchers"]


def test_watchers_are_told_of_changes_now_and_then(module: Module) -> None:
    asked = module.ask("job-stats", {}, streaming=True)
    assert 1 == len(module.answers(asked))
    assert 1 == module.answer("stats-get")["stats_watchers"]
    lines = life(1)
    for line in lines[:5]:
        module.feed(line)
        module.bus.pass_time(DELAY / 10)
    assert 1 == len(module.answers(asked))
    module.bus.pass_time(DELAY)
    assert 1 == module.answers(asked)[-1]["job_states"]["run"]
    assert 2 == len(module.answers(asked))
    module.bus.pass_time(60)
    assert 2 == len(module.answers(asked))
    module.feed(*life(2, 2000.0)[:6])  # told again, of what changes later
    module.bus.pass_time(60)
    assert [1, 2] == [answer["job_states"]["run"] for answer in module.answers(asked)[1:]]
    module.ask("disconnect", sender="two")
    assert 1 == module.answer("stats-get")["stats_watchers"]
    module.ask("disconnect")
    assert 0 == module.answer("stats-get")["stats_watchers"]
    module.feed(*lines[5:])
    module.bus.pass_time(1)
    assert 3 == len(module.answers(asked))


# -- settings


def test_reload(module: Module) -> None:
    wrong = {"job-list": {"max_comparisons": -1}}
    assert (EINVAL, "job-list.max_comparisons must be >= 0") == module.answer(
        "config-reload", wrong
    )
    typed = module.answer("config-reload", {"job-list": {"purge": 7}})
    assert EINVAL == typed[0]
    assert "job-list.purge" in typed[1]
    right = {"access": {"private-mode": True}, "queues": {"debug": {}}}
    assert module.answer("config-reload", right) is None
    assert (EPERM, None) == module.answer("job-stats", {}, **GUEST)
    assert module.answer("config-reload", {"job-list": {"synchronous": "full"}}) is None
    queues = module.answer("job-stats", {}, **GUEST)["queues"]
    assert ["debug"] == [queue["name"] for queue in queues]
    module.answer("config-reload", {"job-list": {"dbpath": "/elsewhere"}})
    assert "reloaded" in module.bus.logged[-1]


# -- long lists


SLICED = Config(budgets=Budgets(max_jobs=10))


@pytest.fixture(params=["jobs.sqlite", ":memory:"])
def large(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Module]:
    """A module with 100 jobs; its lists take long, and have ten jobs a response."""
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


ALL = {"max_entries": 0, "attrs": []}


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


# -- the end, and what nobody foresaw


def test_close_refuses_what_waits(large: Module) -> None:
    waiting = large.ask("list-id", {"id": 9999, "attrs": []})
    watching = large.ask("job-stats", {}, streaming=True)
    reading = large.ask("list", ALL, streaming=True)
    large.live.close()
    assert [(ENOSYS, None)] * 3 == [
        large.answers(asked)[-1] for asked in (waiting, watching, reading)
    ]


def test_a_fault_of_ours_ends_one_request_only(
    module: Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module.live._service, "jobs", lambda *_: 1 / 0)
    assert EIO == module.answer("list", ALL)[0]
    assert any("ZeroDivisionError" in line for line in module.bus.logged)
    assert "userid" in module.answer("list-attrs")["attrs"]
    assert EAGAIN != module.answer("nonsense")[0] == ENOSYS


def test_finished_jobs_are_not_remembered(module: Module) -> None:
    """What was packed of active jobs goes when they are over."""
    for first in range(0, 2000, 200):
        jobs = [life(first + n, 1000.0 + first) for n in range(200)]
        module.feed(*(line for job in jobs for line in job[:6]))
        module.bus.pass_time(1)
        assert len(module.ids()) == first + 200
        module.feed(*(line for job in jobs for line in job[6:]))
        module.bus.pass_time(1)
    assert len(module.live._service._pack) <= 2 * 200 + 100 + 200  # of 2,000
