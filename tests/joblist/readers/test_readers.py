# SPDX-License-Identifier: LGPL-3.0
"""Reader processes: what they answer, what they may take, how they come and go."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from errno import EAGAIN, EIO, EMSGSIZE, ENODATA, ENOMEM, ENOSYS, ETIMEDOUT
from pathlib import Path
from typing import Any

import apsw
import pytest

from eventstore.ingest.writer import Writer
from eventstore.storage.connection import Store, create_or_open
from joblist.config import Config
from joblist.live.quick import Quick
from joblist.ports import Message
from joblist.protocol.budgets import Budgets
from joblist.readers import pool, process
from joblist.readers.messages import MOST_BACK, Frames, Kind, frame, parts
from joblist.readers.queue import FEW
from projections.engine.views import Views
from tests.support.fake_bus import SENTINEL, Module, life, readers_that
from tests.support.journal_generator import journal

Patch = pytest.MonkeyPatch
ALL = {"max_entries": 0, "attrs": ["all"]}
OTHER = {"userid": 7, "rolemask": 2, "sender": "two"}


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Module]:
    """A module with 300 jobs, whose lists are all answered by readers."""
    readers_that(monkeypatch)
    monkeypatch.setattr(Quick, "list_jobs", lambda *_: None)
    with create_or_open(str(tmp_path / "jobs.sqlite")) as store:
        views = Views(store)
        Writer(store, "before", views).append(journal(300))
        module = Module(views)
        module.feed(SENTINEL)
        module.bus.pass_time(1)
        yield module
        module.live.close()
        assert [] == module.bus.watchers


def bounded(module: Module, **bounds: int) -> None:
    config = module.live._service.config
    module.live.reconfigure(replace(config, budgets=Budgets(**bounds)))


def answered(module: Module, asked: Message) -> list[Any]:
    module.bus.pass_time(1)
    return module.answers(asked)


def readers(module: Module) -> list[pool._Reader]:
    found: list[pool._Reader] = module.live.requests.long._readers  # type: ignore[attr-defined]
    return found


def until(condition: Callable[[], object], seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def is_alive(pid: int) -> bool:
    """Whether there is such a process, and it has not ended, waited for or not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


# -- the bytes between them


def test_frames_are_cut_wherever_they_are_torn() -> None:
    sent = [(Kind.ASK, b"x" * 70_000), (Kind.GO, b""), (Kind.LAST, b"\0A\1")]
    wire = b"".join(frame(kind, body) for kind, body in sent)
    for step in (1, 7, 5000, len(wire)):
        frames = Frames()
        pieces = [wire[at : at + step] for at in range(0, len(wire), step)]
        assert sent == [found for piece in pieces for found in frames.take(piece)]


@pytest.mark.parametrize("size", [0, 1, MOST_BACK, MOST_BACK + 1, 3 * MOST_BACK])
def test_a_response_comes_in_parts(size: int) -> None:
    payload = os.urandom(size)
    found = list(Frames().take(b"".join(parts(payload))))
    assert payload == b"".join(body for _, body in found)
    assert [Kind.LAST] == [kind for kind, _ in found if kind is not Kind.PART] != found
    assert all(len(body) <= MOST_BACK for _, body in found)


def test_what_is_no_frame_is_an_error() -> None:
    with pytest.raises(ValueError, match="not a valid"):
        list(Frames().take(b"?\0\0\0\0"))


# -- answers


def test_a_reader_shows_what_was_stored_a_moment_ago(module: Module) -> None:
    module.ids()
    for number in range(1, 4):
        module.feed(*life(9000 + number, 2e9 + number))
        assert [9000 + number] == module.ids(max_entries=1)
    assert 1 == len(readers(module))


def test_a_large_request_and_a_large_response(module: Module) -> None:
    names = [f"name-{n}" for n in range(50_000)]
    wanted = {"or": [{"name": names}, {"states": ["inactive", "active"]}]}
    asked = {**ALL, "attrs": ["all"] * 2000, "constraint": wanted}
    whole = module.answer("list", ALL)
    assert whole == module.answer("list", asked)
    streamed = answered(module, module.ask("list", asked, streaming=True))
    assert (ENODATA, None) == streamed.pop()
    assert whole["jobs"] == [job for response in streamed for job in response["jobs"]]


def test_a_large_list_id(module: Module) -> None:
    (jobid, *_) = module.ids()
    large = ["state"] * 10_000
    assert module.answer("list-id", {"id": jobid, "attrs": ["state"]}) == module.answer(
        "list-id", {"id": jobid, "attrs": large}
    )
    errno, text = module.answer("list-id", {"id": 1, "attrs": large})
    assert EMSGSIZE == errno
    assert "cannot wait" in text
    assert [] == module.bus.lookups


# -- bounds


