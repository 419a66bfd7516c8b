# SPDX-License-Identifier: LGPL-3.0
"""How much is stored: numbers of rows, and the times of the first and last event."""

from __future__ import annotations

from typing import Any, NamedTuple

import apsw

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
    """Return the members of `StoreCounts`, by name."""
    (row,) = fetch(db, SQL["counts"])
    return StoreCounts(*row)._asdict()
