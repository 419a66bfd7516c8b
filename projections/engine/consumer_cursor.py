# SPDX-License-Identifier: LGPL-3.0
"""Reading what has finished, once: a consumer has a name, and a cursor that lasts.

Consumers read a view that has ``seq INTEGER PRIMARY KEY``, the seq of the last event that a
row follows from, in the order of seq. Events come late at times (a file that was found, a
broker that was away), so that neither end times nor job ids grow; seq does. A row that changes
gets a higher one, and is read again: what a consumer does with a row should do no harm twice.

The cursor does not say a seq but a batch and its digest. The digest is chained over all that
was stored before, so that a cursor fits one history only: in a database that was restored or
made anew, where the same seq stands for another event, reading starts from the beginning.

Cursors live in a file of their own beside the database, which one process may hold for writing
for as long as it runs. A cursor is saved after its consumer is done with what it read. If that
gets lost, the consumer reads the same again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import apsw

from eventstore.errors import NotOurs, StoreError, translated
from eventstore.events.digest_chain import GENESIS
from eventstore.storage.connection import MEMORY
from eventstore.storage.sql import fetch, value
from projections.definitions.interface import Projection
from projections.engine.views import stored_views, version_of

_APPLICATION_ID = 0x464A4443  # "FJDC"
_SCHEMA = """
CREATE TABLE consumer (
    name   TEXT PRIMARY KEY,
    batch  INTEGER NOT NULL,
    digest BLOB    NOT NULL,
    note   TEXT    NOT NULL  -- whatever the consumer wants to find again
)
"""


class Position(NamedTuple):
    """Behind this batch of this history; ``note`` is the consumer's own."""

    batch: int
    digest: bytes
    note: str = ""


START = Position(0, GENESIS)
"""Before everything, in any history."""


class Unread(NamedTuple):
    """What is there to be read: ``after`` < seq <= ``upto``, up to the position ``end``."""

    after: int
    upto: int
    end: Position


class Consumer:
    """A reader of the database at ``path`` that goes on where it stopped.

    Without a name it starts from the beginning, and its cursor goes with the object.
    """

    def __init__(self, path: str, name: str | None) -> None:
        self.name = name
        self._path = None if name is None or path == MEMORY else f"{path}-consumers"
        self.position = START if self._path is None else self._load(self._path)

    def unread(self, db: apsw.Connection, projection: Projection) -> Unread:
        """Return what to read of the projection's view; called inside a snapshot.

        Raises StoreError where the view is another version's: it has to be rebuilt.
        """
        view = stored_views(db).get(projection.name)
        if view is None or view.version != version_of(projection):
            raise StoreError(
                f"projection {projection.name}: made by another version of the program; "
                "run `flux-jobdb rebuild`, or wait for the one that runs"
            )
        sql = (
            "SELECT last, batch, digest FROM batch WHERE last <= ? ORDER BY batch DESC LIMIT 1"
        )
        found = fetch(db, sql, (view.checkpoint,))
        upto, *end = found[0] if found else (0, *START[:2])
        # Another history has no such batch, or another digest there.
        sql = "SELECT last FROM batch WHERE batch = ? AND digest = ?"
        after = value(db, sql, self.position[:2]) or 0
        return Unread(after, upto, Position(*end))

    def done(self, end: Position, note: str = "") -> None:
        """Save that everything up to ``end`` has been dealt with."""
        position = end._replace(note=note)
        if position == self.position:
            return
        if self._path is not None:
            self._save(self._path, position)
        self.position = position

    def _load(self, path: str) -> Position:
        if not Path(path).exists():
            return START
        # Writable, so that what a crash left half-done can be undone.
        with _opened(path, apsw.SQLITE_OPEN_READWRITE) as db:
            sql = "SELECT batch, digest, note FROM consumer WHERE name = ?"
            found = fetch(db, sql, (self.name,)) if _has_cursors(db) else []
        return Position(*found[0]) if found else START

    def _save(self, path: str, position: Position) -> None:
        with _opened(path, apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE) as db:
            db.execute("BEGIN IMMEDIATE")
            if not _has_cursors(db):
                db.execute(_SCHEMA)
                db.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
            db.execute(
                "INSERT OR REPLACE INTO consumer (name, batch, digest, note)"
                " VALUES (?, ?, ?, ?)",
                (self.name, *position),
            )
            db.execute("COMMIT")


@contextmanager
def _opened(path: str, flags: int) -> Iterator[apsw.Connection]:
    with translated(path):
        db = apsw.Connection(path, flags=flags)
        try:
            db.set_busy_timeout(10_000)
            yield db
        except (apsw.NotADBError, apsw.CorruptError) as error:
            raise NotOurs(
                f"{path}: not the cursors of flux-jobdb's consumers, or damaged ({error}); "
                "move it away: everything is read again then, and nothing added twice"
            ) from error
        finally:
            db.close()


def _has_cursors(db: apsw.Connection) -> bool:
    """Whether cursors are kept there already; False where nothing is."""
    application = db.pragma("application_id")
    if application != _APPLICATION_ID and fetch(db, "SELECT 1 FROM sqlite_schema LIMIT 1"):
        raise apsw.NotADBError("it belongs to another program")
    return bool(application == _APPLICATION_ID)
