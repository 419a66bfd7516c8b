# SPDX-License-Identifier: LGPL-3.0
"""``accounting --explain``: each figure with the event that says so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cli.accounting.explain import explain
from eventstore.errors import StoreError
from eventstore.ingest.writer import Writer
from eventstore.reading import event_log
from eventstore.storage.connection import create_or_open
from eventstore.storage.sql import fetch
from projections.engine.views import Views
from projections.notation.jobid import encode
from projections.queries.accounting_feed import finished_jobs
from tests.cli.test_commands import Run
from tests.support.accounting_db import create
from tests.support.recordings import new_store, play, recordings

JOB = 0x1000000


def event(name: str, time: float, **context: Any) -> bytes:
    return line({"timestamp": time, "name": name, "context": context})


def line(event: dict[str, Any], **more: Any) -> bytes:
    return json.dumps({"id": JOB, "events": [event], **more}).encode()


JOBSPEC = {
    "version": 1,
    "resources": [
        {"type": "slot", "count": 1, "label": "t", "with": [{"type": "core", "count": 2}]}
    ],
    "tasks": [{"command": ["a"], "slot": "t", "count": {"per_slot": 1}}],
    "attributes": {"system": {"duration": 60}},
}  # fmt: skip
R = {
    "version": 1,
    "execution": {
        "R_lite": [{"rank": "0-2", "children": {"core": "0-1", "gpu": "0"}}],
        "starttime": 10.0, "expiration": 70.0, "nodelist": ["a[0-2]"],
    },
}  # fmt: skip
SUBMIT = line(
    {"timestamp": 1.0, "name": "submit", "context": {"userid": 7, "urgency": 16, "version": 1}},
    jobspec=JOBSPEC,
)
PENDING = [
    SUBMIT,
    event("jobspec-update", 1.5, **{"attributes.system.bank": "b1"}),
    event("validate", 2.0),
    event("depend", 3.0),
    event("priority", 4.0, priority=16),
]
ALLOC = line({"timestamp": 10.0, "name": "alloc", "context": {"annotations": {}}}, R=R)
ENDED = [event("finish", 12.0, status=0), event("free", 13.0), event("clean", 14.5)]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(str(tmp_path / "jobs.sqlite"))


def told(run: Run, lines: list[bytes], *words: str) -> list[str]:
    with create_or_open(run.db) as store:
        Writer(store, "test", Views(store)).append(lines)
    return run("accounting", "--explain", encode(JOB), *words).splitlines()


def test_a_charge_goes_with_its_events(run: Run) -> None:
    verdict, *figures = told(run, [*PENDING, ALLOC, *ENDED])
    expected = "charged 13.50000 = (3 nodes x 1) x 4.50000 s to user 7, bank b1"
    assert f"{encode(JOB)} {expected}" == verdict
    table = {line.split()[0]: line.split(maxsplit=1)[1] for line in figures}
    assert (
        "1970-01-01T00:00:14.500000Z  clean of 1970-01-01T00:00:14.500000Z, seq 9"
        == (table["ended"])
    )
    events = {name: text.rsplit(" of ", 1)[0].split()[-1] for name, text in table.items()}
    assert events == {
        "state": "clean", "user": "submit", "bank": "jobspec-update", "project": "submit",
        "requested": "submit", "submitted": "submit", "started": "alloc", "ended": "clean",
        "nodes": "alloc", "cores": "alloc", "gpus": "alloc",
    }  # fmt: skip
    assert {"nodes": "3", "cores": "6", "gpus": "3", "project": "-", "bank": "b1"} == {
        name: table[name].split()[0] for name in ("nodes", "cores", "gpus", "project", "bank")
    }


def test_weights_and_presence_are_those_of_the_target(run: Run, tmp_path: Path) -> None:
    path = create(tmp_path / "a.db")
    verdict, presence, *_ = told(run, [*PENDING, ALLOC, *ENDED], "--to", path)
    assert "charged 27.00000 = (3 nodes x 1 + 6 cores x 0.5) x 4.50000 s" in verdict
    assert f"{path} does not have it" == presence
    run("accounting", "--to", path)
    assert f"{path} has it" == told(run, [], "--to", path)[1]
    older = create(tmp_path / "older.db", 24)
    run("accounting", "--to", older)
    assert "= (3 nodes x 1) x" in told(run, [], "--to", older)[0]


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (PENDING, "it has not finished"),
        ([*PENDING, ALLOC], "it has not finished"),
        (
            [
                *PENDING,
                event("exception", 9.0, type="cancel", severity=0, note="bad idea"),
                event("clean", 10.0),
            ],
            "it never ran (bad idea)",
        ),
        ([SUBMIT, event("invalidate", 2.0)], "it was rejected"),
        (PENDING[2:], "its submit event was not seen"),
        (
            [*PENDING, event("alloc", 10.0, annotations={}), *ENDED],
            "not known of it: ranks, R",
        ),
    ],
)
def test_why_a_job_is_not_in_the_feed(run: Run, lines: list[bytes], reason: str) -> None:
    assert f"{encode(JOB)} not in the feed: {reason}" == told(run, lines)[0]


def test_a_job_without_a_bank_is_said_to_count_for_nobody(run: Run) -> None:
    verdict = told(run, [PENDING[0], *PENDING[2:], ALLOC, *ENDED])[0]
    assert verdict.endswith("to user 7, no bank: no usage grows by it")


def test_a_job_that_the_job_manager_lost(run: Run) -> None:
    with create_or_open(run.db) as store:
        views = Views(store)
        Writer(store, "test", views).append([*PENDING, ALLOC])
        backlog = [b'{"id":-1,"events":[]}']
        expected = [key for (key,) in fetch(store.db, "SELECT key FROM job")]
        Writer(store, "again", views, expected=lambda: expected).append(backlog)
    assert "the job manager lost it" in told(run, [])[0]


@pytest.mark.parametrize(
    "r_lite",
    [
        [{"rank": "0-2", "children": None}],
        [{"rank": "0-2", "children": "0"}],
        [{"rank": "0", "children": {"gpu": "x"}}],
        [{"rank": "0-2"}],
        {"rank": "0"},
        "0-2",
        None,
    ],
)
def test_an_odd_allocation_is_explained(run: Run, r_lite: object) -> None:
    odd = R | {"execution": R["execution"] | {"R_lite": r_lite}}  # type: ignore[operator]
    without = R | {"execution": {"R_lite": r_lite, "starttime": 10.0, "expiration": 70.0}}
    for r in (odd, without):
        alloc = line({"timestamp": 10.0, "name": "alloc", "context": {"annotations": {}}}, R=r)
        assert told(run, [*PENDING, alloc, *ENDED])[0].startswith(encode(JOB))


def test_unknown_jobs(run: Run) -> None:
    told(run, PENDING)
    with pytest.raises(StoreError, match="no such job here"):
        run("accounting", "--explain", "1")


def test_every_recorded_job_is_explained() -> None:
    for recording in recordings():
        store, views = new_store()
        play(store, views, recording, recording.boots)
        fed = {record.id for _, record in finished_jobs(store.db, 0, event_log.head(store.db))}
        for key, jobid in fetch(store.db, "SELECT key, jobid FROM job WHERE key % 23 = 0"):
            found = explain(event_log.job_records(store.db, key))
            assert (jobid in fed) == (found.charge is not None)
            assert found.verdict.startswith("charged" if jobid in fed else "not in the feed")
        store.close()
