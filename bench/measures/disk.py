# SPDX-License-Identifier: LGPL-3.0
"""What a job takes on disk: its events and all projections.

Floor: the bytes that came, and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import apsw

from bench.common import Bench, Row, history, journal_file
from eventstore.storage.connection import open_readonly
from eventstore.storage.sql import fetch

_MOST = 6  # tables and indexes that are named


def measure(bench: Bench) -> Iterator[Row]:
    """Weigh the history's file, and the largest of what is in it."""
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
