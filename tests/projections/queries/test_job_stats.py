# SPDX-License-Identifier: LGPL-3.0
"""Job stats beside a plain count: each job folded from its events, and counted.

Jobs end, and are purged, on the edges of hours, where sums by the hour and the list meet.
"""

from __future__ import annotations

from collections import Counter
from math import inf, nextafter
from typing import Any

import pytest

from eventstore.ingest.writer import Writer
from eventstore.storage.connection import Store
from eventstore.storage.sql import fetch
from projections.engine.fold_batch import refold
from projections.job.state import INACTIVE, NEW, RESULTS, STATES
from projections.queries.job_stats import stats_at, stats_now
from tests.support.recordings import new_store
from tests.support.strategies import line

HOUR = 3600.0
START = 500_000 * HOUR
OFFSETS = (-1.0, 0.0, 0.5, 30.0, 3599.5, 3600.0, 3601.0, 2 * 3600.0, 5 * 3600.0)
QUEUES = ("batch", "debug", None)
KINDS = ("cancel", "timeout", "other", None)
MOMENTS = sorted(
    START + other
    for offset in (*OFFSETS, 1800.0, -3600.0, 20 * HOUR)
    for other in (offset, nextafter(START + offset, -inf) - START, offset + 0.25)
)


def history() -> list[bytes]:
    """Jobs that end at each offset, in each queue, in each way; some of them are purged."""
    lines: list[bytes] = []
    jobid = 0
    for offset in OFFSETS:
        for index, kind in enumerate(KINDS):
            jobid += 1
            system: dict[str, Any] = {"duration": 1, "job": {"name": "x"}}
            queue = QUEUES[(jobid + index) % len(QUEUES)]
            system |= {} if queue is None else {"queue": queue}
            spec = {"attributes": {"system": system}, "version": 1}
            end = START + offset
            how: dict[str, Any] = {"name": "finish", "context": {"status": 0}}
            if kind is not None:
                context = {"type": kind, "severity": 0, "note": ""}
                how = {"name": "exception", "context": context}
            submit = {"name": "submit", "context": {"userid": 1, "urgency": 16, "version": 1}}
            lines.append(line(jobid, submit, {"jobspec": spec}, end - 10))
            lines.append(line(jobid, {"name": "validate"}, {}, end - 9))
            lines.append(line(jobid, how, {}, end - 0.125))
            lines.append(line(jobid, {"name": "clean"}, {}, end))
        lines.append(b'{"jobs":[%d]}' % jobid)
    return lines


def expected(store: Store, until: float | None, *, follow: bool) -> dict[str, Counter[str]]:
    """Count jobs one by one, by queue; "" are all of them."""
    found: dict[str, Counter[str]] = {"": Counter()}
    for (key,) in fetch(store.db, "SELECT key FROM job"):
        job = refold(store.db, key, 2**62, until=until)
        if job is None or job.state == NEW:
            continue
        names = [next(one.key for one in STATES if one.mask == job.state), "total"]
        if job.state == INACTIVE:
            names.append(next(one.statistic for one in RESULTS if one.mask == job.result))
        if follow and job.t_purged:
            names = ["inactive_purged"]
        for queue in {"", job.queue or ""}:
            found.setdefault(queue, Counter()).update(names)
    return found


def shown(answer: dict[str, Any]) -> dict[str, Counter[str]]:
    """Return an answer as `expected` has it, without zeros."""

    def numbers(part: dict[str, Any]) -> Counter[str]:
        flat = {**part["job_states"], **part}
        return +Counter({n: count for n, count in flat.items() if isinstance(count, int)})

    return {"": numbers(answer), **{part["name"]: numbers(part) for part in answer["queues"]}}


@pytest.mark.parametrize("follow", [False, True])
def test_counts_are_those_of_the_jobs(follow: bool) -> None:
    store, views = new_store()
    Writer(store, "test", views).append(history())
    now: Any = stats_now(store.db, follow=follow).answer()
    assert expected(store, None, follow=follow) == shown(now)
    assert len(OFFSETS) * len(KINDS) == sum(
        now[name] for name in (*(one.statistic for one in RESULTS), "inactive_purged")
    )
    for moment in MOMENTS:
        then: Any = stats_at(store.db, moment, follow=follow).answer()
        assert expected(store, moment, follow=follow) == shown(then), moment - START
