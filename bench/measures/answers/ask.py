# SPDX-License-Identifier: LGPL-3.0
"""SQL and reports: questions over a year of jobs, as `sql` and `report` ask them.

Floor of a report: reading the sums that it is made of.
"""

from __future__ import annotations

from collections.abc import Iterator

import apsw

from bench.histories import Bench
from bench.node_histories import YEAR, node_history
from bench.report import Row, duration
from bench.timing import repeat
from eventstore.storage.connection import open_readonly
from eventstore.storage.sql import value
from projections.reports.kinds import KINDS
from projections.reports.periods import zone
from projections.reports.questions import question
from projections.sql.functions import register
from tests.support.journal_generator import EPOCH

__all__ = ["measure"]

_OF_A_USER = "SELECT * FROM jobs WHERE userid = ? ORDER BY t_submit DESC LIMIT 1000"


def _report(db: apsw.Connection, kind: str, group: tuple[str, ...], by: str | None) -> None:
    report = KINDS[kind]
    asked = question(db, group, since=EPOCH, until=EPOCH + YEAR, by=by, where=zone(None),
                     beginning=report.beginning)  # fmt: skip
    assert list(report.rows(db, asked))


def measure(bench: Bench) -> Iterator[Row]:
    """Time reports over the whole year, and rows of one user."""
    for jobs in filter(None, (bench.jobs, bench.large)):
        history = node_history(bench.folder, jobs)
        with open_readonly(history.path) as store, store.snapshot() as db:
            register(db)
            user = value(db, "SELECT userid FROM jobs LIMIT 1")
            floor, bank, jobs_by_day, waits, rows = repeat(
                lambda db=db: db.execute("SELECT * FROM usage").fetchall(),  # type: ignore[misc]
                lambda db=db: _report(db, "usage", ("bank",), "month"),  # type: ignore[misc]
                lambda db=db: _report(db, "jobs", (), "day"),  # type: ignore[misc]
                lambda db=db: _report(db, "waits", ("queue",), "month"),  # type: ignore[misc]
                lambda db=db, user=user: db.execute(_OF_A_USER, (user,)).fetchall(),  # type: ignore[misc]
            )
        size = f"of {jobs:,} jobs in a year"
        yield duration("ask", f"usage by month and bank, {size}", bank, floor.wall,
                       "SELECT * FROM usage", target=1000)  # fmt: skip
        yield duration("ask", f"jobs by day, {size}", jobs_by_day, target=1000)
        yield duration("ask", f"waits by month and queue, {size}", waits)
        yield duration("ask", f"1,000 rows of one user, {size}", rows, target=20)
