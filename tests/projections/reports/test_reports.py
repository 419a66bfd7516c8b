# SPDX-License-Identifier: LGPL-3.0
"""Reports equal those made by hand from job-list's answers, for any range, group and period."""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import closing
from datetime import timezone
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventstore.ingest.writer import Writer
from eventstore.storage.connection import Store
from joblist.config import Config
from joblist.service import Service
from projections.reports import hourly_sums
from projections.reports.job_counts import JOBS
from projections.reports.periods import BY, zone
from projections.reports.questions import question
from projections.reports.report import KEYS, Question, Report
from projections.reports.usage import USAGE
from projections.reports.waits import WAITS
from tests.projections.reports import by_hand
from tests.support.recordings import everything, new_store, play, recordings
from tests.support.strategies import backlog_of, journals

RECORDINGS = recordings()
ZONES = ("UTC", "Europe/Berlin", "Asia/Kathmandu", "America/St_Johns")
keys = st.lists(st.sampled_from(KEYS), unique=True, max_size=3).map(tuple)


@lru_cache
def played(name: str) -> tuple[Store, list[by_hand.Job]]:
    """Return a recording's store, and the recorded list of its end."""
    recording = next(one for one in RECORDINGS if one.name == name)
    store, views = new_store()
    play(store, views, recording, recording.boots)
    jobs = json.loads(everything(Service(store, Config())))["jobs"]
    final = json.loads(recording.objects("checkpoints")[-1]["list"])["jobs"]
    recorded = {job["id"]: job for job in final}
    # Purged jobs are in no recorded list of the end: those are as they are answered here.
    return store, [recorded.get(job["id"], job) for job in jobs]


def asked(store: Store, report: Report, question: Question) -> dict[Any, Any]:
    """Return the rows of a report by (range, group), with times as fractions of seconds."""
    with store.snapshot() as db:
        rows = list(report.rows(db, question))
    found = {}
    for period, group, figures in rows:
        times = (
            Fraction(figure, 10**6) if column.is_time and figure is not None else figure
            for column, figure in zip(report.columns, figures, strict=True)
        )
        found[(_range(period), *group)] = list(times)
    assert len(found) == len(rows)
    return found


def _range(period: Any) -> by_hand.Range:
    return Fraction(period.start, 10**6), Fraction(period.end, 10**6)


def check(store: Store, jobs: list[by_hand.Job], question: Question) -> None:
    ranges = [_range(period) for period in question.periods]
    group = question.group.keys
    total = not question.periods[0].name and not group
    nothing: dict[Any, Any] = {(ranges[0],): [0, 0, 0]} if total else {}
    assert nothing | by_hand.usage(jobs, ranges, group) == asked(store, USAGE, question)
    nothing = {(ranges[0],): [0] * 5} if total else {}
    assert nothing | by_hand.job_counts(jobs, ranges, group) == asked(store, JOBS, question)
    nothing = {(ranges[0],): [0, *[None] * 5]} if total else {}
    waits = by_hand.waits(jobs, ranges, group)
    figures = {key: [len(waits[key]), *_quantiles(waits[key])] for key in waits}
    assert nothing | figures == asked(store, WAITS, question)


def _quantiles(waits: list[Fraction]) -> list[Fraction]:
    """Return median, p90, p99, max and mean, to the microsecond."""
    found = []
    for share in (Fraction(1, 2), Fraction(9, 10), Fraction(99, 100)):
        place = share * (len(waits) - 1)
        low = waits[int(place)]
        high = waits[min(int(place) + 1, len(waits) - 1)]
        found.append(low + (place - int(place)) * (high - low))
    found += [waits[-1], sum(waits, Fraction(0)) / len(waits)]
    return [Fraction(round(value * 10**6), 10**6) for value in found]


@pytest.mark.parametrize("name", [one.name for one in RECORDINGS])
@settings(max_examples=6, deadline=None)
@given(data=st.data())
def test_reports_are_those_of_the_recorded_lists(name: str, data: st.DataObject) -> None:
    store, jobs = played(name)
    times = sorted(job["t_submit"] for job in jobs)
    first, last = int(times[0]), int(times[-1]) + 60
    moments = st.floats(first - 5, last + 5) | st.integers(first, last).map(float)
    since, until = sorted([data.draw(moments), data.draw(moments)])
    with store.snapshot() as db:
        one = question(
            db, data.draw(keys), since=data.draw(st.sampled_from([None, since])),
            until=until + 1, by=data.draw(st.sampled_from([None, *BY])),
            where=zone(data.draw(st.sampled_from(ZONES))),
        )  # fmt: skip
    check(store, jobs, one)


