# SPDX-License-Identifier: LGPL-3.0
"""The public views, read by Python's own sqlite3, are equal to what job-list answered."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from eventstore.ingest.writer import Writer
from eventstore.reading.gaps import gaps
from eventstore.storage.connection import create_or_open, open_readonly
from projections.engine.views import Views
from projections.job.attributes import ATTRIBUTES
from tests.support.recordings import (
    Recording,
    checkpoints_on_the_way,
    play,
    recordings,
)

RECORDINGS = recordings()
each_recording = pytest.mark.parametrize(
    "recording", RECORDINGS, ids=lambda r: r.name, scope="module"
)
STATES = {2: "DEPEND", 4: "PRIORITY", 8: "SCHED", 16: "RUN", 32: "CLEANUP", 64: "INACTIVE"}
RESULTS = {1: "COMPLETED", 2: "FAILED", 4: "CANCELED", 8: "TIMEOUT"}


@pytest.fixture(scope="module")
def played(recording: Recording, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a database with the whole recording."""
    path = tmp_path_factory.mktemp("played") / "db"
    with create_or_open(str(path)) as store:
        play(store, Views(store), recording, recording.boots)
    return path


def by_sqlite3(path: Path, sql: str) -> list[dict[str, Any]]:
    """Ask with Python's own module: none of our functions is there."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        cursor = db.execute(sql)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor]


def as_answered(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row of `jobs` as job-list answers the job."""
    found = {name: value for name, value in row.items() if value is not None}
    for name, words in (("state", STATES), ("result", RESULTS)):
        numbers = {word: number for number, word in words.items()}
        if name in found:
            found[name] = numbers[found[name]]
    for name in ("success", "exception_occurred"):
        if name in found:
            found[name] = {0: False, 1: True}[found[name]]
    for name in ("annotations", "dependencies"):
        if name in found:
            found[name] = json.loads(found[name])
    return found


def checkpoints(recording: Recording, path: Path) -> Iterator[dict[str, Any]]:
    """Ingest into a file; yield each recorded checkpoint when it is reached."""
    with create_or_open(str(path)) as store:
        yield from checkpoints_on_the_way(recording, store, Views(store))


@each_recording
def test_jobs_is_the_recorded_list_at_every_checkpoint(
    recording: Recording, tmp_path: Path
) -> None:
    path = tmp_path / "db"
    names = ", ".join(["id", *ATTRIBUTES])
    finished: set[int] = set()
    compared = 0
    for checkpoint in checkpoints(recording, path):
        # As job-list: without those that the job manager has purged.
        rows = by_sqlite3(path, f"SELECT {names} FROM jobs WHERE t_purged IS NULL")
        expected = {job["id"]: job for job in json.loads(checkpoint["list"])["jobs"]}
        found = {row["id"]: as_answered(row) for row in rows}
        assert len(rows) == len(found)
        if checkpoint["boot"] == 1:
            finished = {jobid for jobid, job in found.items() if job["state"] == 64}
        else:  # what finished jobs had as annotations is better known here after a restart
            for jobid in finished & found.keys():
                expected[jobid].pop("annotations", None)
                found[jobid].pop("annotations", None)
        assert expected == found, checkpoint["label"]
        assert {type(value) for job in found.values() for value in job.values()} <= TYPES
        compared += 1
    assert compared == len(recording.objects("checkpoints"))


TYPES = {int, float, str, bool, dict, list}


@each_recording
def test_counts_and_sums_are_those_of_the_recorded_list(
    recording: Recording, played: Path
) -> None:
    jobs = json.loads(recording.objects("checkpoints")[-1]["list"])["jobs"]
    ran = [job for job in jobs if {"t_run", "t_inactive", "nnodes"} <= job.keys()]
    (sums,) = by_sqlite3(
        played,
        "SELECT count(*) AS jobs, sum(ntasks) AS ntasks, sum(success) AS success,"
        " sum(nnodes * (t_inactive - t_run)) AS seconds FROM jobs WHERE t_purged IS NULL",
    )
    assert sums["jobs"] == len(jobs)
    assert sums["ntasks"] == sum(job.get("ntasks", 0) for job in jobs)
    assert sums["success"] == sum(job.get("success", False) for job in jobs)
    seconds = sum(job["nnodes"] * (job["t_inactive"] - job["t_run"]) for job in ran)
    assert sums["seconds"] == pytest.approx(seconds, rel=1e-12)
    words = (
        "SELECT result, queue, count(*) AS jobs FROM jobs WHERE t_purged IS NULL GROUP BY 1, 2"
    )
    expected = Counter((RESULTS.get(job.get("result")), job.get("queue")) for job in jobs)
    assert expected == {
        (row["result"], row["queue"]): row["jobs"] for row in by_sqlite3(played, words)
    }


@each_recording
def test_events_are_those_that_came(recording: Recording, played: Path) -> None:
    rows = by_sqlite3(
        played, "SELECT seq, jobid, timestamp, name, context FROM events ORDER BY seq"
    )
    sent: list[dict[str, Any]] = []
    for boot in recording.boots:
        for line in recording.journal(boot):
            response = json.loads(line)
            sent += [{"jobid": response["id"], **event} for event in response["events"]]
    found = []
    for row in rows:
        context = row.pop("context")
        del row["seq"]
        found.append(row if context is None else {**row, "context": json.loads(context)})
    if recording.boots == [1]:
        assert sent == found
    else:  # a later boot shows again what is stored
        texts = {json.dumps(event) for event in sent}
        assert all(json.dumps(event) in texts for event in found)


@each_recording
def test_purges_are_those_that_were_recorded(recording: Recording, played: Path) -> None:
    named = [
        jobid
        for purge in recording.objects("purge-events")
        for jobid in json.loads(purge["event"])["jobs"]
    ]
    rows = by_sqlite3(played, "SELECT jobid, timestamp FROM purges")
    assert sorted(named) == sorted(row["jobid"] for row in rows)
    times = {row["id"]: row["t_purged"] for row in by_sqlite3(played, "SELECT * FROM jobs")}
    assert all(times[row["jobid"]] == row["timestamp"] for row in rows)


@each_recording
def test_gaps_are_those_of_the_command(recording: Recording, tmp_path: Path) -> None:
    path = tmp_path / "db"
    with create_or_open(str(path)) as store:
        views = Views(store)
        Writer(store, "backlog", views).append(recording.lines("backlog"))
        for boot in recording.boots:
            Writer(store, "journal", views, boot=str(boot)).append(recording.journal(boot))
    with open_readonly(str(path)) as store:
        expected = sorted(gaps(store.db, str(path)), key=repr)
    columns = ("kind", "jobid", "since", "until", "why")
    rows = by_sqlite3(path, "SELECT * FROM gaps")
    found = [tuple(row[name] for name in columns) for row in rows]
    # The last source might still be read: the file alone does not tell.
    maybe = ("is being read, or was never closed", "was never closed")
    assert [tuple(gap) for gap in expected] == sorted(
        (
            ("source" if kind == "reading" else kind, *rest, why.replace(*maybe))
            for kind, *rest, why in found
        ),
        key=repr,
    )
    assert expected
