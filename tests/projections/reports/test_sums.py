# SPDX-License-Identifier: LGPL-3.0
"""The sums by hour and day are those of the jobs that job-list answers, come what may."""

from __future__ import annotations

import json
from collections import Counter
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventstore.ingest.writer import Writer
from eventstore.storage.connection import Store
from eventstore.storage.sql import fetch
from joblist.config import Config
from joblist.service import Service
from projections.definitions.interface import Add, Put
from projections.definitions.reports import MOST_HOURS, MOST_UNITS, Reports
from projections.engine.verify_views import differing
from projections.job.state import CLEANUP, COMPLETED, INACTIVE, RUN, Job
from tests.projections.reports import by_hand
from tests.support.recordings import Recording, everything, new_store, play, recordings
from tests.support.strategies import backlog_of, journals

HOUR = 3600
_KEYS = ("queue", "userid", "bank", "project")


def finished(store: Store) -> list[by_hand.Job]:
    jobs: list[by_hand.Job] = json.loads(everything(Service(store, Config())))["jobs"]
    return [job for job in jobs if "t_inactive" in job]


def check(store: Store) -> None:
    """Compare each row with what the jobs that are answered add up to."""
    jobs = finished(store)
    hours = fetch(
        store.db,
        f"SELECT hour, {', '.join(_KEYS)}, jobs, started, node_us, core_us, completed, failed,"
        " canceled, timeout FROM report_hour",
    )
    days = fetch(
        store.db,
        f"SELECT day, {', '.join(_KEYS)}, started + before, started,"
        " node_s * 1000000 + node_us, core_s * 1000000 + core_us, completed, failed, canceled,"
        " timeout FROM report_day",
    )
    compare(jobs, hours, HOUR)
    compare(jobs, days, 24 * HOUR)
    # No hour is left out: all that ran is in these.
    total = sum(
        row[1] for row in by_hand.usage(jobs, [(Fraction(0), Fraction(2**40))]).values()
    )
    assert total * 10**6 == sum(row[7] for row in hours) == sum(row[7] for row in days)


def compare(jobs: list[by_hand.Job], rows: list[Any], seconds: int) -> None:
    numbers = sorted({row[0] for row in rows})
    ranges = [(Fraction(one * seconds), Fraction((one + 1) * seconds)) for one in numbers]
    used = by_hand.usage(jobs, ranges, _KEYS)
    ended = by_hand.job_counts(jobs, ranges, _KEYS)
    expected: dict[Any, list[Any]] = {}
    for key in {*used, *ended}:
        ran, nodes, cores = used.get(key, (0, 0, 0))
        period, *group = key
        begun = sum(
            period[0] <= Fraction(job["t_run"]) < period[1]
            for job in jobs
            if job.get("t_run") and [job.get(name) for name in _KEYS] == group
        )
        expected[key] = [ran, begun, nodes * 10**6, cores * 10**6]
        expected[key] += ended.get(key, [0] * 5)[1:]
    found = {
        (ranges[numbers.index(row[0])], *(None if key == b"" else key for key in row[1:5])): [
            *row[5:]
        ]
        for row in rows
    }
    assert expected == found


@pytest.mark.parametrize("recording", recordings(), ids=lambda one: one.name)
def test_sums_are_those_of_the_recorded_jobs(recording: Recording) -> None:
    store, views = new_store()
    play(store, views, recording, recording.boots)
    assert len(finished(store)) > 90
    check(store)


@given(journals(most_jobs=4), st.booleans(), st.integers(1, 9), st.randoms())
def test_sums_follow_whatever_is_read(
    lines: list[bytes], late: bool, size: int, random: Any
) -> None:
    """In batches of any size, with a backlog of late events behind, and purges."""
    store, views = new_store()
    feed = list(lines)
    if late:
        kept = [line for line in lines if random.random() < 0.7]
        feed = [*kept, *backlog_of(lines)]
    ids = sorted({json.loads(line)["id"] for line in lines})
    feed.append(json.dumps({"jobs": ids[::2]}).encode())
    with store:
        writer = Writer(store, "test", views)
        for first in range(0, len(feed), size):
            writer.append(feed[first : first + size])
        check(store)
        with store.snapshot() as db:
            assert differing(db) is None


