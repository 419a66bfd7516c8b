# SPDX-License-Identifier: LGPL-3.0
"""How much is stored: numbers of rows, and the times of the first and last event."""

from __future__ import annotations

from operator import add
from typing import Any, NamedTuple

import apsw

from eventstore.reading.remembered import Remembered
from eventstore.storage.sql import fetch, statements

SQL = statements(__file__)


class StoreCounts(NamedTuple):
    """Numbers of what is stored, in the order in which ``flux-jobdb stats`` shows them.

    ``first_event`` and ``last_event`` are timestamps in the order of arrival (seconds since
    the epoch), None if no event is stored.
    """

    jobs: int
    events: int
    jobspecs: int
    Rs: int
    batches: int
    rejects: int
    purges: int
    boots: int
    sources: int
    sources_unfinished: int
    first_event: float | None
    last_event: float | None


def store_counts(db: apsw.Connection) -> dict[str, Any]:
    """Return the members of `StoreCounts`, by name. Called inside a snapshot."""
    return Counting().counts(db)


class _Counted(NamedTuple):
    """Numbers of rows, and up to which key or number they were counted."""

    counts: tuple[int, ...]
    ends: tuple[int, ...]


class Counting:
    """Counts again and again: rows that were counted before are not counted again.

    Events are only ever appended. To be used by one thread at a time.
    """

    def __init__(self) -> None:
        self._known: Remembered[_Counted | None] = Remembered(None)

    def counts(self, db: apsw.Connection) -> dict[str, Any]:
        """Return what `store_counts` does."""
        before = self._known.latest(db)
        if before is None:
            appended = fetch(db, SQL["appended"])[0]
        else:
            new = fetch(db, SQL["appended_since"], before.ends)[0]
            appended = tuple(map(add, before.counts, new))
        self._known.keep(db, _Counted(appended, fetch(db, SQL["ends"])[0]))
        return StoreCounts(*appended, *fetch(db, SQL["others"])[0])._asdict()
