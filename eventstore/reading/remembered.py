# SPDX-License-Identifier: LGPL-3.0
"""Going on counting: what was found of an earlier state of a database, for a later one.

Events are only ever appended, and each batch has a digest of all that was stored before it.
What was found up to a batch holds for every state of a database that has this batch, with this
digest; of another database that came to stand at the same path, nothing is used.
"""

from __future__ import annotations

import time
from collections import deque
from typing import Generic, NamedTuple, TypeVar

import apsw

from eventstore.storage.sql import fetch, value

_T = TypeVar("_T")
_APART = 1.0  # seconds: readers may still be at a state some seconds old
_MOST = 20


class _Known(NamedTuple, Generic[_T]):
    batch: int
    digest: bytes
    at: float
    found: _T


class Remembered(Generic[_T]):
    """What was found of the latest states; to be used by one thread at a time."""

    def __init__(self, nothing: _T) -> None:
        self._nothing = nothing
        self._known: deque[_Known[_T]] = deque(maxlen=_MOST)

    def latest(self, db: apsw.Connection) -> _T:
        """Return what was found of the latest state that this one follows on."""
        for known in reversed(self._known):
            sql = "SELECT digest FROM batch WHERE batch = ?"
            if value(db, sql, (known.batch,)) == known.digest:
                return known.found
        return self._nothing

    def keep(self, db: apsw.Connection, found: _T) -> None:
        """Remember what was found of this state, unless one was kept just before."""
        now = time.monotonic()
        if self._known and now < self._known[-1].at + _APART:
            return
        sql = "SELECT batch, digest FROM batch ORDER BY batch DESC LIMIT 1"
        for batch, digest in fetch(db, sql):
            self._known.append(_Known(batch, digest, now, found))
