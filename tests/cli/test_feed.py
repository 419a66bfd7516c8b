# SPDX-License-Identifier: LGPL-3.0
"""The accounting feed: the rows, and the cursor."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.accounting.feed import consumer_of, feed
from cli.accounting.flux_accounting_db import Target
from eventstore.ingest.writer import Writer
from eventstore.reading import event_log
from eventstore.storage.connection import Store, create_or_open
from eventstore.storage.sql import fetch
from projections.definitions.accounting import Accounting
from projections.engine.consumer_cursor import Consumer
from projections.engine.rebuild import rebuild
from projections.engine.views import Views
from projections.queries.accounting_feed import JobRecord, finished_jobs, requested
from projections.queries.render import Renderer
from tests.cli.conftest import Site
from tests.support.accounting_db import create, ids, rows
from tests.support.journal_generator import EPOCH, journal
from tests.support.recordings import Recording, new_store, play, recordings

ACCOUNTED = [recording for recording in recordings() if recording.objects("accounting")]
PURGED = [recording for recording in recordings() if recording.objects("purge-events")]


def ways(recording: Recording) -> Iterator[tuple[Store, Views]]:
    """Yield stores that learned of the same jobs in different ways."""
    store, views = new_store()
    play(store, views, recording, recording.boots)
    yield store, views
    store, views = new_store()
    Writer(store, "backlog", views).append(recording.lines("backlog"))
    yield store, views
    store, views = new_store()
    lines = recording.journal(1)
    Writer(store, "later half", views).append(lines[len(lines) // 2 :])
    Writer(store, "all", views).append(lines)
    yield store, views


# -- the rows


@pytest.mark.parametrize("recording", ACCOUNTED, ids=lambda recording: recording.name)
def test_rows_equal_those_of_flux_accountings_script(
    recording: Recording, tmp_path: Path
) -> None:
    expected = {
        entry["row"]["id"]: entry["row"]
        for entry in recording.objects("accounting")
        if entry["table"] == "jobs"
    }
    assert len(expected) > 2000
    for number, (store, views) in enumerate(ways(recording)):
        path = create(tmp_path / f"{number}.db")
        with store, Target(path) as target:
            assert (len(expected), 0, []) == feed(store, target, consumer_of(store, target))
            if number == 0:
                assert_stored_once(store, len(expected))
                rebuild(views, ["accounting"])
                assert (0, len(expected), []) == feed(store, target, Consumer(store.path, None))
        assert expected == {row["id"]: row for row in rows(path)}


def assert_stored_once(store: Store, jobs: int) -> None:
    """Of jobspec and R, the view has only what updates changed."""
    assert [(jobs, jobs)] == fetch(
        store.db, "SELECT count(R_seq) + count(R), count(jobspec_seq) FROM accounting"
    )
    for column, event in (("R", "resource-update"), ("updates", "jobspec-update")):
        assert fetch(
            store.db,
            "SELECT job FROM accounting WHERE job IN"
            " (SELECT job FROM event WHERE name = ?) ORDER BY job",
            (event,),
        ) == fetch(
            store.db, f"SELECT job FROM accounting WHERE {column} IS NOT NULL ORDER BY job"
        )


@pytest.mark.parametrize("recording", PURGED, ids=lambda recording: recording.name)
def test_jobs_that_were_purged_are_there(recording: Recording, tmp_path: Path) -> None:
    path = create(tmp_path / "a.db")
    ran, ended = set(), set()
    for line in recording.journal(1):
        response = json.loads(line)
        for event in response["events"]:
            (ran if event["name"] == "alloc" else set()).add(response["id"])
            (ended if event["name"] == "clean" else set()).add(response["id"])
    store, views = new_store()
    play(store, views, recording, recording.boots)
    with store, Target(path) as target:
        feed(store, target, consumer_of(store, target))
        purged = {
            jobid for (jobid,) in fetch(store.db, "SELECT jobid FROM purged, job ON key = job")
        }
    assert ran & ended == ids(path)
    assert len(purged & ran) > 100


def test_every_view_row_is_one_of_the_recordings_jobs_that_ran() -> None:
    for recording in recordings():
        store, views = new_store()
        play(store, views, recording, recording.boots)
        rows = fetch(store.db, "SELECT jobid, answer FROM inactive")
        answers = [json.loads(Renderer(["all"]).text(*row)) for row in rows]
        ran = {job["id"]: job for job in answers if "t_run" in job}
        found = {
            record.id: record
            for _, record in finished_jobs(store.db, 0, event_log.head(store.db))
        }
        assert set(ran) == set(found)
        for jobid, record in found.items():
            for name in ("userid", "t_submit", "t_run", "t_inactive", "ranks"):
                assert ran[jobid][name] == getattr(record, name)
            assert ran[jobid].get("bank", "") == record.bank
            assert ran[jobid].get("project", "") == record.project
        store.close()


@pytest.mark.parametrize(
    ("jobspec", "expected"),
    [
        (
            {"attributes": {"system": {"project": "p", "bank": "b", "duration": 60}}},
            ("p", "b", 60.0),
        ),
        ({"attributes": {"system": {"bank": "ü", "duration": 1.5}}}, ("", "ü", 1.5)),
        ({"attributes": {"system": {"bank": 7, "duration": "60"}}}, ("", "7", None)),
        ({"attributes": {"system": {"project": 1.5, "bank": True}}}, ("1.5", "1", None)),
        ({"attributes": {"system": {"project": 7.0, "bank": [7]}}}, ("7.0", "", None)),
        ({"attributes": {"system": {"project": None, "duration": True}}}, ("", "", None)),
        ({"attributes": {"system": {"duration": 10**30}}}, ("", "", None)),
        ({"attributes": None}, ("", "", None)),
        ({}, ("", "", None)),
        ([], ("", "", None)),
    ],
)  # fmt: skip
def test_what_a_jobspec_asks_of_the_accounts(jobspec: Any, expected: tuple[Any, ...]) -> None:
    assert expected == requested(json.dumps(jobspec).encode())
    assert ("", "", None) == requested(b"{") == requested(None)


# -- the cursor


def test_each_run_costs_what_is_new(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    add = Target.add

    def counting(self: Target, records: list[JobRecord]) -> Any:
        seen.append(len(records))
        return add(self, records)

    monkeypatch.setattr(Target, "add", counting)
    for seed, jobs in enumerate((30, 0, 7, 1), start=1):
        site.finish(jobs, seed)
        assert (jobs, 0) == site.feed()
        assert (0, 0) == site.feed()
    assert [30, 7, 1] == seen
    assert site.jobs == ids(site.target)


def test_jobs_that_come_late_are_not_missed(site: Site) -> None:
    site.finish(10, 5)
    assert (10, 0) == site.feed()
    site.finish(10, 1)  # ended long before those
    assert (10, 0) == site.feed()
    # The end of a job is known before its beginning.
    lines = list(journal(8, 9, start=EPOCH + 9e6))
    site.ingest(lines[len(lines) // 2 :])
    before, _ = site.feed()
    assert before < 8
    site.ingest(lines)
    assert (8 - before) <= site.feed()[0] + before <= 8
    assert site.jobs == ids(site.target)


def test_a_rebuild_leaves_the_cursor_in_place(site: Site) -> None:
    site.finish(10, 1)
    assert (10, 0) == site.feed()
    rebuild(site.views)
    assert (0, 0) == site.feed()
    site.finish(3, 2)
    assert (3, 0) == site.feed()


def test_a_restored_target_is_filled_again(site: Site) -> None:
    site.finish(10, 1)
    site.feed()
    backup = Path(site.target).read_bytes()
    site.finish(10, 2)
    site.feed()
    Path(site.target).write_bytes(backup)
    assert (10, 10) == site.feed()
    assert (0, 0) == site.feed()
    Path(site.target).unlink()
    create(site.target)
    assert (20, 0) == site.feed()


def test_a_restored_target_that_has_grown_again_is_filled(site: Site) -> None:
    site.finish(10, 1)
    site.feed()
    backup = Path(site.target).read_bytes()
    site.finish(10, 2)
    site.feed()
    Path(site.target).write_bytes(backup)
    # flux-accounting's script adds as many as are lost, and more; two of those were purged.
    site.finish(5, 3)
    records = [record for _, record in finished_jobs(site.store.db, 0, 10**6)]
    with Target(site.target) as target, target.transaction():
        target.add(records[:11:-1])
    assert (2, 23) == site.feed()
    assert site.jobs == ids(site.target)


def test_a_restored_source_starts_over(site: Site, tmp_path: Path) -> None:
    site.finish(10, 1)
    site.store.close()
    backup = Path(site.db).read_bytes()
    site.store = create_or_open(site.db)
    site.views = Views(site.store)
    site.finish(10, 2)
    assert (20, 0) == site.feed()
    site.store.close()
    for suffix in ("-wal", "-shm"):
        Path(site.db + suffix).unlink(missing_ok=True)
    Path(site.db).write_bytes(backup)
    site.store = create_or_open(site.db)
    site.views = Views(site.store)
    # Other events have the seqs of those that are lost, in a batch of the same number.
    site.finish(10, 3)
    assert (10, 10) == site.feed()
    site.finish(10, 2)
    assert (0, 10) == site.feed()


def test_beside_flux_accountings_own_script(site: Site) -> None:
    site.finish(20, 1)
    everything = [record for _, record in finished_jobs(site.store.db, 0, 10**6)]
    with Target(site.target) as target, target.transaction():
        target.add(everything[5:9])
    assert (16, 4) == site.feed()
    assert (0, 0) == site.feed()
    assert site.jobs == ids(site.target)


def test_since_passes_over_older_jobs_until_they_are_asked_for(site: Site) -> None:
    site.finish(10, 1)
    site.finish(10, 2)
    middle = EPOCH + 1.9e6
    assert (10, 0) == site.feed(middle)
    assert (0, 0) == site.feed(middle + 1)
    site.finish(1, 3)
    assert (1, 0) == site.feed(middle + 1)
    assert (10, 11) == site.feed()
    assert (0, 0) == site.feed()
    assert (0, 0) == site.feed(middle)


def test_a_consumer_without_a_file_remembers_while_it_lives(site: Site) -> None:
    site.finish(4, 1)
    consumer = Consumer(site.db, None)
    with site.store.snapshot() as db:
        window = consumer.unread(db, Accounting())
    consumer.done(window.end)
    with site.store.snapshot() as db:
        again = consumer.unread(db, Accounting())
    assert (0, window.upto) == window[:2]
    assert (window.upto, window.upto) == again[:2]
    assert not Path(site.db + "-consumers").exists()
