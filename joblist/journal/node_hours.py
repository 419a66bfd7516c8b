# SPDX-License-Identifier: LGPL-3.0
"""Stores the node-time of hours that are over, some at a time: reports need them at once."""

from __future__ import annotations

from contextlib import suppress

from eventstore.errors import StoreError
from eventstore.storage.connection import Store
from joblist.ports import Bus
from projections.node_queries.settle import settle

MOST = 48
"""Hours that are measured in one turn of the reactor."""
_FIRST = 300.0
_PAUSE = 3600.0
_SOON = 2.0


class NodeHours:
    """Stores sums by hour (settle.py), from ``start`` to ``stop``."""

    def __init__(self, bus: Bus, store: Store) -> None:
        self._store = store
        self._timer = bus.timer(self._settle)

    def start(self) -> None:
        """Begin, some time after all that a start has to do."""
        self._timer.start(_FIRST)

    def stop(self) -> None:
        """Settle no more."""
        self._timer.stop()

    def _settle(self) -> None:
        done = 0
        # A sum that is not stored is computed when asked for; the Follower logs the failure.
        with suppress(StoreError), self._store.transaction() as db:
            done = settle(db, MOST)
        self._timer.start(_SOON if done == MOST else _PAUSE)
