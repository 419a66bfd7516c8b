# SPDX-License-Identifier: LGPL-3.0
"""Following the journal: batches, a store that fails, a journal that ends; without Flux."""

from __future__ import annotations

import os
from collections.abc import Sequence
from errno import ECONNRESET, EINVAL, ENODATA, ENOSYS, EPERM, EPROTO
from pathlib import Path
from typing import Any

import pytest

from eventstore.errors import StoreError
from eventstore.ingest.intake import Intake
from eventstore.ingest.writer import Writer
from eventstore.storage.connection import create_or_open
from eventstore.storage.sql import fetch
from joblist.broker import entry, settings
from joblist.config import Config, ConfigError
from joblist.journal import follower
from joblist.journal.pending_lines import Limits
from joblist.ports import Message
from joblist.protocol.errors import RpcError
from projections.job.state import CANCELED
from tests.support.fake_bus import (
    SENTINEL,
    Broken,
    Instance,
    Module,
    backlog,
    event,
    life,
    started,
)
from tests.support.recordings import new_store


def batches(module: Module) -> int:
    return len(fetch(module.store.db, "SELECT 1 FROM batch"))


def test_what_comes_together_is_stored_together(module: Module) -> None:
    before = batches(module)
    module.feed(*life(1))
    assert before == batches(module)
    module.bus.pass_time(follower.COLLECT)
    assert before + 1 == batches(module)
    module.bus.pass_time(60)
    assert before + 1 == batches(module)


def test_a_long_backlog_lets_others_in() -> None:
    _, views = new_store()
    module = Module(views, limits=Limits(lines=10))
    module.feed(*(backlog(life(jobid, 1000.0 + jobid)) for jobid in range(45)), SENTINEL)
    module.bus.pass_time(follower.COLLECT, turns=2)
    assert 2 == batches(module)
    assert 20 == module.answer("job-stats")["job_states"]["total"]
    module.bus.pass_time(1)
    assert 45 == len(module.ids())


