# SPDX-License-Identifier: LGPL-3.0
"""Requests that wait or watch: at, below and above their bounds; ids are looked up by turns."""

from __future__ import annotations

from errno import EAGAIN, ENOENT
from typing import Any

import pytest

from joblist.config import Config
from joblist.live.waiting_list_id import Waiter
from joblist.ports import Message
from joblist.protocol.budgets import Budgets
from tests.support.fake_bus import Module, life

GUEST = {"userid": 42, "rolemask": 2}
OTHER = {"userid": 43, "rolemask": 2}
FEW = Config(
    budgets=Budgets(
        max_waits_user=3, max_waits=5, max_lookups=2, max_watchers_user=3, max_watchers=5
    )
)


def of_user(what: str) -> tuple[int, str]:
    return EAGAIN, f"3 requests of this user {what}; try again later"


def of_all(what: str) -> tuple[int, str]:
    return EAGAIN, f"5 requests {what}; try again later"


@pytest.fixture
def few(module: Module) -> Module:
    module.live.reconfigure(FEW)
    return module


def wait(module: Module, jobid: int, **who: Any) -> list[Any]:
    return module.answers(module.ask("list-id", {"id": jobid, "attrs": []}, **who))


def test_how_many_may_wait(few: Module) -> None:
    assert [[], [], []] == [wait(few, n, **GUEST) for n in (1, 2, 3)]
    assert [of_user("wait for jobs")] == wait(few, 4, **GUEST)
    assert [[], []] == [wait(few, n, **OTHER) for n in (1, 5)]
    assert [of_all("wait for jobs")] == wait(few, 6, **OTHER)
    few.ask("disconnect", **GUEST)
    assert [[], [], []] == [wait(few, n, **GUEST) for n in (1, 2, 3)]
    assert [of_user("wait for jobs")] == wait(few, 4, **GUEST)


def test_who_was_answered_may_wait_again(few: Module) -> None:
    asked = [few.ask("list-id", {"id": n, "attrs": []}, **GUEST) for n in (1, 2, 3)]
    for place in range(3):
        few.bus.lookups[place][1](0 if place == 1 else ENOENT)
    assert [[(ENOENT, None)], [], [(ENOENT, None)]] == [few.answers(one) for one in asked]
    assert [[], []] == [wait(few, n, **GUEST) for n in (1, 2)]
    assert [of_user("wait for jobs")] == wait(few, 3, **GUEST)


def test_ids_are_looked_up_some_at_a_time(few: Module) -> None:
    asked = [few.ask("list-id", {"id": n, "attrs": []}) for n in (1, 2, 3)]
    assert [1, 2] == [jobid for jobid, _ in few.bus.lookups]
    assert {"lookups": 3, "waits": 0} == few.answer("stats-get")["idsync"]
    few.bus.lookups[1][1](ENOENT)
    assert [1, 2, 3] == [jobid for jobid, _ in few.bus.lookups]
    few.bus.lookups[2][1](ENOENT)
    few.bus.lookups[0][1](ENOENT)
    assert [[(ENOENT, None)]] * 3 == [few.answers(one) for one in asked]
    assert {"lookups": 0, "waits": 0} == few.answer("stats-get")["idsync"]


def test_who_went_away_is_not_looked_up(few: Module) -> None:
    for jobid in (1, 2, 3):
        wait(few, jobid, sender="two")
    few.ask("disconnect", sender="two")
    assert [] == wait(few, 4)
    few.bus.lookups[0][1](0)
    assert [1, 2, 4] == [jobid for jobid, _ in few.bus.lookups]
    assert {"lookups": 1, "waits": 0} == few.answer("stats-get")["idsync"]


def test_thousands_of_ids_are_looked_up_in_as_many_steps(
    module: Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No request is looked for among all others."""
    compared = 0

    def counted(one: Any, other: Any) -> bool:
        nonlocal compared
        compared += 1
        return one is other

    monkeypatch.setattr(Waiter, "__eq__", counted)
    for jobid in range(2000):
        wait(module, jobid)
    while module.bus.lookups:
        assert len(module.bus.lookups) <= Budgets().max_lookups
        module.bus.lookups.pop()[1](ENOENT)
    assert compared == 0
    assert {"lookups": 0, "waits": 0} == module.answer("stats-get")["idsync"]
    assert 2000 == sum(payload == (ENOENT, None) for _, payload in module.bus.sent)


def watch(module: Module, **who: Any) -> Any:
    return module.answer("job-stats", {}, streaming=True, **who)


def test_how_many_may_watch(few: Module) -> None:
    assert all(isinstance(watch(few, **GUEST), dict) for _ in range(3))
    assert of_user("watch job-stats") == watch(few, **GUEST)
    assert all(isinstance(watch(few, **OTHER), dict) for _ in range(2))
    assert of_all("watch job-stats") == watch(few, **OTHER)
    few.ask("disconnect", **GUEST)
    assert 2 == few.answer("stats-get")["stats_watchers"]
    assert all(isinstance(watch(few, **GUEST), dict) for _ in range(3))
    assert of_user("watch job-stats") == watch(few, **GUEST)


def test_many_that_wait_for_one_job_are_answered_some_at_a_time(module: Module) -> None:
    first, second, *others = life(7, 1e9)
    module.feed(first, second)
    module.bus.pass_time(1)
    asked = [
        module.ask("list-id", {"id": 7, "attrs": [], "state": 64}, sender=f"{n}")
        for n in range(150)
    ]
    module.feed(*others)
    module.live.follower.flush()
    assert 64 == sum(bool(module.answers(one)) for one in asked)
    module.ask("disconnect", sender="149")
    module.bus.pass_time(0)
    assert all(module.answers(one)[0]["job"]["id"] == 7 for one in asked[:149])
    assert [] == module.answers(asked[149])
    assert 0 == module.live.requests.waiting.waits


def test_who_goes_away_is_found_without_a_look_at_others(
    module: Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(30):
        wait(module, 5, sender=f"{number}", **GUEST)
    looks = []
    dropped_by = Message.dropped_by

    def counting(one: Message, other: Message) -> bool:
        looks.append(one)
        return dropped_by(one, other)

    monkeypatch.setattr(Message, "dropped_by", counting)
    module.ask("disconnect", sender="4", **GUEST)
    module.ask("disconnect", sender="unknown", **GUEST)
    assert 1 == len(looks)
    assert 29 == module.live.requests.waiting.lookups
