# SPDX-License-Identifier: LGPL-3.0
"""Peak memory of a process that opens a history, reads its backlog, and answers.

A thousand jobs are active beside the history. Floor: the same process before it opens
anything. ``make bench-flux`` measures the broker module itself.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

from bench.histories import ACTIVE, RATE, Bench, add_active, backlog_writer, chunks
from bench.questions import FLUX_JOBS, STREAMED, ask, filtered, newest
from bench.report import Row
from bench.timing import child, peak_memory
from eventstore.storage.connection import create_or_open
from joblist.config import Config
from joblist.service import Service
from projections.engine.views import Views
from tests.support.journal_generator import backlog

__all__ = ["LIMIT", "main", "measure"]

LIMIT = 150.0
"""MB, with a million finished jobs."""
_STEPS = ("opened", "its backlog replayed", "lists and filters", "20,000 in one answer")


def measure(bench: Bench) -> Iterator[Row]:
    """Yield the peak after each step: it includes the steps before."""
    for history in bench.histories():
        with history.copy() as store:
            add_active(Views(store), history.jobs)
            path = store.path
            store.close()
            found: dict[str, Any] = child(
                "bench.measures.answers.memory", path, str(history.jobs), str(history.middle)
            )
        for what in _STEPS:
            yield Row("memory", f"{what}, of {history.jobs:,}", found[what], "MB", LIMIT,
                      floor=found["nothing"], floor_of="libraries only")  # fmt: skip


def main(path: str, jobs: int, moment: float) -> dict[str, float]:
    """Do what the broker module does; returns the peak memory after each step, in MB."""
    found = {"nothing": peak_memory()}
    with create_or_open(path) as store:
        views = Views(store)
        service = Service(store, Config(), active=views.unfinished)
        found["opened"] = peak_memory()
        writer = backlog_writer(views)
        for lines in chunks(backlog(jobs + ACTIVE, rate=RATE, running=ACTIVE)):
            writer.append(lines)
        found["its backlog replayed"] = peak_memory()
        for request in (newest(), newest(attrs=FLUX_JOBS), *filtered(moment).values()):
            ask(service, request)
        found["lists and filters"] = peak_memory()
        ask(service, newest(most=STREAMED))
        found["20,000 in one answer"] = peak_memory()
    return found


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))))
