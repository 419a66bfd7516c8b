# SPDX-License-Identifier: LGPL-3.0
"""The module in a running Flux: its events are the KVS's, its answers those of flux-core's."""

from __future__ import annotations

import json
from typing import Any

import pytest

from eventstore.maintenance.verify import verify_chain
from eventstore.reading import event_log
from eventstore.storage.connection import Store, open_readonly
from eventstore.storage.sql import fetch
from projections.engine.views import first_fault
from tests.support.flux.instance import Instances

pytestmark = pytest.mark.flux

ANSWERS = """
ids() { flux jobs -A -a -c0 -no {id.dec}; }
answers() {  # SERVICE NAME
    tool ask $1.list '{"max_entries":0,"attrs":["all"]}' >$OUT/$2.list
    tool ask $1.job-stats >$OUT/$2.job-stats
    tool ask $1.stats-get >$OUT/$2.stats-get
    ids | tool ask-each $1.list-id >$OUT/$2.list-id
    flux jobs -A -a -c0 -no '{id} {userid} {state} {result} {runtime}' >$OUT/$2.jobs
}
compare() {  # with flux-core's module in the same instance
    answers job-list ours$1; away
    flux module load job-list; tool drain; answers job-list theirs$1; away
}
"""


def jobs(run: Instances, name: str, *, annotations: bool) -> list[dict[str, Any]]:
    """Return jobs of a list; Flux's own module forgets annotations when it is reloaded."""
    found = run.answer(name)
    jobs: list[dict[str, Any]] = found if isinstance(found, list) else found["jobs"]
    if not annotations:
        for job in jobs:
            job.pop("annotations", None)
    return jobs


def compare_answers(run: Instances, count: int, phase: str, *, purged: int | None) -> None:
    """Compare what `answers` left; ``purged`` None: flux-core's module saw the purges, too."""
    theirs, ours = f"theirs{phase}", f"ours{phase}"
    annotations = purged is None
    for kind in ("list", "list-id"):
        found = jobs(run, f"{ours}.{kind}", annotations=annotations)
        assert count == len(found)
        assert jobs(run, f"{theirs}.{kind}", annotations=annotations) == found
    assert run.answer(f"{theirs}.stats-get") == run.answer(f"{ours}.stats-get")
    stats = [run.answer(f"{who}.job-stats") for who in (theirs, ours)]
    if purged is not None:
        assert [0, purged] == [s.pop("inactive_purged") for s in stats]
    assert stats[0] == stats[1]
    tables = [(run.folder / f"{who}.jobs").read_text("utf-8") for who in (theirs, ours)]
    assert count == tables[1].count("\n")
    assert tables[0] == tables[1]


def compare_events(store: Store, jobid: int, log: str) -> None:
    """Compare what is stored of a job with its eventlog in the KVS."""
    (key,) = event_log.keys(store.db, jobid)
    stored = [r for r in event_log.job_records(store.db, key) if r.entry.name != "annotations"]
    lines = log.encode().splitlines()
    wanted = [(e["timestamp"], e["name"]) for e in map(json.loads, lines)]
    assert wanted == [(r.entry.timestamp, r.entry.name) for r in stored]
    live = [(r.entry.data, line) for r, line in zip(stored, lines, strict=True)]
    live = [pair for pair, r in zip(live, stored, strict=True) if not r.replayed]
    for data, line in live:
        assert json.loads(data) == json.loads(line)


def is_over(log: str) -> bool:
    return bool(log) and json.loads(log.splitlines()[-1])["name"] == "clean"


def test_answers_and_events_are_those_of_flux(run: Instances) -> None:
    """Thousands of jobs of three users come, change, are cancelled and purged, while the
    module comes and goes, and so does the broker.

    A purge keeps as many jobs as it says, and those that are still active: their number is
    another one in each run. 300 of the first 1,000 are left, at least, and then 1,004 come.
    """
    state = f"-Sstatedir={run.folder}"
    run(
        ANSWERS
        + """
        away; ours purge=follow
        tool work 0 300
        tool work 300 500 & away; ours purge=follow
        flux job purge --force --num-limit=200
        flux module reload $PACKAGES/joblist/job-list.py purge=follow
        wait; away; tool work 800 200 & ours purge=follow; wait
        ids | tool eventlogs >$OUT/logs-early
        flux job purge --force --num-limit=300
        held=$(flux submit --urgency=hold --cc=1-3 true)
        running=$(flux submit --setattr=exec.test.run_duration=100s true)
        flux job wait-event $running alloc
        """,
        state,
    )
    run(
        ANSWERS
        + """
        away; ours purge=follow
        tool work 1000 600
        flux cancel $(flux jobs -no {id} --filter=pending) || true  # some have run
        away; tool work 1600 400; ours purge=follow
        tool drain
        ids | tool eventlogs >$OUT/logs-late
        away; flux job purge --force --num-limit=1300; ours purge=follow
        compare ""
        """,
        state,
    )
    with open_readonly(str(run.folder / "jobdb.sqlite")) as store:
        assert verify_chain(store).fault is None
        assert first_fault(store.db) is None
        assert [(2004,)] == fetch(store.db, "SELECT count(*) FROM job")
        assert [(3,)] == fetch(store.db, "SELECT count(DISTINCT userid) FROM inactive")
        logs: dict[str, str] = run.answer("logs-late")
        early: dict[str, str] = run.answer("logs-early")
        assert all(is_over(log) for log in logs.values())
        logs |= {jobid: log for jobid, log in early.items() if is_over(log)}
        assert len(logs) >= 1304
        for jobid, log in logs.items():
            compare_events(store, int(jobid), log)
    compare_answers(run, 1300, "", purged=704)


def test_beside_the_module_of_flux(run: Instances) -> None:
    """Under another name, both see the same journal: annotations are the same, too."""
    run(
        ANSWERS
        + """
        flux module load --name=jobdb $PACKAGES/joblist/job-list.py purge=follow
        tool work 0 200
        tool drain; tool drain jobdb
        flux job purge --force --num-limit=150
        tool ask jobdb.list-attrs >/dev/null; tool ask job-list.list-attrs >/dev/null
        answers jobdb ours; answers job-list theirs
        """
    )
    compare_answers(run, 150, "", purged=None)
