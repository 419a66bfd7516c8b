# SPDX-License-Identifier: LGPL-3.0
"""Rejects: lines that could not be stored as events, with the reason."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import apsw


class StoredReject(NamedTuple):
    """A reject; ``jobid`` is None if the bytes do not tell it.

    ``batch`` is the number of the batch that stored it. Bytes that are rejected again for the
    same reason are stored once.
    """

    jobid: int | None
    reason: str
    batch: int
    data: bytes


def rejects(db: apsw.Connection) -> Iterator[StoredReject]:
    """Yield all rejects, in the order in which they came."""
    for row in db.execute("SELECT jobid, reason, batch, data FROM reject ORDER BY reject"):
        yield StoredReject(*row)