@given(
    lines=journals(most_jobs=4), size=st.integers(1, 9), late=st.booleans(), data=st.data(),
    group=keys, by=st.sampled_from([None, *BY]), where=st.sampled_from(ZONES),
)  # fmt: skip
@settings(deadline=None)
def test_reports_follow_whatever_is_read(
    lines: list[bytes], size: int, late: bool, data: st.DataObject, group: tuple[str, ...],
    by: str | None, where: str,
) -> None:  # fmt: skip
    store, views = new_store()
    kept = [line for line in lines if not late or data.draw(st.booleans())]
    ids = sorted({json.loads(line)["id"] for line in lines})
    feed = [
        *kept,
        *(backlog_of(lines) if late else ()),
        json.dumps({"jobs": ids[::2]}).encode(),
    ]
    with store:
        writer = Writer(store, "test", views)
        for first in range(0, len(feed), size):
            writer.append(feed[first : first + size])
        jobs = json.loads(everything(Service(store, Config())))["jobs"]
        since = data.draw(st.none() | st.floats(900, 9000))
        until = data.draw(st.floats(9001, 90_000))
        with store.snapshot() as db:
            one = question(db, group, since=since, until=until, by=by, where=zone(where))
        check(store, jobs, one)
        with pytest.MonkeyPatch.context() as patch:
            # Job by job: the same, without sums.
            patch.setattr(hourly_sums, "MOST_PARTS", -1)
            check(store, jobs, one)


@pytest.mark.parametrize("name", ["mixed", "restart"])
@given(cuts=st.lists(st.floats(0, 1), max_size=5), group=keys)
@settings(max_examples=10, deadline=None)
def test_adjoining_ranges_add_up_to_the_whole(
    name: str, cuts: list[float], group: tuple[str, ...]
) -> None:
    """Times and numbers of ends do, exactly; numbers of jobs that ran do not, by intent."""
    store, jobs = played(name)
    first, last = min(job["t_submit"] for job in jobs), 1.9e9
    span = max(job["t_submit"] for job in jobs) - first
    bounds = sorted({first, last, *(first + cut * span for cut in cuts)})
    with store.snapshot() as db:

        def between(since: float, until: float) -> Question:
            return question(db, group, since=since, until=until, by=None, where=timezone.utc)

        for report, columns in ((USAGE, (1, 2)), (JOBS, (0, 1, 2, 3, 4))):
            whole = {
                key[1:]: row for key, row in asked(store, report, between(first, last)).items()
            }
            parts: dict[Any, list[Any]] = {}
            for since, until in pairwise(bounds):
                for key, row in asked(store, report, between(since, until)).items():
                    so_far = parts.setdefault(key[1:], [0] * len(row))
                    parts[key[1:]] = [a + b for a, b in zip(so_far, row, strict=True)]
            assert {key: [row[i] for i in columns] for key, row in whole.items()} == {
                key: [row[i] for i in columns] for key, row in parts.items()
            }


@pytest.mark.parametrize("name", [one.name for one in RECORDINGS])
def test_the_public_view_has_what_the_report_has(name: str, tmp_path: Path) -> None:
    """Read by Python's own sqlite3; running jobs go on while it is read."""
    store, _ = played(name)
    with store.snapshot() as db:
        keys = ("queue", "user", "bank", "project")
        until = time.time()
        one = question(db, keys, since=None, until=until, by="hour", where=timezone.utc)
    expected = {
        (int(key[0][0]), *key[1:]): row for key, row in asked(store, USAGE, one).items()
    }
    path = tmp_path / "copy.sqlite"
    store.db.execute("VACUUM INTO ?", (str(path),))
    found: dict[Any, list[Any]] = {}
    with closing(sqlite3.connect(path)) as plain:
        for hour, *group, jobs, _, nodes, cores in plain.execute("SELECT * FROM usage"):
            so_far = found.setdefault((hour, *group), [0, 0.0, 0.0])
            so_far[:] = [a + b for a, b in zip(so_far, (jobs, nodes, cores), strict=True)]
    this_hour = int(until) // 3600 * 3600
    done = [key for key in expected if key[0] < this_hour]
    assert set(done) == {key for key in found if key[0] < this_hour}
    for key in done:
        assert [float(value) for value in expected[key]] == pytest.approx(found[key], rel=1e-12)


@pytest.mark.parametrize("by", [None, "hour"])
@pytest.mark.parametrize("name", [one.name for one in RECORDINGS])
def test_waits_are_the_same_by_lifetimes_as_by_all_jobs(
    name: str, by: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, jobs = played(name)
    times = sorted(job["t_run"] for job in jobs if "t_run" in job)
    for first, last in ((0, -1), (len(times) // 3, len(times) // 2), (-9, -2)):
        found = []
        for few in (10**-12, 10**12):
            monkeypatch.setattr("projections.reports.waits._FEW", few)
            asking = question(store.db, ("queue",), since=times[first], until=times[last] + 0.5,
                              by=by, where=timezone.utc)  # fmt: skip
            found.append(asked(store, WAITS, asking))
        assert found[0] == found[1] != {}
