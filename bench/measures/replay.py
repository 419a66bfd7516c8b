# SPDX-License-Identifier: LGPL-3.0
"""A backlog of jobs that are known, as each reload of the module brings it: nothing is new.

Floor: decoding the same lines.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from bench import generate
from bench.common import (
    RATE,
    Bench,
    Clocked,
    Row,
    backlog_writer,
    chunks,
    clocked,
    history,
    speed,
)
from bench.measures.append import bare_decoding
from eventstore.reading import event_log
from projections.engine.views import Views


def measure(bench: Bench) -> Iterator[Row]:
    """Replay all of the history to a copy of it."""
    stored = history(bench.folder, bench.jobs)
    taken, bare = Clocked(0.0, 0.0), 0.0
    with stored.copy() as store:
        views = Views(store)
        before = event_log.head(store.db)
        writer = backlog_writer(views)
        for lines in chunks(generate.backlog(stored.jobs, rate=RATE)):
            bare += clocked(partial(bare_decoding, lines)).wall
            more = clocked(partial(writer.append, lines))
            taken = Clocked(taken.wall + more.wall, taken.processor + more.processor)
        if writer.counts.new or event_log.head(store.db) != before:
            raise AssertionError(f"a known backlog was stored: {writer.counts}")
    yield speed("replay", "jobs/s", stored.jobs, taken,
                      floor=stored.jobs / bare, floor_of="bare decoding")  # fmt: skip
