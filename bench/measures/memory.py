# SPDX-License-Identifier: LGPL-3.0
"""The most memory of a process that opens a history, reads its backlog, and answers.

A thousand jobs are active beside it.

Floor: the same process before it opens anything. The module itself is measured by
``make bench-flux``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

from bench import generate
from bench.common import (
    ACTIVE,
    RATE,
    Bench,
    Row,
    add_active,
    ask,
    backlog_writer,
    child,
    chunks,
    peak_memory,
)
from bench.measures.questions import FLUX_JOBS, STREAMED, filtered, newest
from eventstore.storage.connection import create_or_open
from joblist.config import Config
from joblist.service import Service
from projections.engine.views import Views

LIMIT = 150.0
"""MB, with a million finished jobs."""
_STEPS = ("opened", "its backlog replayed", "lists and filters", "20,000 in one answer")


def measure(bench: Bench) -> Iterator[Row]:
    """Look at each history's process after each step: a step's row has those before in it."""
    for history in bench.histories():
        with history.copy() as store:
            add_active(Views(store), history.jobs)
            path = store.path
            store.close()
            found: dict[str, Any] = child(
                "bench.measures.memory", path, str(history.jobs), str(history.middle)
            )
        for what in _STEPS:
            yield Row("memory", f"{what}, of {history.jobs:,}", found[what], "MB", LIMIT,
                      floor=found["nothing"], floor_of="libraries only")  # fmt: skip


def main(path: str, jobs: int, moment: float) -> dict[str, float]:
    """Do what the module does; returns the most memory by step, in MB."""
    found = {"nothing": peak_memory()}
    with create_or_open(path) as store:
        views = Views(store)
        service = Service(store, Config(), active=views.unfinished)
        found["opened"] = peak_memory()
        writer = backlog_writer(views)
        for lines in chunks(generate.backlog(jobs + ACTIVE, rate=RATE, running=ACTIVE)):
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
