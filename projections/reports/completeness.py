# SPDX-License-Identifier: LGPL-3.0
"""What a report may lack: gaps of the store that lie in its range.

Gaps of the kind "backlog" lack nothing that reports show, and are left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from math import inf

import apsw

from eventstore.reading.gaps import gaps
from eventstore.storage.sql import statements, value
from projections.job.run_time import SECOND
from projections.reports.report import Question

SQL = statements(__file__)
_WORDS = {
    "beginning": ("job without its first events", "jobs without their first events"),
    "gone": ("job whose end is not known", "jobs whose ends are not known"),
    "source": ("source that did not end", "sources that did not end"),
    "damage": ("gap by damage", "gaps by damage"),
}


def missing(
    db: apsw.Connection, path: str, question: Question, there: Mapping[str, int] | None = None
) -> str:
    """Return in words how many gaps of each kind are in the range; empty where there is none.

    ``path`` is the database's. ``there``: how many gaps of each kind it has, where known.
    """
    start, end = question.start / SECOND, question.end / SECOND
    found: Counter[str] = Counter()
    for (first,) in () if value(db, SQL["all_shown"]) else db.execute(SQL["beginnings"]):
        found["beginning"] += first >= start
    kinds = [kind for kind in ("gone", "source", "damage") if there is None or there[kind]]
    for gap in gaps(db, path, kinds):
        since = -inf if gap.since is None else gap.since
        until = inf if gap.until is None else gap.until
        found[gap.kind] += since < end and until >= start
    return ", ".join(
        f"{count} {_WORDS[kind][count > 1]}" for kind, count in found.items() if count
    )
