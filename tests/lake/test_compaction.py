# SPDX-License-Identifier: LGPL-3.0
"""Joined files have the same rows, each once, whatever stopped the joining."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from eventstore.ingest.writer import Writer
from eventstore.storage.connection import create_or_open
from projections.engine.views import Views
from tests.lake.asking import (
    check_back,
    export,
    finished_texts,
    newest,
    rows,
    stored_jobs,
    texts,
    until_it_lives,
)
from tests.support import field_jobs
from tests.support.command import Command
from tests.support.journal_generator import journal
from tests.support.nodes.recordings import node_recordings
from tests.support.recordings import recordings


def names(lake: Path, table: str = "events") -> list[str]:
    return sorted(path.name for path in (lake / table).rglob("*.parquet"))


def is_sound(jobdb: Command, lake: Path) -> None:
    assert finished_texts(jobdb) == texts(lake)
    assert stored_jobs(jobdb.db, "state = 'INACTIVE'") == newest(lake)
    assert len(newest(lake)) == len(rows(lake, "jobs"))
    export(jobdb, lake, "--verify")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a database and a lake, by several runs, with a late event and purges."""
    folder = tmp_path_factory.mktemp("history")
    jobdb, lake, lines = Command(folder), folder / "lake", list(journal(40))
    for until in (*range(50, len(lines), 50), len(lines)):
        jobdb.ingest(lines[:until])
        export(jobdb, lake)
    jobdb.ingest(field_jobs.job(1))
    export(jobdb, lake)
    for second in (1, 2):
        late = field_jobs.event(field_jobs.EPOCH + second / 10, "memo", {"late": second})
        jobdb.ingest([field_jobs.response(1 << 24, late), b'{"jobs":[16777216]}'])
        export(jobdb, lake)
    return folder


@pytest.fixture
def history(made: Path, tmp_path: Path) -> tuple[Command, Path]:
    """Return a copy of them."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return Command(tmp_path), tmp_path / "lake"


def test_late_events_join_their_jobs(history: tuple[Command, Path]) -> None:
    jobdb, lake = history
    assert 2 == sum("amendment" in name for name in names(lake))
    before = len(names(lake))
    export(jobdb, lake, "--compact")
    assert 2 == len(names(lake))  # the synthetic jobs are of one day, the other job of another
    assert before > 2
    assert 2 == len(names(lake, "jobs"))
    assert 1 == len(names(lake, "notices"))
    is_sound(jobdb, lake)
    positions = [row["position"] for row in rows(lake, "events") if row["jobid"] == 1 << 24]
    assert list(range(len(positions))) == positions
    check_back(jobdb, lake, lake.parent)


def test_nothing_is_written_where_there_is_nothing_to_join(
    history: tuple[Command, Path],
) -> None:
    jobdb, lake = history
    export(jobdb, lake, "--compact")
    before = {path: path.stat().st_mtime_ns for path in lake.rglob("*.*")}
    export(jobdb, lake, "--compact")
    assert before == {path: path.stat().st_mtime_ns for path in lake.rglob("*.*")}


def test_exports_go_on_after_it(history: tuple[Command, Path]) -> None:
    jobdb, lake = history
    export(jobdb, lake, "--compact")
    late = field_jobs.event(field_jobs.EPOCH + 0.3, "memo", {"late": 3})
    jobdb.ingest([field_jobs.response(1 << 24, late), *field_jobs.job(2)])
    export(jobdb, lake)
    assert 1 == sum("amendment" in name for name in names(lake))
    assert finished_texts(jobdb) == texts(lake)
    export(jobdb, lake, "--compact")
    assert 2 == len(names(lake))
    is_sound(jobdb, lake)


def test_a_day_of_many_jobs_has_several_files(
    history: tuple[Command, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from eventstore.storage.connection import open_readonly  # noqa: PLC0415
    from lake import compaction  # noqa: PLC0415
    from lake.export import export as run  # noqa: PLC0415

    jobdb, lake = history
    monkeypatch.setattr(compaction, "JOBS_OF_A_FILE", 15)
    for _ in range(2):  # the second time, they are as many as are needed
        with open_readonly(str(jobdb.db)) as store:
            run(store, lake, "tuolumne", join=True)
        assert 4 == len(names(lake))  # 40 jobs in three
        is_sound(jobdb, lake)


def test_whenever_it_dies_each_row_is_there_once(history: tuple[Command, Path]) -> None:
    jobdb, lake = history
    assert until_it_lives(jobdb, lake, "--compact") > 10
    is_sound(jobdb, lake)
    assert set() == {path.name for path in lake.rglob("*") if "part" in path.name}


@pytest.mark.parametrize("recording", recordings(), ids=lambda one: one.name)
def test_recordings(recording: Any, tmp_path: Path) -> None:
    jobdb, lake = Command(tmp_path), tmp_path / "lake"
    with create_or_open(str(jobdb.db)) as store:
        views = Views(store)
        for boot in recording.boots:
            lines = [line for _, some in recording.feed(boot) for line in some]
            writer = Writer(store, "test", views, boot=str(boot))
            for start in range(0, len(lines), len(lines) // 3 + 1):
                writer.append(lines[start : start + len(lines) // 3 + 1])
                export(jobdb, lake)
    export(jobdb, lake, "--compact")
    is_sound(jobdb, lake)
    assert not any("amendment" in name for name in names(lake))
    check_back(jobdb, lake, tmp_path)


def test_nodes(tmp_path: Path) -> None:
    jobdb, lake = Command(tmp_path), tmp_path / "lake"
    recording = next(one for one in node_recordings() if one.name == "medium")
    with create_or_open(str(jobdb.db)) as store:
        for number, _ in enumerate(recording.on_the_way(store, Views(store))):
            if number % 20 == 0:
                export(jobdb, lake)
    export(jobdb, lake, "--compact")
    assert 1 == len(names(lake, "notices"))
    check_back(jobdb, lake, tmp_path)
