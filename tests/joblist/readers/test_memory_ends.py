# SPDX-License-Identifier: LGPL-3.0
"""Memory ends in the module while requests are shared out to readers: at each allocation.

Everyone gets one answer, nothing stays open, and the next request is answered.
"""

from __future__ import annotations

import os
import select
from collections.abc import Callable, Iterator
from errno import EIO, ENOMEM, ENOSYS
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from eventstore.events.encoding import to_msgpack
from joblist.config import Config
from joblist.live.quick import Quick
from joblist.ports import Message
from joblist.protocol.budgets import Budgets
from joblist.readers import pool, process
from joblist.readers.messages import Kind
from joblist.readers.queue import FairQueue
from joblist.readers.step import Step
from tests.joblist.readers.test_faults import QUESTIONS, ask, build, judge, spread, whole
from tests.joblist.readers.test_readers import readers
from tests.support.fake_bus import FakeWatcher, Module, message, readers_that
from tests.support.processes.no_memory import fails_at, need_failing

POINTS = int(os.environ.get("FAULT_POINTS", "30"))
OTHER = {"userid": 7, "rolemask": 2, "sender": "two"}
NO_MEMORY = ENOMEM, "out of memory; ask for less, or later"


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Module]:
    """A module whose lists are all answered by readers; at the end, nothing is left of them."""
    readers_that(monkeypatch)
    monkeypatch.setattr(Quick, "list_jobs", lambda *_: None)
    found = build(tmp_path)
    yield found
    assert 0 == found.live.requests.long.open
    assert len(found.bus.watchers) == len(readers(found))
    assert not [line for line in found.bus.logged if "report" in line]
    found.live.close()
    assert [] == found.bus.watchers
    found.store.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # of files
