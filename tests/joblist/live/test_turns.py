# SPDX-License-Identifier: LGPL-3.0
"""Users who have had much of the thread's time: their requests wait, and others' do not."""

from __future__ import annotations

from collections.abc import Iterator
from errno import EAGAIN, ENOSYS
from itertools import count
from typing import Any

import pytest

from eventstore.storage.connection import create_or_open
from joblist.config import Config
from joblist.live import turns
from joblist.live.thread_time import BURST, SHARE, ThreadTime
from joblist.ports import Message
from joblist.protocol.budgets import Budgets
from projections.engine.views import Views
from tests.support.fake_bus import SENTINEL, Module

GREEDY = {"userid": 42, "rolemask": 2}
ANOTHER = {"userid": 43, "rolemask": 2}
FEW = Config(budgets=Budgets(max_turns_user=3, max_turns=5))


class Days:
    """The clock of days; each request takes as much of the thread as a user may at once."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.work = (BURST * n for n in count())

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def days() -> Days:
    return Days()


@pytest.fixture
def module(days: Days, monkeypatch: pytest.MonkeyPatch) -> Iterator[Module]:
    """A module with turns of one request each; GREEDY and ANOTHER have had their share."""
    monkeypatch.setattr(turns, "TURN", 0.0)
    thread_time = ThreadTime(days, lambda: next(days.work))
    with create_or_open(":memory:") as store:
        module = Module(Views(store), thread_time=thread_time)
        module.feed(SENTINEL)
        module.bus.pass_time(1)
        for who in (GREEDY, ANOTHER):
            module.ask("list-attrs", **who)
        yield module
        module.live.close()


def ask(module: Module, **who: Any) -> Message:
    return module.ask("list-attrs", **who)


def answered(module: Module, asked: list[Message]) -> list[bool]:
    return [bool(module.answers(one)) for one in asked]


def test_others_come_first(module: Module) -> None:
    asked = [ask(module, **GREEDY) for _ in range(3)]
    assert [False] * 3 == answered(module, asked)
    assert module.answer("list-attrs", userid=44, rolemask=2)["attrs"]
    module.bus.pass_time(0)
    assert [True] * 3 == answered(module, asked)


def test_users_take_turns_and_each_keeps_the_order(module: Module) -> None:
    first = [ask(module, **GREEDY) for _ in range(3)]
    second = [ask(module, **ANOTHER) for _ in range(2)]
    module.bus.pass_time(0)
    order = [message for message, _ in module.bus.sent if message in (*first, *second)]
    assert [first[0], second[0], first[1], second[1], first[2]] == order


def test_while_much_comes_a_little_is_done(module: Module) -> None:
    module.bus.more = True
    asked = [ask(module, **GREEDY) for _ in range(4)]
    module.bus.pass_time(0)
    assert [True, False, False, False] == answered(module, asked)
    module.bus.pass_time(turns.PAUSE)
    assert [True, True, False, False] == answered(module, asked)
    module.bus.more = False
    module.bus.pass_time(turns.PAUSE)
    assert [True] * 4 == answered(module, asked)


def test_while_much_comes_whose_requests_do_not_wait_for_each_other_waits_too(
    module: Module,
) -> None:
    module.bus.more = True
    for _ in range(2):
        asked = [ask(module, **GREEDY)]
        module.bus.pass_time(turns.PAUSE)
        assert [True] == answered(module, asked)
        asked = [ask(module, **GREEDY)]  # nobody waits now
        module.bus.pass_time(0)
        assert [False] == answered(module, asked)
        module.ask("disconnect", **GREEDY)
    module.bus.more = False
    module.bus.pass_time(turns.PAUSE)
    asked = [ask(module, **GREEDY)]
    module.bus.pass_time(0)
    assert [True] == answered(module, asked)


def test_whoever_has_had_little_for_a_while_is_answered_at_once(
    module: Module, days: Days
) -> None:
    days.now += 1.01 * BURST / SHARE
    assert [True] == answered(module, [ask(module, **GREEDY)])
    asked = ask(module, **GREEDY)
    days.now += 1.01 * BURST / SHARE
    later = ask(module, **GREEDY)  # behind what waits
    assert [False, False] == answered(module, [asked, later])


def test_how_many_may_wait(module: Module) -> None:
    module.live.reconfigure(FEW)
    waiting = [ask(module, **GREEDY) for _ in range(3)]
    text = "3 requests of this user wait for their turn; try again later"
    assert [(EAGAIN, text)] == module.answers(ask(module, **GREEDY))
    waiting += [ask(module, **ANOTHER) for _ in range(2)]
    text = "5 requests wait for their turn; try again later"
    assert [(EAGAIN, text)] == module.answers(ask(module, **ANOTHER))
    module.bus.pass_time(0)
    assert [True] * 5 == answered(module, waiting)
    assert 0 == module.live.requests.turns.open
    assert [] == module.answers(ask(module, **ANOTHER))


def test_whoever_goes_away_is_forgotten(module: Module) -> None:
    module.live.reconfigure(FEW)
    gone = [ask(module, **GREEDY) for _ in range(2)]
    other = ask(module, **GREEDY, sender="two")
    another = ask(module, **ANOTHER)
    module.ask("disconnect", **GREEDY)  # which does not wait
    assert 2 == module.live.requests.turns.open
    again = ask(module, **GREEDY), ask(module, **GREEDY)
    module.bus.pass_time(0)
    assert [False, False] == answered(module, gone)
    assert [True] * 4 == answered(module, [other, another, *again])


def test_close_refuses_what_waits(module: Module) -> None:
    asked = ask(module, **GREEDY)
    module.live.close()
    assert [(ENOSYS, None)] == module.answers(asked)