def job(**members: Any) -> Job:
    found = Job(
        1, 1, 1, userid=7, queue="", bank=None, project="p", nnodes=2, ncores=8,
        state=INACTIVE, states_mask=RUN | CLEANUP | INACTIVE, result=COMPLETED,
        t_submit=1.7e9, t_run=1.7e9, t_cleanup=1.7e9 + 60, t_inactive=1.7e9 + 61,
    )  # fmt: skip
    for name, value in members.items():
        setattr(found, name, value)
    return found


def rows_of(**members: Any) -> list[Add | Put]:
    """Return all rows but those of days, which are summed up from the hours."""
    return [row for row in Reports().rows(job(**members)) if row[0] != "report_day"]


def test_a_job_over_an_hour_adds_to_both() -> None:
    start = 472_300 * 3600.0
    first, second = rows_of(t_run=start - 1.5, t_cleanup=start + 0.25, t_inactive=start + 1)
    key = ("", 7, b"", "p")
    none = (0, 0, 0)
    assert Add("report_hour", (472_299, *key), (1, 1, 3_000_000, 12_000_000, 0, *none)) == first
    assert Add("report_hour", (472_300, *key), (1, 0, 500_000, 2_000_000, 1, *none)) == second


def test_a_job_that_ends_with_an_hour_adds_nothing_to_the_next() -> None:
    start = 472_300 * 3600.0
    ran, ended = rows_of(t_run=start - 3600, t_cleanup=start, t_inactive=start)
    assert (472_299, 472_300) == (ran[1][0], ended[1][0])
    assert (1, 1, 7_200_000_000, 28_800_000_000, 0, 0, 0, 0) == ran[2]
    assert (0, 0, 0, 0, 1, 0, 0, 0) == ended[2]


def test_days_have_what_their_hours_have() -> None:
    """A job that ran through midnight, on so many cores that sums need two columns."""
    midnight = 19_680 * 86400.0
    ran = {
        "t_run": midnight - 3.5,
        "t_cleanup": midnight + 7200.25,
        "t_inactive": midnight + 7201,
    }
    days: Counter[tuple[Any, ...]] = Counter()
    for row in Reports().rows(job(ncores=MOST_UNITS, **ran)):
        if row[0] == "report_day":
            assert isinstance(row, Add)
            for place, amount in enumerate(row.amounts):
                days[row.key[0], place] += amount
    first = [days[19_679, place] for place in range(7)]
    second = [days[19_680, place] for place in range(7)]
    core_us = MOST_UNITS * 7_200_250_000
    assert [1, 0, 7, 0, MOST_UNITS * 3 + MOST_UNITS // 2, 0, 0] == first
    assert [0, 1, 14400] == second[:3]
    assert core_us == second[4] * 10**6 + second[5]
    assert 1 == second[6]


@pytest.mark.parametrize(
    "members",
    [
        {"nnodes": MOST_UNITS + 1},
        {"ncores": MOST_UNITS + 1},
        {"ncores": 2**70},
        {"t_cleanup": 1.7e9 + MOST_HOURS * 3600, "t_inactive": 1e300},
        {"t_cleanup": 1e300},
    ],
)
def test_what_is_beyond_sums_has_a_row_of_its_own(members: dict[str, Any]) -> None:
    alone, ended = rows_of(**members)
    assert isinstance(alone, Put)
    assert all(-(2**63) <= value < 2**63 for value in alone[1] if isinstance(value, int))
    assert (0, 0, 0, 0, 1, 0, 0, 0) == ended[2]  # type: ignore[misc]


@pytest.mark.parametrize(
    "members",
    [
        {"t_cleanup": 1.6e9},  # set back while it ran
        {"t_run": 12.0},  # set for the first time while it ran
        {"t_cleanup": 1.7e9},
    ],
)
def test_a_time_that_is_none_counts_as_none(members: dict[str, Any]) -> None:
    amounts = [row[2] for row in rows_of(**members) if isinstance(row, Add)]
    assert [1, 1, 0, 0] == [sum(column) for column in zip(*amounts, strict=True)][:4]
