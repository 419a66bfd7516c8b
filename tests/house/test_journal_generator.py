# SPDX-License-Identifier: LGPL-3.0
"""Synthetic journals: seeded, ordered by time, and the same jobs as backlogs of them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from typing import Any

import pytest

from tests.support.journal_generator import EVENTS, backlog, journal, real

JOBS = 60
SENTINEL = {"id": -1, "events": []}


def decoded(lines: Iterable[bytes]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines]


def by_job(lines: Iterable[bytes]) -> dict[int, dict[str, Any]]:
    """Collect a journal's responses as a backlog has them."""
    jobs: dict[int, dict[str, Any]] = {}
    for response in decoded(lines):
        if response != SENTINEL:
            job = jobs.setdefault(response["id"], {"events": []})
            job["events"] += response.pop("events")
            job.update(response)
    return jobs


def test_a_journal_is_seeded_and_in_the_order_of_time() -> None:
    lines = list(journal(JOBS, seed=3))
    assert lines == list(journal(JOBS, seed=3)) != list(journal(JOBS, seed=4))
    first, *responses = decoded(lines)
    assert SENTINEL == first
    times = [response["events"][0]["timestamp"] for response in responses]
    assert times == sorted(times)
    assert [EVENTS] * JOBS == list(Counter(r["id"] for r in responses).values())


def test_later_jobs_do_not_depend_on_those_before() -> None:
    some = by_job(journal(JOBS, first=20))
    assert some.items() <= by_job(journal(20 + JOBS)).items()
    assert len(some) == JOBS


@pytest.mark.parametrize("running", [0, 7])
def test_a_backlog_has_the_jobs_of_the_journal(running: int) -> None:
    *responses, last = decoded(backlog(JOBS, running=running))
    assert SENTINEL == last
    jobs = by_job(journal(JOBS, running=running))
    ids = [response["id"] for response in responses]
    assert set(jobs) == set(ids)
    assert len(ids) == len(jobs) == JOBS
    assert ids != sorted(ids)
    for response in responses:
        job = jobs[response["id"]]
        job["events"] = [e for e in job["events"] if e["name"] != "annotations"]
        assert job == response
    unfinished = [r for r in responses if r["events"][-1]["name"] == "start"]
    assert responses[JOBS - running :] == unfinished


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (1795390193.7107821, "1795390193.7107821"),
        (1700000000.0108, "1700000000.0107999"),
        (3600.1, "3600.0999999999999"),
        (1e22, "1e+22"),
        (3600.0, "3600.0"),
    ],
)
def test_reals_are_printed_as_flux_does(number: float, text: str) -> None:
    assert text == real(number)
