# SPDX-License-Identifier: LGPL-3.0
"""What the store cannot know: each kind is made, listed and counted."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from cli.main import cli
from eventstore.ingest.writer import Writer
from eventstore.maintenance.recover import recover
from eventstore.reading.gaps import Counting, Gap, counts, gaps
from eventstore.storage.connection import Store, create_or_open, open_readonly
from eventstore.storage.sql import fetch
from projections.engine.views import Views
from tests.support.damage import alter
from tests.support.journal_generator import backlog, journal

LINES = list(journal(4))
NONE = {"beginning": 0, "backlog": 0, "gone": 0, "source": 0, "damage": 0}


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "jobs.sqlite")


def found(store: Store) -> list[Gap]:
    with store.snapshot() as db:
        listed = list(gaps(db, store.path))
        assert len(listed) == sum(counts(db, store.path).values())
        return listed


def read(
    store: Store, lines: list[bytes], *, expected: Callable[[], list[int]] | None = None
) -> Writer:
    writer = Writer(store, "journal", Views(store), expected=expected)
    writer.append(lines)
    return writer


def times(store: Store, jobid: int) -> list[float]:
    sql = "SELECT timestamp FROM event JOIN job ON key = job WHERE jobid = ? ORDER BY seq"
    return [time for (time,) in fetch(store.db, sql, (jobid,))]


def jobids(store: Store) -> list[int]:
    return [jobid for (jobid,) in fetch(store.db, "SELECT jobid FROM job ORDER BY key")]


def test_a_journal_from_its_beginning_has_none(path: str) -> None:
    with create_or_open(path) as store:
        read(store, LINES).close()
        assert found(store) == []
        assert counts(store.db, path) == NONE


def test_a_source_that_is_being_read_is_no_gap(path: str) -> None:
    with create_or_open(path) as store:
        read(store, LINES)
        assert found(store) == []


def test_a_source_that_was_never_closed(path: str) -> None:
    with create_or_open(path) as store:
        read(store, LINES[:20])
    with create_or_open(path) as store:
        read(store, LINES).close("stopped")
        read(store, LINES).close()
        started = [row[0] for row in fetch(store.db, "SELECT started FROM source")]
        committed = [row[0] for row in fetch(store.db, "SELECT committed FROM batch")]
        expected = [
            (committed[0], started[1], "source journal was never closed (crash or disconnect)"),
            (committed[1], started[2], "source journal was closed before its end (stopped)"),
        ]
        assert expected == [gap[2:] for gap in found(store)]
        assert {"source"} == {gap.kind for gap in found(store)}


def test_the_number_of_a_process_that_is_not_the_writer_hides_nothing(path: str) -> None:
    with create_or_open(path) as store:
        read(store, LINES[:20])
    # After a boot, the number that the writer had is somebody else's.
    Path(f"{path}-lock").write_text(str(os.getppid()), encoding="ascii")
    with open_readonly(path) as store:
        assert ["source"] == [gap.kind for gap in found(store)]


def test_a_job_whose_beginning_was_not_seen(path: str) -> None:
    with create_or_open(path) as store:
        mine = [line for line in LINES if b'"name":"submit"' not in line]
        read(store, mine + LINES).close()
        assert found(store) == []
    Path(path).unlink()
    with create_or_open(path) as store:
        first = jobids_of(LINES)[0]
        read(store, [line for line in LINES if not submits(line, first)]).close()
        (gap,) = found(store)
        assert (("beginning", first, None, times(store, first)[0])) == gap[:4]


def jobids_of(lines: list[bytes]) -> list[int]:
    return [json.loads(line)["id"] for line in lines if b'"name":"submit"' in line]


def submits(line: bytes, jobid: int) -> bool:
    return b'"name":"submit"' in line and json.loads(line)["id"] == jobid


def test_jobs_that_were_met_in_a_backlog(path: str) -> None:
    with create_or_open(path) as store:
        read(store, list(backlog(3))).close()
        expected = [
            ("backlog", jobid, times(store, jobid)[0], times(store, jobid)[-1])
            for jobid in jobids(store)
        ]
        assert expected == [gap[:4] for gap in found(store)]
        assert len(expected) == 3


def test_jobs_that_a_complete_backlog_does_not_have(path: str) -> None:
    with create_or_open(path) as store:
        live = [line for line in LINES if b'"name":"clean"' not in line]
        read(store, live).close()
        sentinel = b'{"id":-1,"events":[]}'
        read(store, [sentinel], expected=lambda: [1, 2]).close()
        expected = [("gone", jobid, times(store, jobid)[-1]) for jobid in jobids(store)[:2]]
        assert expected == [gap[:3] for gap in found(store)]
        assert all(gap.until is not None and gap.until >= gap.since for gap in found(store))
        # One of them comes back, with the rest of its events.
        read(store, LINES).close()
        assert found(store) == []


def recovered_without(path: str, folder: Path, seqs: str) -> str:
    """Return what is recovered of a database from which events were deleted."""
    alter(path, f"DELETE FROM event WHERE seq IN ({seqs})")
    new = str(folder / "new.sqlite")
    recover(path, new)
    return new


def test_events_that_could_not_be_recovered(path: str, tmp_path: Path) -> None:
    with create_or_open(path) as store:
        read(store, LINES).close()
    new = recovered_without(path, tmp_path, "10, 11, 20")
    with create_or_open(new) as store:
        damage = [gap for gap in found(store) if gap.kind == "damage"]
        assert [gap.why for gap in damage] == [
            "events 10 to 11 could not be recovered",
            "events 20 to 20 could not be recovered",
        ]
        sql = "SELECT timestamp FROM event WHERE seq IN (9, 12) ORDER BY seq"
        assert [time for (time,) in fetch(store.db, sql)] == list(damage[0][2:4])
        counting = Counting()
        for _ in range(3):  # what is missing stays missing, however often it is counted
            with store.snapshot() as db:
                assert 2 == counting.counts(db, new)["damage"]


def test_what_has_come_again_is_no_gap_whatever_its_neighbours_have_lost(
    path: str, tmp_path: Path
) -> None:
    """A batch of one event, between batches that have lost others for good."""
    lines = [line for line in LINES if b'"events":[]' not in line]
    with create_or_open(path) as store:
        writer = Writer(store, "journal", Views(store))
        for part in (lines[:5], lines[5:6], lines[6:12]):
            writer.append(part)
        writer.close()
    new = recovered_without(path, tmp_path, "3, 6, 9")
    with create_or_open(new) as store:
        for again, left in (([], [3, 6, 9]), (lines[5:6], [3, 9]), (lines[2:3], [9])):
            read(store, again).close()
            assert [f"events {n} to {n} could not be recovered" for n in left] == [
                gap.why for gap in found(store) if gap.kind == "damage"
            ]


def test_the_commands_list_and_count_them(path: str) -> None:
    with create_or_open(path) as store:
        read(store, list(backlog(3))).close("stopped")
    run = CliRunner().invoke
    stats = json.loads(run(cli, ["--db", path, "stats", "--json"]).output)
    assert (3, 1, 0) == tuple(stats[f"gaps_{kind}"] for kind in ("backlog", "source", "gone"))
    listed = run(cli, ["--db", path, "gaps", "--json"]).output
    lines = [json.loads(line) for line in listed.splitlines()]
    assert {"kind", "id", "jobid", "since", "until", "why"} == set(lines[0])
    text = run(cli, ["--db", path, "gaps"]).output
    assert 4 == len(text.splitlines()) == len(lines)
    assert "2023-11-14T22:13:20.0" in text


@pytest.mark.parametrize("most", [0, 10_000])
def test_what_was_counted_before_is_counted_on(
    path: str, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Jobs without a submit, which comes later; jobs that a backlog showed first."""
    monkeypatch.setattr("eventstore.reading.gaps._MOST_REMEMBERED", most)
    counting, seen = Counting(), []
    without = [line for line in journal(6, seed=2) if b'"submit"' not in line]
    steps = [LINES[:9], without[:14], list(backlog(3, seed=3)), without[14:],
             list(journal(6, seed=2))]  # fmt: skip
    with create_or_open(path) as store:
        for lines in steps:
            read(store, lines).close()
            with store.snapshot() as db:
                listed = [gap.kind for gap in gaps(db, path)]
                assert counting.counts(db, path) == {k: listed.count(k) for k in NONE}
                seen.append((listed.count("beginning"), listed.count("backlog")))
    assert len(set(seen)) > 3
    assert seen[-1][0] == 0 < max(beginnings for beginnings, _ in seen)
