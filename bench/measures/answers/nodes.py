# SPDX-License-Identifier: LGPL-3.0
"""Nodes: a past moment of all, one node's year, and a year's report by day.

10,000 nodes, as many events of nodes as there are jobs, both over a year.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator

import apsw

from bench.histories import Bench
from bench.node_histories import YEAR, node_history
from bench.report import Row, duration
from bench.timing import child, peak_memory, repeat
from eventstore.storage.connection import open_readonly
from projections.node_queries.history import intervals
from projections.node_queries.present import nodes
from projections.reports.nodes import NODES
from projections.reports.periods import zone
from projections.reports.questions import question
from tests.support.journal_generator import EPOCH

__all__ = ["main", "measure"]

MIDDLE, END = EPOCH + YEAR / 2, EPOCH + YEAR
LIMIT = 300.0
"""MB that a process may take which answers all of this."""


def _by_day(db: apsw.Connection) -> None:
    asked = question(db, (), since=EPOCH, until=END, by="day", where=zone(None),
                     beginning=NODES.beginning)  # fmt: skip
    assert len(list(NODES.rows(db, asked))) > 360


QUESTIONS: dict[str, tuple[Callable[[apsw.Connection], object], float]] = {
    "all nodes now": (nodes, 100),
    "all nodes as of the middle": (lambda db: nodes(db, MIDDLE), 100),
    "one node's year": (lambda db: intervals(db, ["node77"], EPOCH, END), 50),
    "report by day of the year": (_by_day, 1000),
}
"""What is asked, and how many milliseconds it may take."""


def measure(bench: Bench) -> Iterator[Row]:
    """Time each question, and the peak memory of a process that asks all of them."""
    for jobs in filter(None, (bench.jobs, bench.large)):
        history = node_history(bench.folder, jobs)
        size = f"{jobs:,} jobs and node events"
        with open_readonly(history.path) as store, store.snapshot() as db:
            for what, (ask, target) in QUESTIONS.items():
                (taken,) = repeat(lambda ask=ask: ask(db))  # type: ignore[misc]
                yield duration("nodes", f"{what}, of {size}", taken, target=target)
        yield Row("nodes", f"storing a job's event, of {size}", history.jobs_us, "us")
        yield Row("nodes", f"storing a node's event, of {size}", history.nodes_us, "us")
        yield Row("nodes", f"summing up all hours, of {size}", history.hours_s, "s")
        peak = child("bench.measures.answers.nodes", history.path)
        yield Row("nodes", f"peak memory, of {size}", peak, "MB", LIMIT)


def main(path: str) -> float:
    """Ask all; returns the peak memory of this process in MB."""
    with open_readonly(path) as store, store.snapshot() as db:
        for ask, _ in QUESTIONS.values():
            ask(db)
    return peak_memory()


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1])))