def test_an_answer_of_one_response_is_bounded(module: Module) -> None:
    big = life(9001, 2e9)
    name = "x" * 2**20
    big[0] = big[0].replace(
        b'"system": {', b'"system": {"job": {"name": "%b"}, ' % name.encode()
    )
    module.feed(*big)
    assert name == module.answer("list", {**ALL, "max_entries": 1})["jobs"][0]["name"]
    bounded(module, max_response=1)
    errno, text = module.answer("list", ALL)
    assert EMSGSIZE == errno
    assert "more than 1 MiB; ask for a stream" in text
    streamed = answered(module, module.ask("list", ALL, streaming=True))
    assert (ENODATA, None) == streamed[-1]
    bounded(module, max_response=2)
    assert 301 == len(module.answer("list", ALL)["jobs"])


def test_time_is_bounded(module: Module, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = "w.LOOK = 0.0; time.process_time = itertools.count(0.0, 1.0).__next__"
    readers_that(monkeypatch, clock)
    bounded(module, max_reader_seconds=100)
    errno, text = module.answer("list", ALL)
    assert ETIMEDOUT == errno
    assert "more than 100 s" in text
    bounded(module, max_reader_seconds=400)
    assert 300 == len(module.ids())
    assert 1 == len(readers(module))  # the same one


def test_what_does_not_look_at_the_clock_is_ended(
    module: Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    endless = "w.limits.GRACE = 0.0; w.ROUTES['job-list.list'] = lambda *_: iter(int, 1)"
    readers_that(monkeypatch, f"{endless}; w.Turn.look = lambda self: False")
    bounded(module, max_reader_seconds=1)
    errno, text = module.answer("list", ALL)
    assert EIO == errno
    assert f"signal {int(signal.SIGPROF)}" in text


def test_memory_is_bounded(module: Module) -> None:
    bounded(module, max_reader_memory=8)
    errno, text = module.answer("list", {**ALL, "attrs": ["state"] * 1_000_000})
    assert ENOMEM == errno
    assert "more than 8 MiB" in text
    assert 300 == len(module.ids())


def test_without_memory_a_reader_is_left_once(
    module: Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it says would be tried to be taken for ever, as it is still there."""
    assert 300 == len(module.ids())
    taken = 0

    def receive(_: object) -> None:
        nonlocal taken
        taken += 1
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(process.ReaderProcess, "receive", receive)
        (answer,) = answered(module, module.ask("list", ALL))
    assert (ENOMEM, "out of memory; ask for less, or later") == answer
    assert 1 == taken
    assert 300 == len(module.ids())


def test_one_user_may_not_have_all_that_wait(module: Module) -> None:
    bounded(module, max_open_user=9, max_open=9)
    asked = [module.ask("list", ALL, **OTHER) for _ in range(10)]
    refused = module.answers(asked[9])
    assert [
        (EAGAIN, "9 requests of this user are not answered yet; try again later")
    ] == refused
    more = [module.ask("list", ALL) for _ in range(FEW + 1)]
    assert [(EAGAIN, "9 requests are not answered yet; try again later")] == module.answers(
        more[FEW]
    )
    module.bus.pass_time(1)
    for one in (*asked[:9], *more[:FEW]):
        assert 300 == len(module.answers(one)[0]["jobs"])
    assert 300 == len(module.ids())


def test_large_requests_that_wait_are_bounded(module: Module) -> None:
    bounded(module, max_open_bytes=1)
    large = {**ALL, "x": "x" * 300_000}
    asked = [module.ask("list", large, **OTHER) for _ in range(2)]
    ((errno, text),) = module.answers(asked[1])
    assert EAGAIN == errno
    assert "large" in text
    assert 300 == len(answered(module, asked[0])[0]["jobs"])


def test_users_take_turns(module: Module) -> None:
    bounded(module, max_readers=1)
    many = [module.ask("list", ALL, **OTHER) for _ in range(5)]
    one = module.ask("list", ALL)
    while not module.answers(one):
        module.bus.listen()
    assert 1 == sum(bool(module.answers(asked)) for asked in many)


def test_one_reader_is_left_for_others(module: Module) -> None:
    bounded(module, max_readers=3)
    for _ in range(6):
        module.ask("list", ALL, **OTHER)
    while len(readers(module)) < 3 or any(r.state.name == "STARTING" for r in readers(module)):
        module.bus.listen()
        busy = [r for r in readers(module) if r.question is not None]
        assert len(busy) <= 2
    module.bus.pass_time(1)
    assert 3 == len(readers(module))


# -- readers come and go


def test_the_one_left_for_others_is_there(module: Module, monkeypatch: Patch) -> None:
    readers_that(monkeypatch, "w.ROUTES['job-list.list'] = lambda *_: time.sleep(60)")
    module.ask("list", ALL, userid=7, rolemask=2)
    module.ask("list", ALL, userid=8, rolemask=2)
    while len(readers(module)) < 3:
        module.bus.listen()


def test_whoever_goes_away_is_answered_no_longer(module: Module) -> None:
    module.ids()
    bounded(module, max_jobs=1)
    asked = module.ask("list", ALL, streaming=True, **OTHER)
    while not module.answers(asked):
        module.bus.listen()
    module.ask("disconnect", **OTHER)
    module.bus.pass_time(1)
    assert len(module.answers(asked)) < 10
    assert 0 == module.live.requests.long.open
    (reader,) = readers(module)
    pid = reader.process.pid
    assert 300 == len(module.ids())
    assert [pid] == [reader.process.pid for reader in readers(module)]


def test_a_reader_that_is_killed_is_replaced(module: Module) -> None:
    """Whoever it was at gets an error; the next request is answered."""
    bounded(module, max_jobs=1)
    asked = module.ask("list", ALL, streaming=True)
    while not module.answers(asked):
        module.bus.listen()
    (reader,) = readers(module)
    os.kill(reader.process.pid, signal.SIGKILL)
    errno, text = answered(module, asked)[-1]
    assert EIO == errno
    assert "has ended (signal 9)" in text
    assert "a reader has ended while it answered job-list.list: signal 9" in module.bus.logged
    assert 300 == len(module.ids())


def test_a_reader_that_is_killed_while_it_has_nothing_to_do(module: Module) -> None:
    module.ids()
    (reader,) = readers(module)
    os.kill(reader.process.pid, signal.SIGKILL)
    assert 300 == len(module.ids())


def test_readers_without_work_are_ended_but_one(module: Module) -> None:
    for sender in range(6):
        module.ask("list", ALL, userid=sender)
    module.bus.pass_time(pool.IDLE / 2)
    while any(reader.state.name == "STARTING" for reader in readers(module)):
        module.bus.listen()
    assert 3 == len(readers(module))
    module.bus.pass_time(2 * pool.IDLE)
    while len(readers(module)) > 1:
        module.bus.listen()
    assert 300 == len(module.ids())


def test_readers_that_cannot_be_started(
    module: Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = module.ask("list", ALL)
    module.live.requests.long.drop(asked)
    for reader in readers(module):
        reader.process.kill()
    while readers(module):
        module.bus.listen()
    monkeypatch.setattr(process, "command", lambda *_: [sys.executable, "-c", "exit(3)"])
    asked = module.ask("list", ALL)
    ((errno, text),) = answered(module, asked)
    assert EAGAIN == errno
    assert "no reader process can be started: it has ended: status 3" in text
    readers_that(monkeypatch)
    module.bus.pass_time(60)
    assert 300 == len(module.ids())


def test_a_fault_of_a_reader_is_logged(module: Module, monkeypatch: pytest.MonkeyPatch) -> None:
    readers_that(monkeypatch, "w.ROUTES.clear()")
    errno, text = module.answer("list", ALL)
    assert (EIO, "internal error: see the log") == (errno, text)
    assert any("KeyError: 'job-list.list'" in line for line in module.bus.logged)
    readers_that(monkeypatch)
    assert 300 == len(module.ids())


def test_readers_go_with_the_module(module: Module) -> None:
    module.ids()
    asked = module.ask("list", ALL)
    pids = [reader.process.pid for reader in readers(module)]
    module.live.close()
    assert [(ENOSYS, None)] == module.answers(asked)
    until(lambda: not any(is_alive(pid) for pid in pids))


def test_a_reader_ends_when_nobody_is_there(module: Module) -> None:
    """Also when the module was killed, and could say nothing."""
    module.ids()
    (reader,) = readers(module)
    reader.process._socket.shutdown(2)
    until(lambda: reader.process._process.poll() is not None)


def test_a_database_that_is_replaced_is_opened_anew(
    module: Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Store, "check_place", lambda _: None)  # the module's own look
    module.ids()
    path = Path(module.store.path)
    moved = path.with_name("moved")
    path.rename(moved)
    errno, text = module.answer("list", ALL)
    assert EIO == errno
    assert "there is no such database" in text
    moved.rename(path)
    assert 300 == len(module.ids())


def test_a_program_that_was_upgraded_meanwhile_answers_nothing_wrong(module: Module) -> None:
    with apsw.Connection(module.store.path) as db:
        db.execute("UPDATE view SET version = 'another' WHERE name = 'inactive'")
    errno, text = module.answer("list", ALL)
    assert EIO == errno
    assert "inactive is that of another version" in text
    assert "reload the module" in text


def test_config_goes_with_the_request(module: Module) -> None:
    users = {job["userid"] for job in module.answer("list", {**ALL})["jobs"]}
    assert len(users) > 1
    module.live.reconfigure(Config(private=True))
    userid = min(users)
    found = module.answer("list", ALL, userid=userid, rolemask=2)["jobs"]
    assert {userid} == {job["userid"] for job in found}
