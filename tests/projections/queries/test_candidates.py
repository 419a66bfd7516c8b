# SPDX-License-Identifier: LGPL-3.0
"""Jobs of hosts or ranks in a range of time: those of the hosts that are those of the range."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

import pytest

from eventstore.ingest.writer import Writer
from eventstore.storage.connection import Store
from joblist.config import Config
from joblist.service import Service
from tests.support import field_jobs
from tests.support.journal_generator import EPOCH, journal
from tests.support.recordings import ask, new_store

HOSTS = {"hosts": {"hostlist": ["node[0-600]"]}, "ranks": {"ranks": ["0-600"]}}


@lru_cache
def history() -> Store:
    """Some 140 jobs are alive at a time; the clock was set back in the middle of two."""
    store, views = new_store()
    lines = [*journal(1200, rate=1.0)]
    for number, back in ((5000, 300.0), (5001, 900.0)):
        times = {"alloc": EPOCH + back, "start": EPOCH + back}
        lines += field_jobs.job(number, start=EPOCH + 600, times=times, nodelist=("node1",))
    Writer(store, "any", views).append(lines)
    return store


def found(*terms: Any) -> list[int]:
    request = {
        "max_entries": 0,
        "attrs": [],
        "constraint": {"and": [{"states": ["inactive"]}, *terms]},
    }
    (answer,) = ask(
        Service(history(), Config(), instance_size=4096), "list", json.dumps(request)
    )
    return [job["id"] for job in json.loads(answer)["jobs"]]


@pytest.mark.parametrize("where", HOSTS)
@pytest.mark.parametrize("times", [
    [{"t_submit": [f"<={EPOCH + 500}"]}],
    [{"t_run": [f">={EPOCH + 500}"]}],
    [{"t_submit": [f"<={EPOCH + 700}"]}, {"t_inactive": [f">{EPOCH + 600}"]}],
    [{"t_run": [f"<{EPOCH + 400}"]}, {"t_cleanup": [f">{EPOCH + 590}"]}],
    [{"not": [{"t_submit": [f">{EPOCH + 300}"]}]}],
])  # fmt: skip
def test_both_are_what_each_finds(where: str, times: list[Any]) -> None:
    by_host, by_time = found(HOSTS[where]), found(*times)
    both = [jobid for jobid in by_host if jobid in set(by_time)]
    assert 0 < len(both) < len(by_host)
    assert both == found(HOSTS[where], *times)
    either = [{"or": [{"and": [HOSTS[where], *times]}, {"userid": [2**31]}]}]
    assert both == found(*either)
