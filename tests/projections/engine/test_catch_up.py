# SPDX-License-Identifier: LGPL-3.0
"""Views that follow later are the views that are written with the events."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from eventstore.events.records import Notice, Record
from eventstore.ingest.writer import Writer
from eventstore.storage.connection import Store, create_or_open
from eventstore.storage.sql import fetch
from projections.definitions.interface import Put
from projections.definitions.registry import BUILTIN
from projections.engine.catch_up import CatchUp, behind
from projections.engine.rebuild import refresh
from projections.engine.views import Views, overview
from tests.support.command import Command
from tests.support.journal_generator import EPOCH, journal
from tests.support.nodes.recordings import node_recordings
from tests.support.recordings import recordings

_OF_ITS_TIME = {"batch", "source", "view_failure"}
"""Tables that have the time of a commit, or how many there were."""


def tables(store: Store) -> dict[str, list[tuple[Any, ...]]]:
    """Return all rows of all tables."""
    sql = "SELECT name FROM sqlite_schema WHERE type = 'table'"
    names = {name for (name,) in fetch(store.db, sql)} - _OF_ITS_TIME
    return {
        name: sorted(fetch(store.db, f"SELECT * FROM {name}"), key=repr)
        for name in names
        if not name.startswith("sqlite_")
    }


def differing(one: Store, other: Store) -> list[str]:
    """Return the names of the tables that are not the same."""
    mine, theirs = tables(one), tables(other)
    return sorted(n for n in mine.keys() | theirs.keys() if mine.get(n) != theirs.get(n))


class Later:
    """Takes part in batches in the place of views, which it has follow now and then."""

    def __init__(self, follower: CatchUp) -> None:
        self._follower = follower

    def apply(self, _db: Any, _records: Sequence[Record | Notice]) -> None:
        pass

    def committed(self) -> None:
        self._follower.advance()

    def rolled_back(self) -> None:
        pass


@pytest.fixture
def two(tmp_path: Path) -> Iterator[tuple[Store, Store]]:
    with (
        create_or_open(str(tmp_path / "at-once.sqlite")) as one,
        create_or_open(str(tmp_path / "later.sqlite")) as other,
    ):
        yield one, other


@pytest.mark.parametrize("recording", recordings(), ids=lambda one: one.name)
@pytest.mark.parametrize("chunk", [37, 1000])
def test_recordings(recording: Any, chunk: int, two: tuple[Store, Store]) -> None:
    choice = random.Random(chunk)
    at_once, later = Views(two[0]), Views(two[1])
    with CatchUp(later, 1, chunk=chunk) as follower:
        for boot in recording.boots:
            lines = [line for _, some in recording.feed(boot) for line in some]
            lines.insert(len(lines) // 2, b"damaged")
            writers = [
                Writer(store, "test", part, boot=str(boot))
                for store, part in ((two[0], at_once), (two[1], Later(follower)))
            ]
            while lines:
                size = choice.randrange(1, 400)
                some, lines = lines[:size], lines[size:]
                for writer in writers:
                    writer.append(some)
        follower.finish()
    assert [] == differing(*two)


@pytest.mark.parametrize("recording", node_recordings(), ids=lambda one: one.name)
def test_recordings_of_nodes(recording: Any, two: tuple[Store, Store]) -> None:
    at_once, later = Views(two[0]), Views(two[1])
    list(recording.on_the_way(two[0], at_once))
    with CatchUp(later, 1, chunk=100) as follower:
        list(recording.on_the_way(two[1], Later(follower)))
        follower.finish()
    assert [] == differing(*two)


def test_several_processes(two: tuple[Store, Store]) -> None:
    """Jobs that are purged, gone, and taken up again concern all parts."""
    at_once, later = Views(two[0]), Views(two[1])
    with CatchUp(later, 3, chunk=300) as follower:
        for store, part in ((two[0], at_once), (two[1], Later(follower))):
            writer = Writer(store, "test", part)
            lines = list(journal(300))
            for start in range(0, len(lines), 700):
                writer.append(lines[start : start + 700])
            ids = [jobid for (jobid,) in fetch(store.db, "SELECT jobid FROM job LIMIT 99")]
            writer = Writer(store, "more", part, boot="b", expected=lambda: [1, 2, 299])
            writer.append([b'{"jobs":%b}' % str(ids).encode(), b'{"id":-1,"events":[]}'])
            writer.append(journal(200, seed=7, start=EPOCH + 1e6))
        follower.finish()
    assert [] == differing(*two)
    for part in at_once, later:  # and they go on as ever
        Writer(part.store, "then", part).append(journal(50, seed=9, start=EPOCH + 2e6))
    assert [] == differing(*two)


def test_what_a_crash_left_behind_is_caught_up_with(two: tuple[Store, Store]) -> None:
    lines = list(journal(200))
    for store in two:
        Writer(store, "test", Views(store)).append(lines[:500])
    Writer(two[0], "test", Views(two[0])).append(lines[500:])
    Writer(two[1], "test").append(lines[500:])  # events alone
    assert len(BUILTIN) == len(behind(two[1].db, BUILTIN))
    assert {"behind"} == {one.state for one in overview(two[1].db)}
    assert [] == refresh(Views(two[1]))  # nothing was rebuilt
    assert {"current"} == {one.state for one in overview(two[1].db)}
    assert [] == differing(*two)


class Moody:
    """A site's projection that fails at some job."""

    name = "moody"
    version = 1
    schema = "CREATE TABLE moody (job INTEGER PRIMARY KEY);\n"
    at = 150

    def rows(self, job: Any) -> list[Put]:
        if job.key == self.at:
            raise ValueError("not this one")
        return [Put("moody", (job.key,))]


