# SPDX-License-Identifier: LGPL-3.0
"""A store that fails under the module: it answers, says that it is behind, and catches up."""

from __future__ import annotations

import json
from collections.abc import Sequence
from errno import ENOSYS

import pytest

from eventstore.errors import Busy, Gone, StoreError, Unfit
from eventstore.ingest.intake import Intake
from eventstore.ingest.writer import Writer
from eventstore.storage.connection import create_or_open
from eventstore.storage.sql import fetch
from joblist.journal import follower
from joblist.journal.pending_lines import Limits
from projections.engine.views import Views
from projections.job.state import RUN
from tests.support.fake_bus import SENTINEL, Broken, Module, backlog, life, started
from tests.support.recordings import new_store

IDLE = {
    "jobs": {"pending": 0, "running": 0, "inactive": 1},
    "idsync": {"lookups": 0, "waits": 0},
    "stats_watchers": 0,
}
FULL = StoreError("no space left")


@pytest.fixture
def module() -> Module:
    return started(*life(1))


def test_stats_get_says_that_it_is_behind_for_as_long_as_it_is(
    module: Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert IDLE == module.answer("stats-get")
    disk = Broken(monkeypatch, FULL)
    lines = life(2, 2000.0)
    module.feed(*lines)
    module.bus.pass_time(100)
    found = module.answer("stats-get")
    behind = found.pop("behind")
    assert found == IDLE
    assert behind.pop("since") > 1.7e9
    assert behind == {
        "reason": "no space left",
        "responses": len(lines),
        "bytes": sum(map(len, lines)),
        "dropped": False,
    }
    since = module.answer("stats-get")["behind"]["since"]
    module.bus.pass_time(100)
    assert since == module.answer("stats-get")["behind"]["since"]
    assert 1 == sum("behind: not stored" in line for line in module.bus.logged)
    disk.broken = False
    module.bus.pass_time(follower.DELAYS[-1])
    assert {**IDLE, "jobs": {**IDLE["jobs"], "inactive": 2}} == module.answer("stats-get")
    assert 1 == sum("no longer behind" in line for line in module.bus.logged)


def test_it_is_behind_until_a_new_backlog_is_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    module = started(*life(1), limits=Limits(kept=3000))
    disk = Broken(monkeypatch, FULL)
    for jobid in range(2, 9):
        module.feed(*life(jobid, 1000.0 * jobid))
        module.bus.pass_time(1)
    assert module.answer("stats-get")["behind"]["dropped"]
    module.feed(b'{"jobs":[1]}')
    disk.broken = False
    module.bus.pass_time(100)
    assert not module.bus.journals[-1].stopped
    module.feed(*(backlog(life(jobid, 1000.0 * jobid)) for jobid in range(1, 9)))
    module.bus.pass_time(1)
    assert module.answer("stats-get")["behind"]["dropped"]
    module.feed(SENTINEL)
    assert "behind" not in module.answer("stats-get")
    assert 8 == len(module.ids())
    # No backlog has what was purged: that was kept.
    assert [(1,)] == fetch(module.store.db, "SELECT job FROM purged")


def test_purges_alone_are_too_much_in_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    module = started(*life(1), limits=Limits(kept=3000))
    Broken(monkeypatch, FULL)
    for jobid in range(1000):
        module.feed(b'{"jobs":[%d]}' % jobid)
        module.bus.pass_time(1)
    assert module.live.follower._pending.size <= 3000


def test_who_cannot_begin_answers_from_what_is_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    _, views = new_store()
    first = Module(views)
    first.feed(SENTINEL, *life(1))
    first.live.close()
    begin = Writer.__init__
    broken = True

    def failing(writer: Writer, *words: object, **names: object) -> None:
        if broken:
            raise FULL
        begin(writer, *words, **names)  # type: ignore[arg-type]

    monkeypatch.setattr(Writer, "__init__", failing)
    again = Module(views)
    assert [1] == again.ids()
    assert "no space left" == again.answer("stats-get")["behind"]["reason"]
    again.bus.pass_time(100)
    assert [] == again.bus.journals
    broken = False
    again.bus.pass_time(follower.DELAYS[-1])
    again.feed(backlog(life(1)), backlog(life(2, 2000.0)), SENTINEL)
    again.bus.pass_time(1)
    assert [2, 1] == again.ids()
    assert "behind" not in again.answer("stats-get")


def test_a_long_backlog_that_cannot_be_stored_holds_up_no_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, views = new_store()
    first = Module(views)
    first.feed(SENTINEL, *life(1))
    first.live.close()
    again = Module(views, limits=Limits(lines=10))
    asked = again.ask("list", {"max_entries": 0, "attrs": []})
    Broken(monkeypatch, FULL)
    again.feed(*(backlog(life(jobid, 1000.0 * jobid)) for jobid in range(1, 50)), SENTINEL)
    again.bus.pass_time(1)
    assert [{"jobs": [{"id": 1}]}] == again.answers(asked)


def test_a_failure_while_paused_stores_nothing(
    module: Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Broken(monkeypatch, FULL)
    module.feed(*life(2, 2000.0))
    module.bus.pass_time(1)
    module.ask("job-state-pause")
    disk.broken = False
    module.bus.pass_time(100)
    assert [1] == module.ids()
    module.ask("job-state-unpause")
    module.bus.pass_time(100)
    assert [2, 1] == module.ids()


def test_who_is_paused_keeps_so_much_and_asks_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    module = started(*life(1), limits=Limits(kept=3000))
    module.ask("job-state-pause")
    for jobid in range(2, 20):
        module.feed(*life(jobid, 1000.0 * jobid))
        module.bus.pass_time(1)
    assert module.live.follower._pending.size <= 3000
    module.ask("job-state-unpause")
    module.feed(*(backlog(life(jobid, 1000.0 * jobid)) for jobid in range(1, 20)), SENTINEL)
    assert 19 == len(module.ids())


def test_batches_are_bounded_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    module = started(*life(1), limits=Limits(bytes=2000))
    sizes = []
    append = Writer.append

    def noting(writer: Writer, lines: list[bytes]) -> object:
        sizes.append((len(lines), sum(map(len, lines))))
        return append(writer, lines)

    monkeypatch.setattr(Writer, "append", noting)
    large = json.dumps({"id": 5, "events": [], "pad": "x" * 5000}).encode()
    module.feed(*life(2, 2000.0), large, *life(3, 3000.0))
    assert module.live.follower._pending.size <= 2000
    module.bus.pass_time(1)
    assert all(count == 1 or size <= 2000 for count, size in sizes)
    assert 3 == len(module.ids())


def choke_on(patch: pytest.MonkeyPatch, bad: bytes, error: Exception) -> None:
    """Have the program fail on one line, and take the others."""
    take_all = Intake.take_all

    def choking(intake: Intake, lines: Sequence[bytes]) -> None:
        if bad in lines:
            raise error
        take_all(intake, lines)

    patch.setattr(Intake, "take_all", choking)


@pytest.mark.parametrize("error", [ZeroDivisionError("oh"), Unfit("too big")])
def test_what_cannot_be_stored_is_kept_as_a_reject(
    module: Module, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    bad = life(7, 7000.0)[0]
    choke_on(monkeypatch, bad, error)
    module.feed(*life(2, 2000.0), bad, *life(3, 3000.0))
    assert [3, 2, 1] == module.ids()
    ((data, reason),) = fetch(module.store.db, "SELECT data, reason FROM reject")
    assert data == bad
    assert type(error).__name__ in reason
    assert "behind" not in module.answer("stats-get")


def test_views_need_not_be_read_again(module: Module, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Broken(monkeypatch, StoreError("disk I/O error"))

    def unread(views: Views) -> None:
        raise StoreError("disk I/O error, too")

    monkeypatch.setattr(Views, "reload", unread)
    module.feed(*life(2, 2000.0))
    module.bus.pass_time(1)
    assert [1] == module.ids()
    disk.broken = False
    module.bus.pass_time(100)
    assert [2, 1] == module.ids()


def test_who_waits_is_answered_although_another_line_cannot_be_stored(
    module: Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The batch is repeated line by line then, and the last line brings nobody's event."""
    bad = life(9, 9000.0)[0]
    choke_on(monkeypatch, bad, ZeroDivisionError())
    lines = life(7, 7000.0)
    module.feed(*lines[:3])
    asked = module.ask("list-id", {"id": 7, "attrs": ["state"], "state": RUN})
    module.feed(*lines[3:], bad)
    module.bus.pass_time(1)
    assert [{"job": {"id": 7, "state": RUN}}] == module.answers(asked)


def test_another_sentinel_says_nothing_new(module: Module) -> None:
    module.feed(SENTINEL, *life(2, 2000.0))
    assert [2, 1] == module.ids()
    assert "behind" not in module.answer("stats-get")


def test_a_journal_that_ended_is_asked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where more purges came meanwhile than are kept."""
    module = started(*life(1), limits=Limits(kept=300))
    disk = Broken(monkeypatch, FULL)
    module.feed(life(2, 2000.0)[1])
    module.bus.pass_time(1)
    module.bus.ended(ENOSYS, "")
    for jobid in range(100):
        module.feed(b'{"jobs":[%d]}' % jobid)
    assert [] == [journal for journal in module.bus.journals[1:] if not journal.stopped]
    disk.broken = False
    module.bus.pass_time(100)
    assert 1 == len([journal for journal in module.bus.journals[1:] if not journal.stopped])


def states_of(module: Module) -> list[bool]:
    """Return whether stats-get says that it is behind, and whether the log does."""
    return ["behind" in module.answer("stats-get"), "behind: not" in "".join(module.bus.logged)]


def test_a_lock_that_passes_is_told_by_stats_get_only(
    module: Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Broken(monkeypatch, Busy("locked"))
    module.feed(*life(2, 2000.0))
    module.bus.pass_time(0.2)
    assert [True, False] == states_of(module)
    disk.broken = False
    module.bus.pass_time(follower.SOON[-1])
    assert [False, False] == states_of(module)
    assert "longer behind" not in "".join(module.bus.logged)
    disk.broken = True
    module.feed(*life(3, 3000.0))
    module.bus.pass_time(sum(follower.SOON[:-2]))
    assert [True, False] == states_of(module)
    module.bus.pass_time(sum(follower.SOON[-2:]))
    assert [True, True] == states_of(module)
    module.bus.pass_time(100)
    disk.broken = False
    module.bus.pass_time(follower.SOON[-1])  # it is tried again every second
    assert [False, True] == states_of(module)
    assert 1 == sum("behind: not" in line for line in module.bus.logged)
    assert 1 == sum("no longer behind" in line for line in module.bus.logged)


def test_a_lock_that_passes_lets_no_request_through_before_the_backlog(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    module = Module(Views(create_or_open(":memory:")))
    disk = Broken(monkeypatch, Busy("locked"))
    module.feed(backlog(life(1)), SENTINEL)
    asked = module.ask("list", {"max_entries": 0, "attrs": []})
    module.bus.pass_time(0.3)
    assert [] == module.answers(asked)
    disk.broken = False
    module.bus.pass_time(1)
    assert [{"jobs": [{"id": 1}]}] == module.answers(asked)


def test_a_lock_that_stays_lets_requests_through(monkeypatch: pytest.MonkeyPatch) -> None:
    module = Module(Views(create_or_open(":memory:")))
    Broken(monkeypatch, Busy("locked"))
    module.feed(backlog(life(1)), SENTINEL)
    module.bus.pass_time(3)
    assert [] == module.ids()


def test_another_reason_is_another_line(
    module: Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Broken(monkeypatch, FULL)
    module.feed(*life(2, 2000.0))
    module.bus.pass_time(10)
    disk.error = Gone("moved")
    module.bus.pass_time(100)
    said = [line for line in module.bus.logged if "behind: not stored" in line]
    assert [True, False] == ["no space left" in line for line in said]
    assert said[1].endswith("moved")
    assert "moved" == module.answer("stats-get")["behind"]["reason"]
