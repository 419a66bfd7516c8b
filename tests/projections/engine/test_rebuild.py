# SPDX-License-Identifier: LGPL-3.0
"""Rebuilds: beside the old view, resumable, by themselves when a version has changed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from eventstore.errors import StoreError
from eventstore.ingest.writer import Writer
from eventstore.storage.connection import Store, create_or_open
from eventstore.storage.sql import fetch
from projections.definitions.inactive import Inactive
from projections.definitions.registry import BUILTIN
from projections.engine.rebuild import Rebuild, rebuild, refresh
from projections.engine.views import Views, overview
from tests.support.journal_generator import EPOCH, journal

ROOT = Path(__file__).resolve().parents[3]
READER = """
import sys
from eventstore.storage.connection import open_readonly
from joblist.config import Config
from joblist.protocol.requests import Credential
from joblist.service import Request, Service

request = Request("job-list.list", b'{"max_entries":0,"attrs":["all"]}', Credential(), False)
with open_readonly(sys.argv[1]) as store:
    for _ in sys.stdin:
        answer = Service(store, Config()).answer(request)[0]
        print(answer.count(b'"id":'), flush=True)
"""


class NewInactive(Inactive):
    version = Inactive.version + 1


NEWER = tuple(NewInactive() if p.name == "inactive" else p for p in BUILTIN)


@pytest.fixture
def path(tmp_path: Path) -> str:
    name = str(tmp_path / "jobs.sqlite")
    with create_or_open(name) as store:
        Writer(store, "test", Views(store)).append(journal(300))
    return name


def rows(store: Store) -> list[object]:
    names = ("active", "inactive", "span", "accounting", "stats", "ended", "fold")
    return [fetch(store.db, f"SELECT * FROM {name} ORDER BY 1, 2") for name in names]


@pytest.mark.parametrize("interrupted", [False, True])
def test_several_processes_make_the_same_rows(path: str, interrupted: bool) -> None:
    def stop_in_the_middle(done: int, total: int) -> None:
        if done > total / 2:
            raise KeyboardInterrupt

    with create_or_open(path) as store:
        views = Views(store)
        # Jobs that are purged, gone, and taken up again concern all parts.
        writer = Writer(store, "more", views, boot="b", expected=lambda: [1, 2, 299])
        ids = [jobid for (jobid,) in fetch(store.db, "SELECT jobid FROM job LIMIT 99")]
        writer.append([b'{"jobs":%b}' % str(ids).encode(), b'{"id":-1,"events":[]}'])
        writer.append(journal(200, seed=7, start=EPOCH + 1e6))
        before = rows(store)
        if interrupted:
            with pytest.raises(KeyboardInterrupt):
                rebuild(views, None, stop_in_the_middle, chunk=500, processes=3)
        rebuild(views, chunk=500, processes=3)
        assert before == rows(store)


def test_a_part_that_fails_is_reported(path: str) -> None:
    with create_or_open(path) as store:
        views = Views(store)
        before = rows(store)
        store.db.execute("DROP TRIGGER event_no_update")
        (kept,) = fetch(store.db, "SELECT data FROM jobspec WHERE base IS NOT NULL LIMIT 1")[0]
        store.db.execute("DROP TRIGGER jobspec_no_update")
        store.db.execute("UPDATE jobspec SET data = x'00' WHERE base IS NOT NULL")
        with pytest.raises(StoreError, match="cannot be inflated"):
            rebuild(views, chunk=500, processes=2)
        assert before == rows(store)
        assert kept


def test_a_raised_version_is_rebuilt_while_another_process_reads(path: str) -> None:
    reader = subprocess.Popen(
        [sys.executable, "-c", READER, path],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip
    assert reader.stdin is not None
    assert reader.stdout is not None

    def answer() -> str:
        assert reader.stdin is not None
        assert reader.stdout is not None
        reader.stdin.write("list\n")
        reader.stdin.flush()
        return reader.stdout.readline().strip()

    assert answer() == "300"
    with create_or_open(path) as store:
        before = rows(store)
        views = Views(store, NEWER)
        assert views.stale == {"inactive"}
        answers = []
        assert refresh(views, lambda done, total: answers.append(answer())) == ["inactive"]
        assert before == rows(store)
        assert views.stale == set()
        rebuild(views, None, lambda done, total: answers.append(answer()), chunk=200)
    answers.append(answer())
    reader.stdin.close()
    assert reader.wait() == 0
    reader.stdout.close()
    assert len(answers) > 10
    assert set(answers) == {"300"}


def test_an_interrupted_rebuild_goes_on(path: str) -> None:
    class Stop(Exception):
        pass

    def stop_in_the_middle(done: int, total: int) -> None:
        if done > total / 2:
            raise Stop

    with create_or_open(path) as store:
        before = rows(store)
        views = Views(store)
        with pytest.raises(Stop):
            rebuild(views, None, stop_in_the_middle, chunk=100)
        assert before == rows(store)
    with create_or_open(path) as store:
        views = Views(store)
        steps: list[int] = []
        total = fetch(store.db, "SELECT max(seq) FROM event")[0][0]
        rebuild(views, None, lambda done, total: steps.append(done), chunk=100)
        assert steps[0] > total / 2
        assert before == rows(store)
        # Other views are wanted now: what was begun for others is of no use.
        Rebuild(store, [BUILTIN[0]])
        rebuild(views, ["stats"], chunk=100)
        assert before == rows(store)


def test_views_of_another_version_do_not_advance_until_they_are_rebuilt(path: str) -> None:
    with create_or_open(path) as store:
        views = Views(store, NEWER)
        Writer(store, "more", views).append(journal(5, seed=3, start=EPOCH + 1e6))
        assert [(300,)] == fetch(store.db, "SELECT count(*) FROM inactive")
        refresh(views)
        assert [(305,)] == fetch(store.db, "SELECT count(*) FROM inactive")


def test_a_view_that_missed_events_is_rebuilt(path: str) -> None:
    with create_or_open(path) as store:
        fewer = Views(store, [p for p in BUILTIN if p.name != "stats"])
        Writer(store, "more", fewer).append(journal(5, seed=3, start=EPOCH + 1e6))
        assert {"stats": "behind"} == {
            status.name: status.state
            for status in overview(store.db)
            if status.state != "current"
        }
        views = Views(store)
        assert refresh(views) == ["stats"]
        counted = fetch(store.db, "SELECT inactive FROM stats WHERE all_queues")
        assert counted == fetch(store.db, "SELECT count(*) FROM inactive")


def test_an_unknown_name_is_refused(path: str) -> None:
    with create_or_open(path) as store, pytest.raises(StoreError, match="there is none"):
        rebuild(Views(store), ["nonsense"])


def test_the_overview_says_how_views_are(path: str) -> None:
    with create_or_open(path) as store:
        found = overview(store.db)
        assert {"active", "inactive", "accounting", "stats", "reports", "waits", "nodes"} == {
            status.name for status in found
        }
        assert {("current", 3300)} == {(status.state, status.checkpoint) for status in found}