def test_a_projection_that_fails_is_left_behind_alone(two: tuple[Store, Store]) -> None:
    said: list[str] = []
    stores = []
    for store in two:
        views = Views(store, [*BUILTIN, Moody()])
        views.tell(said.append)
        stores.append(views)
    lines = list(journal(200))
    with CatchUp(stores[1], 1, chunk=200) as follower:
        for store, part in ((two[0], stores[0]), (two[1], Later(follower))):
            writer = Writer(store, "test", part)
            for start in range(0, len(lines), 200):
                writer.append(lines[start : start + 200])
        follower.finish()
    assert ["moody" in text for text in said] == [True, True]
    assert set() == set(differing(*two)) - {"moody", "view"}
    moody = [fetch(store.db, "SELECT max(job) FROM moody")[0][0] for store in two]
    assert all(0 < last < Moody.at for last in moody)
    assert [] == [one for one in stores[1].stale if one != "moody"]


_SMALL = "import projections.engine.catch_up as engine\nengine.CHUNK = 400\n" \
         "engine.CatchUp.__init__.__kwdefaults__['chunk'] = 400\n" \
         "import cli.input.line_files as files\n"  # fmt: skip


def test_ingest_by_several_processes(tmp_path: Path) -> None:
    """The command: the same rows under the same numbers, whatever the number is."""
    paths = []
    for number, part in enumerate((journal(150), journal(80, seed=3, start=EPOCH + 1e6))):
        path = tmp_path / f"{number}.jsonl"
        path.write_bytes(b"\n".join([*part, b"damaged"]) + b"\n")
        paths.append(str(path))
    summaries = set()
    found = []
    for jobs in "1", "3":
        jobdb = Command(tmp_path, f"{jobs}.sqlite")
        done = jobdb("ingest", "--jobs", jobs, *paths, status=3, script=_SMALL)
        summaries.add(done.err.splitlines()[-1])
        jobdb("verify")
        with create_or_open(str(jobdb.db)) as store:
            found.append(tables(store))
    assert 1 == len(summaries)
    assert [] == [name for name in found[0] if found[0][name] != found[1][name]]


def test_killed_at_any_moment_nothing_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_bytes(b"\n".join(journal(3000)) + b"\n")
    jobdb, whole = Command(tmp_path), Command(tmp_path, "whole.sqlite")
    whole("ingest", "--jobs", "1", str(path))
    choice = random.Random(5)
    for _ in range(6):
        process = jobdb.start("ingest", "--jobs", "2", str(path), script=_SMALL)
        time.sleep(choice.uniform(0.3, 1.5))
        process.send_signal(signal.SIGKILL)
        process.communicate()
    jobdb("ingest", "--jobs", "2", str(path))
    jobdb("verify")
    with (
        create_or_open(str(jobdb.db)) as mine,
        create_or_open(str(whole.db)) as theirs,
    ):
        assert [] == differing(mine, theirs)
    assert not [p for p in os.listdir(tmp_path) if p.endswith("-journal")]
