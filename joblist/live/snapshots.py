# SPDX-License-Identifier: LGPL-3.0
"""Connections that read the database, each in a snapshot of one moment."""

from __future__ import annotations

from eventstore.errors import StoreError, translated
from eventstore.storage.connection import MEMORY, Store, open_readonly
from eventstore.storage.sql import value

_MOST_IDLE = 2  # connections kept for the next answer
_CACHE = 8192  # KiB of pages, each


class Snapshots:
    """Snapshots of a store that goes on being written.

    A database in memory has one connection only, which cannot hold a snapshot while it is
    written. ``shared`` says so: whoever takes a snapshot of it must be done with it in the
    same turn of the reactor.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._idle: list[Store] = []
        self.shared = store.path == MEMORY

    def take(self) -> Store:
        """Return a connection with a snapshot of this moment; raises StoreError."""
        if self.shared:
            return self._store
        reader = self._idle.pop() if self._idle else self._open()
        try:
            with translated(reader.path):
                reader.db.execute("BEGIN")
                # A transaction begins with the first read, not with BEGIN.
                value(reader.db, "SELECT 1 FROM sqlite_schema LIMIT 1")
        except BaseException:
            reader.close()
            raise
        return reader

    def _open(self) -> Store:
        reader = open_readonly(self._store.path)
        reader.db.execute(f"PRAGMA cache_size = -{_CACHE}")
        return reader

    def give_back(self, reader: Store) -> None:
        """Let go of a snapshot; its cursors must be closed.

        Raises StoreError, for damage say; the connection is closed then.
        """
        if reader is self._store:
            return
        try:
            with translated(reader.path):
                # After some errors (out of memory, I/O), SQLite has rolled back by itself.
                if reader.db.in_transaction:
                    reader.db.execute("ROLLBACK")
        except StoreError:
            reader.close()
            raise
        if len(self._idle) < _MOST_IDLE:
            self._idle.append(reader)
        else:
            reader.close()

    def close(self) -> None:
        """Close all idle connections."""
        while self._idle:
            self._idle.pop().close()
