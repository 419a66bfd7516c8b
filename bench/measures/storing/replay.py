# SPDX-License-Identifier: LGPL-3.0
"""A backlog of jobs that are all stored, as each reload of the module reads it.

Floor: decoding the same lines.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from bench.histories import RATE, Bench, backlog_writer, chunks, history
from bench.measures.storing.append import bare_decoding
from bench.report import Row, rate
from bench.timing import Clocked, clocked
from eventstore.reading import event_log
from projections.engine.views import Views
from tests.support.journal_generator import backlog

__all__ = ["measure"]


def measure(bench: Bench) -> Iterator[Row]:
    """Append the history's backlog to a copy of it."""
    stored = history(bench.folder, bench.jobs)
    taken, bare = Clocked(0.0, 0.0), 0.0
    with stored.copy() as store:
        views = Views(store)
        before = event_log.head(store.db)
        writer = backlog_writer(views)
        for lines in chunks(backlog(stored.jobs, rate=RATE)):
            bare += clocked(partial(bare_decoding, lines)).wall
            more = clocked(partial(writer.append, lines))
            taken = Clocked(taken.wall + more.wall, taken.processor + more.processor)
        if writer.counts.new or event_log.head(store.db) != before:
            raise AssertionError(f"a known backlog was stored: {writer.counts}")
    yield rate("replay", "jobs/s", stored.jobs, taken,
                      floor=stored.jobs / bare, floor_of="bare decoding")  # fmt: skip
