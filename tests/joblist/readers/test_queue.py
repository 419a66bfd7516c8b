# SPDX-License-Identifier: LGPL-3.0
"""Whose request a reader gets next, and whose is refused."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import closing, suppress
from typing import NamedTuple

import apsw
import pytest

from joblist.live.thread_time import BURST, BURST_HELD, SHARE, OverSlice, ThreadTime, slice_of
from joblist.protocol.budgets import Budgets
from joblist.protocol.errors import RpcError
from joblist.readers.queue import FEW, SMALL, FairQueue
from joblist.readers.shares import HALF_LIFE, LONG, Shares
from joblist.run_queue import queued

MANY = Budgets()


class Item(NamedTuple):
    """A request of ``size`` bytes."""

    userid: int
    size: int = 100


class Clock:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_share_includes_what_goes_on_and_is_forgotten_by_halves() -> None:
    clock = Clock()
    shares = Shares(clock)
    shares.begin(7, "one", clock)
    clock.now += 4
    assert (shares.of(7), shares.longest(7)) == (4, 4)
    shares.end(7, "one")
    shares.begin(7, "two", clock)
    clock.now += 1
    shares.end(7, "two")
    assert shares.of(7) == pytest.approx(5, rel=0.03)
    assert shares.longest(7) == pytest.approx(4, rel=0.03)
    clock.now += HALF_LIFE
    assert shares.of(7) == pytest.approx(2.5, rel=0.03)
    assert shares.longest(7) == pytest.approx(2, rel=0.03)
    assert shares.of(8) == 0


def test_who_has_had_least_comes_first() -> None:
    clock = Clock()
    queue: FairQueue[Item] = FairQueue(clock)
    queue.add(Item(1), MANY)
    first = queue.next(3)
    assert first is not None
    clock.now += 0.3
    queue.closed(first)
    queue.add(Item(1), MANY)
    queue.add(Item(2), MANY)
    assert queue.next(3) == Item(2)


def test_users_with_long_requests_leave_a_reader_to_others() -> None:
    clock = Clock()
    queue: FairQueue[Item] = FairQueue(clock)
    for userid in range(5):
        queue.add(Item(userid), MANY)
    assert [queue.next(3), queue.next(3)] == [Item(0), Item(1)]
    clock.now += LONG + 0.1  # both go on
    third = queue.next(3)
    assert third == Item(2)
    clock.now += LONG + 0.1
    queue.closed(third)
    queue.add(Item(2), MANY)
    for _ in range(2):  # 3 and 4 have had nothing, 2 has to wait
        found = queue.next(3)
        assert found in {Item(3), Item(4)}
        queue.closed(found)
    assert queue.next(3) is None
    queue.closed(Item(0))
    assert queue.next(3) == Item(2)


def test_who_asks_often_for_little_has_the_reader_that_is_left() -> None:
    clock = Clock()
    queue: FairQueue[Item] = FairQueue(clock)
    for _ in range(200):
        queue.add(Item(1), MANY)
        short = queue.next(3)
        assert short == Item(1)
        clock.now += LONG / 10
        queue.closed(short)
    for _ in range(2):
        queue.add(Item(2), MANY)
        assert queue.next(3) == Item(2)
    clock.now += 5  # both go on
    queue.add(Item(2), MANY)
    queue.add(Item(1), MANY)
    assert queue.next(3) == Item(1)
    assert queue.next(3) is None


def test_many_who_had_little_each_leave_it_too_where_their_requests_are_long() -> None:
    """However much more another one has had."""
    clock = Clock()
    queue: FairQueue[Item] = FairQueue(clock)
    for userid, seconds in [(9, 60.0), *((user, 1.0) for user in range(1, 6))]:
        queue.add(Item(userid), MANY)
        one = queue.next(3)
        assert one == Item(userid)
        clock.now += seconds
        queue.closed(one)
    for userid in (9, 1, 2, 3, 4, 5):
        queue.add(Item(userid), MANY)
    assert [True, True, False] == [queue.next(3) is not None for _ in range(3)]
    queue.add(Item(7), MANY)
    assert queue.next(3) == Item(7)


def test_a_reader_without_a_processor_takes_no_time_of_its_user() -> None:
    clock, spent = Clock(), Clock()
    queue: FairQueue[Item] = FairQueue(clock)
    queue.add(Item(1), MANY)
    assert queue.next(3, spent) == Item(1)
    clock.now += 60
    spent.now += 0.1
    queue.closed(Item(1))
    assert queue._shares.of(1) == pytest.approx(0.1)


def test_a_users_first_few_small_requests_are_not_refused_for_what_others_have() -> None:
    queue: FairQueue[Item] = FairQueue(Clock())
    full = Budgets(max_open=2, max_open_bytes=1)
    queue.add(Item(1, 2**19), full)
    queue.add(Item(2, 2**19), full)
    for _ in range(FEW):
        queue.add(Item(3, SMALL // FEW), full)
    with pytest.raises(RpcError, match="requests are not answered yet"):
        queue.add(Item(3, 1), full)
    with pytest.raises(RpcError, match="requests are not answered yet"):
        queue.add(Item(4, SMALL + 1), full)


def test_the_threads_time_is_counted_by_its_own_clock() -> None:
    """A machine that is busy with other things makes nobody spend more."""
    clock, work = Clock(), Clock()
    spent = ThreadTime(clock, work)
    with spent.of(1):
        clock.now += 60
    assert spent.may_have_more(1)
    with spent.of(1):
        work.now += 2 * BURST
    assert not spent.may_have_more(1)
    clock.now += BURST / SHARE + 0.1
    assert spent.may_have_more(1)


def test_slices_that_are_in_vain_count_by_the_wall() -> None:
    """Of a slow disk, or of a machine without a processor to spare: nobody else is answered."""
    clock, work = Clock(), Clock()
    spent = ThreadTime(clock, work)
    with spent.trying(1):
        clock.now += 60  # it was answered
    assert spent.may_have_more(1)
    with suppress(OverSlice), spent.trying(1):
        clock.now += BURST_HELD + 0.01
        raise OverSlice
    assert not spent.may_have_more(1)
    assert spent.may_have_more(2)
    clock.now += 0.01 / SHARE + 0.1
    assert spent.may_have_more(1)


def test_a_slice_that_waits_for_a_processor_is_not_in_vain_for_that() -> None:
    clock, work, waited = Clock(), Clock(), Clock()
    spent = ThreadTime(clock, work, waited)
    with suppress(OverSlice), spent.trying(1):
        clock.now += 60
        waited.now += 60
        raise OverSlice
    assert spent.may_have_more(1)


def test_waiting_for_a_processor_is_no_part_of_a_slice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock, waited = Clock(), Clock()
    monkeypatch.setattr("joblist.live.thread_time.time.monotonic", clock)
    monkeypatch.setattr("joblist.live.thread_time.queued", waited)
    with closing(apsw.Connection(":memory:")) as db, slice_of(db, 10.0, 0.05) as look:
        clock.now += 5
        waited.now += 5
        look()
        clock.now += 0.06
        with pytest.raises(OverSlice):
            look()


def test_the_system_says_how_long_a_thread_waits_for_a_processor() -> None:
    if not os.path.exists("/proc/thread-self/schedstat"):
        pytest.skip("the system does not say")
    before = queued()
    script = "import time\nend = time.monotonic() + 0.6\nwhile time.monotonic() < end: pass"
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        others = [subprocess.Popen([sys.executable, "-c", script]) for _ in range(2)]
        while others[0].poll() is None:
            sum(range(1000))
        for other in others:
            other.wait()
    finally:
        os.sched_setaffinity(0, cores)
    assert queued() - before > 0.1
