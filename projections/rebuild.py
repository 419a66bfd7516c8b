# SPDX-License-Identifier: LGPL-3.0
"""Making views anew from the events, beside the old ones.

New tables are filled under names of their own, chunk by chunk, each chunk in a transaction
with the checkpoint that it reached: a rebuild that was stopped goes on from there. The old
views go on answering all the while. The last transaction drops the old tables, gives the new
ones their names and makes their indexes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable

import apsw

from eventstore import read
from eventstore.errors import StoreError, translated
from eventstore.store import Store, fetch, value

from .changes import Folder, decode_state
from .fold import FOLD_VERSION
from .projection import Projection, schema_of
from .views import (
    FOLD,
    Views,
    apply_changes,
    record_fold,
    record_view,
    save_states,
    stored_views,
    version_of,
)

Progress = Callable[[int, int], None]
"""Called with (done, total) events."""

_PREFIX = "rebuild_"
_CHUNK = 20_000  # events a transaction


def rebuild(
    views: Views,
    names: Iterable[str] | None = None,
    progress: Progress = lambda done, total: None,
    *,
    chunk: int = _CHUNK,
) -> list[str]:
    """Rebuild the named views, all where none are named; returns their names.

    Raises StoreError for a name that there is not. Nothing may be appended meanwhile but
    by the caller, who holds the writer's lock.
    """
    known = {projection.name: projection for projection in views.projections}
    wanted = list(names or known)
    for name in wanted:
        if name not in known:
            raise StoreError(f"projection {name}: there is none; known are {', '.join(known)}")
    Rebuild(views.store, [known[name] for name in wanted]).run(progress, chunk)
    views.reload()
    return wanted


def refresh(views: Views, progress: Progress = lambda done, total: None) -> list[str]:
    """Rebuild what another version made; returns the names of those views."""
    names = [p.name for p in views.projections if p.name in views.stale]
    if names or FOLD in views.stale:
        rebuild(views, names, progress)
    return names


class Rebuild:
    """One rebuild, begun or taken up again where the same views are wanted."""

    def __init__(self, store: Store, projections: list[Projection]) -> None:
        self._store = store
        self._projections = projections
        plan = {projection.name: version_of(projection) for projection in projections}
        self._plan = json.dumps({FOLD: FOLD_VERSION, **plan}, sort_keys=True)
        with store.transaction() as db:
            self._done = self._begin(db)
            states = fetch(db, f"SELECT job, data FROM {_PREFIX}{FOLD}")
            sql = "SELECT coalesce(max(job), 0) FROM event WHERE seq <= ?"
            last_key = value(db, sql, (self._done,))
        self._folder = Folder({key: decode_state(data) for key, data in states}, last_key)

    def _begin(self, db: apsw.Connection) -> int:
        """Return the checkpoint to go on from, with the tables for it."""
        for plan, checkpoint in fetch(db, "SELECT plan, checkpoint FROM rebuild"):
            if plan == self._plan:
                return int(checkpoint)
        discard(db)
        db.execute("INSERT INTO rebuild (plan, checkpoint) VALUES (?, 0)", (self._plan,))
        db.execute(
            f"CREATE TABLE {_PREFIX}{FOLD} (job INTEGER PRIMARY KEY, data BLOB NOT NULL)"
        )
        for projection in self._projections:
            for name, statement in schema_of(projection.schema).tables.items():
                db.execute(statement.replace(name, _PREFIX + name, 1))
        return 0

    def run(self, progress: Progress, chunk: int) -> None:
        """Fill the new tables up to the last event, then switch."""
        with self._store.snapshot() as db:
            last = read.head(db)
        while self._done < last:
            with self._store.snapshot() as db:
                first = read.following(db, self._done, last)
            self._step(min(first - 1 + chunk, last))
            progress(self._done, last)
        with self._store.transaction() as db:
            sound = _is_sound(db)
            self._switch(db, sound=sound)
        if not sound:
            # Nothing of the damaged views is left but their pages.
            with translated(self._store.path):
                self._store.db.execute("VACUUM")

    def _step(self, until: int) -> None:
        with self._store.transaction() as db:
            records = list(read.records(db, self._done, until))
            changes = self._folder.changes(db, records)
            apply_changes(db, self._projections, changes, _PREFIX)
            save_states(db, _PREFIX + FOLD, changes)
            db.execute("UPDATE rebuild SET checkpoint = ?", (until,))
        self._done = until

    def _switch(self, db: apsw.Connection, *, sound: bool) -> None:
        old = stored_views(db)
        for projection in self._projections:
            for table in old[projection.name].tables if projection.name in old else ():
                _drop(db, table, sound=sound)
            schema = schema_of(projection.schema)
            for table in schema.tables:
                db.execute(f"ALTER TABLE {_PREFIX}{table} RENAME TO {table}")
            for statement in schema.indexes:
                db.execute(statement)
            record_view(db, projection, self._done)
        _drop(db, FOLD, sound=sound)
        db.execute(f"ALTER TABLE {_PREFIX}{FOLD} RENAME TO {FOLD}")
        record_fold(db, self._done)
        db.execute("DELETE FROM rebuild")


def discard(db: apsw.Connection) -> None:
    """Drop what an unfinished rebuild left."""
    sql = "SELECT name FROM pragma_table_list WHERE type != 'shadow' AND name GLOB ?"
    tables = fetch(db, sql, (_PREFIX + "*",))
    sound = not tables or _is_sound(db)
    for (table,) in tables:
        _drop(db, table, sound=sound)
    db.execute("DELETE FROM rebuild")


def _is_sound(db: apsw.Connection) -> bool:
    try:
        return bool(value(db, "PRAGMA quick_check(1)") == "ok")
    except apsw.CorruptError:
        return False


def _drop(db: apsw.Connection, table: str, *, sound: bool) -> None:
    if sound:
        db.execute(f"DROP TABLE IF EXISTS {table}")
        return
    # To drop a table is to free its pages: a damaged one may name pages that hold events.
    db.execute("PRAGMA writable_schema = ON")
    db.execute("DELETE FROM sqlite_schema WHERE tbl_name = ?", (table,))
    db.execute("PRAGMA writable_schema = RESET")
