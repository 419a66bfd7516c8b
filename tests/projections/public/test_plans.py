# SPDX-License-Identifier: LGPL-3.0
"""Queries of the public views on indexed columns read indexes."""

from __future__ import annotations

import pytest

from eventstore.ingest.writer import Writer
from eventstore.storage.connection import Store
from eventstore.storage.sql import fetch
from tests.support.journal_generator import journal
from tests.support.recordings import new_store

SMALL = {"SCAN active"}  # active jobs are few


@pytest.fixture(scope="module")
def stored() -> Store:
    store, views = new_store()
    Writer(store, "finished", views).append(journal(200))
    Writer(store, "active", views).append(journal(20, first=200, running=20))
    return store


def plan(store: Store, sql: str) -> list[str]:
    return [detail for *_, detail in fetch(store.db, f"EXPLAIN QUERY PLAN {sql}")]


@pytest.mark.parametrize(
    ("where", "index"),
    [
        ("id = 5", "inactive_by_jobid (jobid=?)"),
        ("userid = 5", "inactive_by_userid (userid=?)"),
        ("userid = 5 AND t_inactive > 7", "inactive_by_userid (userid=? AND t_inactive>?)"),
        ("userid IN (5, 6)", "inactive_by_userid (userid=?)"),
        ("name = 'x'", "inactive_by_name (name=?)"),
        ("queue = 'x'", "inactive_by_queue (queue=?)"),
        ("result = 'FAILED'", "inactive_by_result (result=?)"),
        ("t_inactive BETWEEN 5 AND 7", "inactive_by_time (t_inactive>? AND t_inactive<?)"),
        ("t_purged > 7", "inactive_by_purge (t_purged>?)"),
    ],
)
@pytest.mark.parametrize("select", ["*", "count(*)", "queue, sum(nnodes)"])
def test_jobs(stored: Store, select: str, where: str, index: str) -> None:
    steps = plan(stored, f"SELECT {select} FROM jobs WHERE {where}")
    assert f"SEARCH inactive USING INDEX {index}" in {
        step.replace("COVERING ", "") for step in steps
    }
    assert {s for s in steps if s.startswith("SCAN")} <= {
        *SMALL,
        "SCAN jobs",
    }  # of what was found


@pytest.mark.parametrize("where", ["1", "userid = 5", "queue = 'x'", "result = 'FAILED'"])
def test_the_newest_are_read_in_the_order_of_an_index(stored: Store, where: str) -> None:
    """Nothing is sorted but the active jobs, and both are merged."""
    steps = plan(stored, f"SELECT * FROM jobs WHERE {where} ORDER BY t_inactive DESC LIMIT 10")
    assert steps[0] == "MERGE (UNION ALL)"
    assert steps.index("RIGHT") < steps.index("USE TEMP B-TREE FOR ORDER BY")
    assert steps.count("USE TEMP B-TREE FOR ORDER BY") == 1


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM events WHERE jobid = 5",
        "SELECT * FROM events WHERE seq > 5 ORDER BY seq LIMIT 3",
        "SELECT * FROM purges WHERE jobid = 5",
        "SELECT jobs.name, events.name FROM jobs JOIN events"
        " ON events.jobid = jobs.id AND events.stream = jobs.stream WHERE userid = 5",
    ],
)
def test_events_and_purges(stored: Store, sql: str) -> None:
    steps = plan(stored, sql)
    assert any(step.startswith("SEARCH") for step in steps)
    assert {s for s in steps if s.startswith("SCAN")} <= {
        *SMALL,
        "SCAN json_each VIRTUAL TABLE INDEX 1:",
    }


def test_a_state_that_is_no_inactive_one_costs_the_active_jobs() -> None:
    """SQLite's plan has both tables; it reads one."""
    steps = []
    for finished in (50, 400):
        store, views = new_store()
        Writer(store, "finished", views).append(journal(finished))
        Writer(store, "active", views).append(journal(20, first=finished, running=20))
        taken = 0

        def count() -> bool:
            nonlocal taken
            taken += 1
            return False

        store.db.set_progress_handler(count, 1)
        assert fetch(store.db, "SELECT count(*) FROM jobs WHERE state = 'RUN'") == [(20,)]
        steps.append(taken)
    assert steps[0] == steps[1]
