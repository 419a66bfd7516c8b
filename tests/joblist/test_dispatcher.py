# SPDX-License-Identifier: LGPL-3.0
"""The module's requests: deferred, waiting, watched, sliced; without Flux."""

from __future__ import annotations

import json
from errno import EAGAIN, EINVAL, EIO, ENOENT, ENOSYS, EPERM

import pytest

from joblist.config import Config
from joblist.live.stats_watchers import DELAY
from projections.job.state import CLEANUP, DEPEND, INACTIVE, RUN, SCHED
from tests.support.fake_bus import SENTINEL, Module, backlog, event, life
from tests.support.recordings import Recording, new_store, recordings

WITH_WAITS = [recording for recording in recordings() if recording.lines("waits")]
GUEST = {"userid": 42, "rolemask": 2}
ALL = {"max_entries": 0, "attrs": []}


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


# -- what nobody foresaw


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
