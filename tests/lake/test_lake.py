# SPDX-License-Identifier: LGPL-3.0
"""A lake has each event of finished jobs once, to the byte, and gives the store back."""

from __future__ import annotations

import sqlite3
from contextlib import closing
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

pq = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
lake_columns = pytest.importorskip("lake.columns")

RECORDINGS = recordings()


@pytest.fixture
def jobdb(tmp_path: Path) -> Command:
    return Command(tmp_path)


@pytest.mark.parametrize("recording", RECORDINGS, ids=lambda one: one.name)
def test_a_recording_goes_there_and_back(recording: Any, tmp_path: Path) -> None:
    jobdb, lake = Command(tmp_path), tmp_path / "lake"
    with create_or_open(str(jobdb.db)) as store:
        views = Views(store)
        for boot in recording.boots:
            lines = [line for _, some in recording.feed(boot) for line in some]
            Writer(store, "test", views, boot=str(boot)).append(lines)
            export(jobdb, lake)
    assert finished_texts(jobdb) == texts(lake)
    assert stored_jobs(jobdb.db, "state = 'INACTIVE'") == newest(lake)
    before = sorted(lake.rglob("*"))
    export(jobdb, lake)
    assert before == sorted(lake.rglob("*"))
    assert "has what the store has" in export(jobdb, lake, "--verify")
    check_back(jobdb, lake, tmp_path)


def test_nodes_go_with_them(jobdb: Command, tmp_path: Path) -> None:
    recording = next(one for one in node_recordings() if one.name == "medium")
    with create_or_open(str(jobdb.db)) as store:
        list(recording.on_the_way(store, Views(store)))
    lake = tmp_path / "lake"
    export(jobdb, lake)
    with closing(sqlite3.connect(jobdb.db)) as db:
        states = db.execute("SELECT * FROM node_states").fetchall()
    assert len(states) > 20
    assert sorted(map(repr, states)) == sorted(
        repr(tuple(row.values())) for row in rows(lake, "nodes")
    )
    check_back(jobdb, lake, tmp_path)


def test_jobs_wait_until_they_have_finished_and_late_events_are_amendments(
    jobdb: Command, tmp_path: Path
) -> None:
    lake, life = tmp_path / "lake", field_jobs.job(1)
    jobdb.ingest([*life[:5], *field_jobs.job(2)[:-1]])
    export(jobdb, lake)
    assert [] == texts(lake)
    jobdb.ingest(life)
    export(jobdb, lake)
    assert 10 == len(texts(lake))
    late = field_jobs.event(field_jobs.EPOCH + 4.5, "memo", {"late": 1})
    jobdb.ingest([field_jobs.response(1 << 24, late), b'{"jobs":[16777216]}'])
    export(jobdb, lake)
    names = sorted(path.name for path in (lake / "events").rglob("*.parquet"))
    assert [False, True] == ["amendment" in name for name in names]
    assert finished_texts(jobdb) == texts(lake)
    assert stored_jobs(jobdb.db, "state = 'INACTIVE'") == newest(lake)
    assert newest(lake)[0][-2] is not None  # t_purged
    export(jobdb, lake, "--verify")


def test_what_was_changed_or_lost_in_a_lake_is_named(jobdb: Command, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    jobdb.ingest(list(journal(30)))
    export(jobdb, lake)
    (path,) = (lake / "events").rglob("*.parquet")
    data = path.read_bytes()
    for broken in (data[:-9] + b"X" + data[-8:], data[:-1]):
        path.write_bytes(broken)
        assert path.name in jobdb("export", "--cluster=tuolumne", "--verify", str(lake),
                                  status=1).err  # fmt: skip
    path.unlink()
    assert (
        "No such file"
        in jobdb("export", "--cluster=tuolumne", "--verify", str(lake), status=1).err
    )


def test_a_lake_of_another_store_is_refused(jobdb: Command, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    jobdb.ingest(list(journal(5)))
    export(jobdb, lake)
    other = Command(tmp_path, "other.sqlite")
    other.ingest(list(journal(5, seed=2)))
    assert "another store's" in other("export", "--cluster=tuolumne", str(lake), status=1).err
    assert "no name" in other("export", str(lake), status=1).err
    other("export", "--cluster=elcap", str(lake))  # two clusters in one lake
    assert (
        "name one of them" in Command(tmp_path, "x.sqlite")("ingest", str(lake), status=1).err
    )
    assert "has events" in other("ingest", "--cluster=elcap", str(lake), status=1).err


def test_where_nothing_was_exported_nothing_is_proven(jobdb: Command, tmp_path: Path) -> None:
    jobdb("ingest", "-")
    for words in ((), ("--verify",)):  # nothing is there, and nothing is stored
        jobdb("export", *words, "--cluster", "c", str(tmp_path / "empty"))
    jobdb.ingest(list(journal(3)))
    export(jobdb, tmp_path / "lake")
    for folder, name in ((tmp_path / "none", "c"), (tmp_path / "lake", "other")):
        done = jobdb("export", "--verify", "--cluster", name, str(folder), status=1)
        assert f"nothing of {name} was exported there" in done.err
    jobdb("ingest", "--cluster", "named", "-", stdin=b"\n".join(journal(3)))
    done = jobdb("export", "--verify", "--cluster", "other", str(tmp_path / "lake"), status=1)
    assert "its cluster is named, not other" in done.err
    assert "--compact" in jobdb("export", "--verify", "--compact", "x", status=2).err


def test_without_pyarrow_one_line_says_what_to_do(jobdb: Command, tmp_path: Path) -> None:
    jobdb.ingest(list(journal(2)))
    script = "import sys\nsys.modules['pyarrow'] = None\n"
    (tmp_path / "lake").mkdir()
    for words in (("export", "--cluster", "x", "lake"), ("ingest", "lake"),
                  ("export", "--cluster", "x", "--verify", "lake")):  # fmt: skip
        said = jobdb(*words, script=script, status=1).err
        assert "pip install 'flux-jobdb[lake]'" in said
        assert 1 == said.count("\n")


def test_whenever_it_dies_each_row_is_there_once(jobdb: Command, tmp_path: Path) -> None:
    """A process ends at each of the steps that others may see; then one goes to its end."""
    lines = list(journal(40))
    jobdb.ingest(lines[:250])
    lake = tmp_path / "lake"
    export(jobdb, lake)
    jobdb.ingest(lines)
    step = until_it_lives(jobdb, lake)
    assert step > 5
    assert finished_texts(jobdb) == texts(lake)
    left = {path.name for path in lake.rglob("*") if "part" in path.name}
    assert set() == left
    export(jobdb, lake, "--verify")
