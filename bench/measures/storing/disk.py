# SPDX-License-Identifier: LGPL-3.0
"""What a job takes on disk: its events and all projections.

Floor: the bytes of the journal.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import apsw

from bench.histories import Bench, history, journal_file
from bench.report import Row
from eventstore.storage.connection import open_readonly
from eventstore.storage.sql import fetch

__all__ = ["measure"]

_MOST = 6  # tables and indexes that get a row


def measure(bench: Bench) -> Iterator[Row]:
    """Measure the history's file, and its largest tables and indexes."""
    stored = history(bench.folder, bench.jobs)
    size = Path(stored.path).stat().st_size / stored.jobs
    came = journal_file(bench.folder, bench.jobs).stat().st_size / stored.jobs
    yield Row("disk", "a job", size, "B", 2200, floor=came, floor_of="the journal's bytes")
    with open_readonly(stored.path) as store:
        for name, pages in _parts(store.db)[:_MOST]:
            yield Row("disk", f"of these, `{name}`", pages / stored.jobs, "B")


def _parts(db: apsw.Connection) -> list[tuple[str, int]]:
    """Return the size of each table and index in bytes, the largest first."""
    try:
        sql = "SELECT name, sum(pgsize) AS size FROM dbstat GROUP BY name ORDER BY size DESC"
        return fetch(db, sql)
    except apsw.SQLError:  # this SQLite was built without dbstat
        return []
