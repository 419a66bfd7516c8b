# SPDX-License-Identifier: LGPL-3.0
"""``flux-jobdb accounting --to DB``: finished jobs into flux-accounting's table.

Floor: inserting the same rows into another such table.
"""

from __future__ import annotations

from collections.abc import Iterator

import apsw

from bench.histories import Bench, history, remove
from bench.report import Row, duration, rate
from bench.timing import clocked
from cli.accounting.feed import consumer_of, feed
from cli.accounting.flux_accounting_db import Target
from eventstore.storage.connection import open_readonly
from eventstore.storage.sql import fetch
from tests.support.accounting_db import create

__all__ = ["measure"]


def measure(bench: Bench) -> Iterator[Row]:
    """Feed an empty database, then once more when there is nothing new."""
    stored = history(bench.folder, bench.jobs)
    paths = [str(bench.folder / name) for name in ("fed.sqlite", "bare.sqlite")]
    for path in (*paths, stored.path + "-consumers"):
        remove(path)
    fed, bare = (create(path) for path in paths)
    with open_readonly(stored.path) as store, Target(fed) as target:

        def run() -> int:
            return feed(store, target, consumer_of(store, target)).added

        taken = clocked(run)
        rows = fetch(target.db, "SELECT * FROM jobs")
        again = clocked(run)
    if len(rows) != bench.jobs:
        raise AssertionError(f"{len(rows)} of {bench.jobs} jobs were added")
    floor = len(rows) / clocked(lambda: _insert(bare, rows)).wall
    for path in (*paths, stored.path + "-consumers"):
        remove(path)
    yield rate("accounting", "new jobs/s", len(rows), taken, 50_000,
                      floor=floor, floor_of="bare inserting")  # fmt: skip
    yield duration("accounting", "nothing new", again)


def _insert(path: str, rows: list[tuple[object, ...]]) -> None:
    db = apsw.Connection(path)
    with db:
        marks = ", ".join("?" * len(rows[0]))
        db.executemany(f"INSERT INTO jobs VALUES ({marks})", rows)
    db.close()