def test_a_full_disk_does_not_stop_answers(
    module: Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    module.feed(*life(1))
    assert [1] == module.ids()
    disk = Broken(monkeypatch, StoreError("no space left"))
    module.feed(*life(2, 2000.0))
    assert [1] == module.ids()
    module.bus.pass_time(100)
    module.feed(*life(3, 3000.0))
    assert [1] == module.ids()
    assert 1 == sum("no space left" in line for line in module.bus.logged)
    disk.broken = False
    module.bus.pass_time(follower.DELAYS[-1])
    assert [3, 2, 1] == module.ids()
    assert "stored again" in module.bus.logged[-1]


def test_a_full_disk_at_the_start_does_not_stop_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, views = new_store()
    first = Module(views)
    first.feed(SENTINEL, *life(1))
    first.live.close()
    again = Module(views)
    disk = Broken(monkeypatch, StoreError("no space left"))
    again.feed(backlog(life(1)), backlog(life(2, 2000.0)), SENTINEL)
    again.bus.pass_time(1)
    assert [1] == again.ids()
    disk.broken = False
    again.bus.pass_time(100)
    assert [2, 1] == again.ids()


def test_what_is_too_much_to_keep_is_asked_for_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    module = started(limits=Limits(kept=3000))
    disk = Broken(monkeypatch, StoreError("no space left"))
    for jobid in range(1, 20):
        module.feed(*life(jobid, 1000.0 * jobid))
        module.bus.pass_time(1)
    assert module.bus.journals[0].stopped
    disk.broken = False
    module.bus.pass_time(100)
    assert not module.bus.journals[-1].stopped
    module.feed(*(backlog(life(jobid, 1000.0 * jobid)) for jobid in range(1, 20)), SENTINEL)
    assert 19 == len(module.ids())


def test_a_fault_of_ours_loses_one_line_only(
    module: Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    take_all = Intake.take_all

    def choking(intake: Intake, lines: Sequence[bytes]) -> None:
        for line in lines:
            if b'"id": 2,' in line:
                raise ZeroDivisionError
        take_all(intake, lines)

    monkeypatch.setattr(Intake, "take_all", choking)
    module.feed(*life(1), *life(2), *life(3, 3000.0))
    assert [3, 1] == module.ids()
    assert any("ZeroDivisionError" in line for line in module.bus.logged)


@pytest.mark.parametrize("errno", [ENODATA, ENOSYS, ECONNRESET])
def test_a_journal_that_ends_is_asked_for_again(module: Module, errno: int) -> None:
    module.feed(*life(1)[:6])
    module.bus.ended(errno, "")
    assert [1] == module.ids()
    pauses = []
    for _ in range(len(follower.DELAYS) + 1):
        begun, count = module.bus.now, len(module.bus.journals)
        while count == len(module.bus.journals):
            module.bus.pass_time(0.05)
        pauses.append(round(module.bus.now - begun, 1))
        module.bus.ended(ENOSYS, "")
    assert [*follower.DELAYS, follower.DELAYS[-1]] == pauses
    module.bus.pass_time(follower.DELAYS[-1])
    module.feed(backlog(life(1)), SENTINEL)
    module.bus.pass_time(1)
    assert 1 == module.answer("job-stats")["successful"]
    assert module.bus.stopped is None
    outcomes = fetch(module.store.db, "SELECT outcome FROM source")
    assert outcomes[0][0] in {"end of stream", os.strerror(errno)}


def test_a_journal_that_is_refused_ends_the_service(module: Module) -> None:
    module.bus.ended(EPERM, "not for you")
    assert module.bus.stopped is True
    assert "not for you" in module.bus.logged[-1]


# -- the recorder, and what is around the service


def test_a_recorder_stores_and_ends() -> None:
    _, views = new_store()
    instance = Instance({}, broker_uuid="b")

    def script() -> None:
        for line in (SENTINEL, *life(1)):
            instance.arrived(line)
        instance.purged(b'{"jobs":[1]}')
        instance.ended(ENODATA, "")

    instance.script = script
    total = entry.record(instance, views)
    assert (10, 0, 0) == (total.new, total.known, total.rejected)
    assert instance.stopped is False
    sql = "SELECT boot, outcome FROM source"
    assert [("b", "end of stream")] == fetch(views.store.db, sql)
    assert [(1,)] == fetch(views.store.db, "SELECT job FROM purged")


def test_the_whole_service_comes_up_and_goes_down(tmp_path: Path) -> None:
    instance = Instance({}, rundir=str(tmp_path), size="3", broker_uuid="b")
    asked: list[Message] = []

    def script() -> None:
        from tests.support.fake_bus import message  # noqa: PLC0415

        for line in (SENTINEL, *life(1)):
            instance.arrived(line)
        instance.pass_time(1)
        asked.append(message("list", {"max_entries": 0, "attrs": []}))
        instance.handle(asked[0])
        instance.pass_time(0.0)  # the list may take more than one turn
        instance.config = {"job-list": {"purge": "never"}}
        instance.hang_up()

    instance.script = script
    entry.run(instance, ["purge=follow"])
    assert [{"jobs": [{"id": 1}]}] == instance.to(asked[0])
    assert (tmp_path / settings.FILE_NAME).exists()
    # The argument went before what was configured wrongly.
    assert [] == instance.logged
    with create_or_open(str(tmp_path / settings.FILE_NAME)) as store:
        assert [("done",)] == fetch(store.db, "SELECT outcome FROM source")


@pytest.mark.parametrize(
    ("table", "arguments", "named"),
    [
        ({"max_comparisons": -1}, [], "job-list.max_comparisons"),
        ({"purge": "never"}, [], "job-list.purge"),
        ({"dbpath": 7}, [], "job-list.dbpath"),
        ({"synchronous": "off"}, [], "job-list.synchronous"),
        ({}, ["max_comparisons=-1"], "job-list.max_comparisons"),
        *(
            ({}, [f"max_comparisons={value}"], "job-list.max_comparisons")
            for value in ("--5", "²", "1²", "-", "5x", "1e3", "", "9" * 19, "9" * 5000)
        ),
        ({"network_filesystem": 1}, [], "job-list.network_filesystem"),
        ({}, ["network_filesystem=yes"], "job-list.network_filesystem"),
        ({}, ["nonsense"], "nonsense"),
        ({}, ["purg=follow"], "there is no setting 'purg'"),
    ],
)
def test_a_wrong_setting_fails_the_load(
    tmp_path: Path, table: dict[str, Any], arguments: list[str], named: str
) -> None:
    instance = Instance({"job-list": table}, rundir=str(tmp_path))
    with pytest.raises(OSError, match=named) as caught:
        entry.run(instance, arguments)
    assert EINVAL == caught.value.errno
    assert named in instance.logged[0]
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize("payload", [b"", b"{", b"[1]", b"7"])
def test_a_reload_that_brings_no_configuration(payload: bytes) -> None:
    with pytest.raises(RpcError) as caught:
        settings.Settings(dict).read(payload)
    assert EPROTO == caught.value.errno


def test_where_the_database_is() -> None:
    places = {"statedir": "/state", "rundir": "/run"}
    assert "/state/jobdb.sqlite" == settings.database(Config(), places.get)
    assert "/run/jobdb.sqlite" == settings.database(Config(), {"rundir": "/run"}.get)
    assert "/x" == settings.database(Config(dbpath="/x"), places.get)
    with pytest.raises(ConfigError, match="dbpath"):
        settings.database(Config(), lambda name: None)


def test_what_a_crash_took_back_goes_on_as_another_job() -> None:
    """The KVS's last checkpoint was older than what was seen: jobs run once more."""
    _, views = new_store()
    first = Module(views, boot="a")
    ended, running = life(1), life(2, 2000.0)
    first.feed(SENTINEL, *ended, *running[:6])
    first.live.close()
    cancel = {"type": "cancel", "severity": 0, "note": "lost"}
    after = [*ended[:6], event(1, 3000.0, "exception", cancel), event(1, 3001.0, "clean")]
    for boot in "bc":
        again = Module(views, boot=boot)
        again.feed(backlog(after[:6] if boot == "b" else after), backlog(running[:3]), SENTINEL)
        again.bus.pass_time(1)
        active = [1, 2] if boot == "b" else [2]
        assert active == sorted(again.ids(constraint={"states": ["pending", "running"]}))
        assert [1] == again.ids(constraint={"results": ["completed"]})
        again.feed(*after[6:])
        again.bus.pass_time(1)
        assert [2, 1, 1] == again.ids()
        wanted = {"id": 1, "attrs": ["result"]}
        assert CANCELED == again.answer("list-id", wanted)["job"]["result"]
        again.live.close()
    sql = "SELECT jobid, stream, count(*) FROM event JOIN job ON key = job GROUP BY key"
    events = [(1, 1, len(ended)), (1, 2, len(after)), (2, 1, 6), (2, 2, 3)]
    assert events == sorted(fetch(views.store.db, sql))
    first_again = Writer(views.store, "a recording", views)
    first_again.append([*ended, *running[:6], backlog(after)])
    assert 0 == first_again.counts.new


def test_a_job_that_runs_once_more_is_not_answered_before_the_backlog() -> None:
    _, views = new_store()
    for boot, lines in (("a", life(1)), ("b", life(1)[:6])):
        module = Module(views, boot=boot)
        module.feed(backlog(lines), SENTINEL, *[b'{"jobs":[1]}'] * (boot == "a"))
        module.live.close()
    again = Module(views, boot="b")
    assert [] == again.answers(again.ask("list-id", {"id": 1, "attrs": []}))