@pytest.mark.parametrize("during", ["asking", "arriving"])
@pytest.mark.parametrize("more", [1, 40])
def test_memory_ends_in_a_step_of_the_pool(module: Module, during: str, more: int) -> None:
    """At one allocation of Python's, and at so many in a row."""
    need_failing()
    expected = whole(ask(module, "list"))
    errors = tried = 0

    def without_memory(number: int, step: Callable[..., object], *args: Message) -> None:
        nonlocal errors
        if fails_at(number, partial(step, *args), more):
            errors += 1
            for request in args:  # as the connection does (Link._requested)
                module.bus.respond_error(request, *NO_MEMORY)

    for number in spread(POINTS // 6, 420):
        asked = message("list", QUESTIONS["list"][1])
        if during == "asking":
            for reader in readers(module)[: number % 3]:  # else, none has to be started
                reader.process.kill()
            without_memory(number, module.live.handle, asked)
        else:
            module.live.handle(asked)
            for _ in range(20):
                for watcher in list(module.bus.watchers):
                    if watcher not in module.bus.watchers:
                        continue
                    if select.select([watcher.descriptor], [], [], 0.01)[0]:
                        without_memory(number, watcher.callback)
        module.bus.pass_time(5)
        found = module.answers(asked)
        module.bus.sent.clear()
        assert 1 == len(found), (number, found)
        errors += judge(found, expected, number)
        tried += 1
        assert 0 == module.live.requests.long.open
        assert expected == whole(ask(module, "list")), number
    print(f"{during}: {tried} points, {errors} errors")
    assert errors > tried // 8


def once(monkeypatch: pytest.MonkeyPatch, where: object, name: str, error: Exception) -> None:
    """Have a method fail the next time that it is called."""
    method = getattr(where, name)

    def failing(*args: Any) -> Any:
        monkeypatch.setattr(where, name, method)
        raise error

    monkeypatch.setattr(where, name, failing)


@pytest.mark.parametrize("error", [MemoryError(), OSError(ENOMEM, "no memory")])
def test_a_reader_that_cannot_be_watched_is_ended(
    module: Module, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It counted as starting for ever, and no other one was started."""
    once(monkeypatch, module.bus, "readable", error)
    first = ask(module, "list")
    assert [NO_MEMORY] == first or whole(first)
    assert whole(ask(module, "list"))
    assert 1 == len(readers(module))


def test_a_watcher_that_cannot_be_stopped_is_stopped_later(
    module: Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert whole(ask(module, "list"))
    readers(module)[0].process.kill()
    once(monkeypatch, FakeWatcher, "stop", MemoryError())
    assert [NO_MEMORY] == ask(module, "list")
    assert whole(ask(module, "list"))


def test_what_no_reader_says_ends_it(module: Module, monkeypatch: pytest.MonkeyPatch) -> None:
    receive = process.ReaderProcess.receive

    def mangled(reader: process.ReaderProcess) -> list[tuple[Kind, bytes]]:
        found = receive(reader)
        return [(kind, b"\xc1" if kind is Kind.END else body) for kind, body in found]

    with monkeypatch.context() as patch:
        patch.setattr(process.ReaderProcess, "receive", mangled)
        (*_, (errno, text)) = ask(module, "stream")
    assert EIO == errno
    assert "has ended (signal 9)" in text
    assert [line for line in module.bus.logged if "a reader has ended" in line]
    assert whole(ask(module, "stream"))


def test_all_are_told_in_their_order(module: Module) -> None:
    asked = [module.ask("list", QUESTIONS["list"][1], **who) for who in ({}, OTHER) * 3]
    module.live.requests.long.close(ENOSYS)
    assert [(one, (ENOSYS, None)) for one in asked] == module.bus.sent


def test_all_who_wait_are_told_and_what_they_have_had_is_kept(
    module: Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    payload = QUESTIONS["list"][1]
    asked = [module.ask("list", payload, **who) for who in ({}, OTHER) * 3]
    once(monkeypatch, pool.Readers, "_go_on", MemoryError())
    asked.append(module.ask("list", payload))
    assert [[NO_MEMORY]] * 7 == [module.answers(one) for one in asked]
    assert [] == readers(module)


# -- the parts


class Item:
    """A request of user 7."""

    userid, size = 7, 100


def test_a_queue_that_is_cleared_knows_what_users_have_had() -> None:
    now = [1000.0]
    queue = FairQueue[Item](lambda: now[0])
    for seconds in (4.0, 1.0):
        queue.add(Item(), Budgets())
        item = queue.next(3)
        assert item is not None
        now[0] += seconds
        if seconds == 4.0:
            queue.closed(item)
    queue.add(Item(), Budgets(max_open=2))
    queue.clear()
    assert (0, 0, None) == (len(queue), queue.waiting, queue.next(3))
    queue.add(Item(), Budgets(max_open=1))
    assert 3.5 < queue._shares.of(7) < 4.0


def test_a_step_that_was_not_begun_anew_is_so_by_the_next_one() -> None:
    done: list[str] = []
    fails = [True, True, False]

    def start_over() -> None:
        if fails.pop(0):
            raise MemoryError
        done.append("start over")

    step = Step(start_over)
    with step:
        done.append("one")
        raise MemoryError
    with pytest.raises(MemoryError), step:
        done.append("two")
    with step:
        done.append("three")
    with step:
        done.append("four")
    assert ["one", "start over", "three", "four"] == done
    with pytest.raises(ZeroDivisionError), step:
        raise ZeroDivisionError
    assert 4 == len(done)


def test_settings_are_encoded_whole_or_not_at_all() -> None:
    """Without its members, a Config would be the default one: not private."""
    need_failing()
    errors = 0

    def encode(config: Config, found: list[bytes]) -> None:
        found.append(to_msgpack(config))

    for number in range(1, 100):
        config = Config(private=True, budgets=Budgets(max_jobs=7))
        found: list[bytes] = []
        errors += fails_at(number, partial(encode, config, found))
        for data in found:
            assert config == msgspec.msgpack.decode(data, type=Config), number
    assert errors > 5
