# SPDX-License-Identifier: LGPL-3.0
"""Rebuilding views from the events, beside the old ones.

New tables with the prefix ``rebuild_`` are filled chunk by chunk, each chunk in a transaction
together with the checkpoint that it reached, so that a rebuild that was stopped is resumed
there. The old views answer all the while. The last transaction drops the old tables, renames
the new ones and creates their indexes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator

import apsw

from eventstore.bulk_work import without_collections
from eventstore.errors import StoreError, translated
from eventstore.reading import event_log
from eventstore.storage.connection import MEMORY, Store
from eventstore.storage.sql import fetch, value
from projections.definitions.interface import Projection, kept_among, schema_of
from projections.engine.catch_up import catch_up
from projections.engine.left_behind import Failures, forget_failures, isolated
from projections.engine.rebuild_workers import Shard, Step, Workers, are_installed
from projections.engine.row_deltas import ViewTables
from projections.engine.views import (
    FOLD,
    Views,
    record_fold,
    record_view,
    save_states,
    stored_views,
    version_of,
)
from projections.job.reducers import FOLD_VERSION
from projections.public.schema import publish, withdraw

Progress = Callable[[int, int], None]
"""Called with (done, total) events."""

_PREFIX = "rebuild_"
_CHUNK = 100_000  # events a transaction


def rebuild(
    views: Views,
    names: Iterable[str] | None = None,
    progress: Progress = lambda done, total: None,
    *,
    chunk: int = _CHUNK,
    processes: int = 1,
) -> list[str]:
    """Rebuild the named views, or all; returns the names of those that were rebuilt.

    A site's projection that fails is left behind with its old view, if it has one; those that
    had failed before are tried again.

    With several ``processes``, that many share the folding, provided that the projections are
    installed ones, which other processes can load. Raises StoreError for a name that is unknown
    or cannot be loaded. The caller must hold the writer's lock, and append nothing meanwhile.
    """
    wanted = wanted_among(views, names)
    with views.store.transaction() as db:
        forget_failures(db, [projection.name for projection in wanted])
    work = Rebuild(views.store, wanted, views.leave)
    work.run(progress, chunk, processes)
    views.reload()
    views.say()
    return [one.name for one in wanted if one.name not in work.failures]


def wanted_among(views: Views, names: Iterable[str] | None = None) -> list[Projection]:
    """Return the projections of these names, or all; raises StoreError for an unknown one."""
    known = {projection.name: projection for projection in views.projections}
    wanted = list(names or known)
    for name in wanted:
        if name in views.broken:
            raise StoreError(f"projection {name}: {views.broken[name]}")
        if name not in known:
            raise StoreError(f"projection {name}: there is none; known are {', '.join(known)}")
    return [known[name] for name in wanted]


def refresh(views: Views, progress: Progress = lambda done, total: None) -> list[str]:
    """Bring views up to date; returns the names of those that had to be rebuilt.

    Views that are behind follow (catch_up.py), stale ones are rebuilt.
    """
    catch_up(views, progress)
    names = [p.name for p in views.projections if p.name in views.stale]
    if names or FOLD in views.stale:
        return rebuild(views, names, progress)
    return names


class Rebuild:
    """One rebuild: a new one, or the unfinished one if it makes the same views and versions."""

    def __init__(
        self,
        store: Store,
        projections: list[Projection],
        leave: Callable[[apsw.Connection, Failures], None] | None = None,
        origin: str = "",
    ) -> None:
        """Begin, or resume.

        ``leave`` stores which projections failed, in the transaction in which they did; without
        it, the first failure raises StoreError. A rebuild that does not read the events itself
        names its ``origin``: only one of the same origin is resumed.
        """
        self._store = store
        self._origin = {"origin": origin} if origin else {}
        self._leave = _stop if leave is None else leave
        self._tables = ViewTables(projections, _PREFIX)
        self._plan = ""
        with store.transaction() as db:
            self._done = self._begin(db)

    @property
    def failures(self) -> Failures:
        """Which projections failed, and why."""
        return self._tables.failures

    def _plan_now(self) -> str:
        plan = {
            projection.name: version_of(projection) for projection in self._tables.projections
        }
        return json.dumps({FOLD: FOLD_VERSION, **self._origin, **plan}, sort_keys=True)

    def _begin(self, db: apsw.Connection) -> int:
        """Create the tables, or find those of an unfinished rebuild; returns its checkpoint."""
        self._plan = self._plan_now()
        for plan, checkpoint in fetch(db, "SELECT plan, checkpoint FROM rebuild"):
            if plan == self._plan:
                return int(checkpoint)
        discard(db)
        db.execute("INSERT INTO rebuild (plan, checkpoint) VALUES (?, 0)", (self._plan,))
        db.execute(
            f"CREATE TABLE {_PREFIX}{FOLD} (job INTEGER PRIMARY KEY, data BLOB NOT NULL)"
        )
        for projection in self._tables.projections:
            with isolated(projection, self.failures, db):
                for name, statement in schema_of(projection.schema).tables.items():
                    db.execute(statement.replace(name, _PREFIX + name, 1))
        self._go_on_without(db)
        return 0

    def _go_on_without(self, db: apsw.Connection) -> None:
        """Take the projections that failed out of the plan, so that it can be resumed."""
        plan = self._plan_now()
        if plan != self._plan:
            self._plan = plan
            db.execute("UPDATE rebuild SET plan = ?", (plan,))
            self._leave(db, self.failures)

    def run(self, progress: Progress, chunk: int, processes: int = 1) -> None:
        """Fill the new tables up to the last event, then replace the old ones."""
        with self._store.snapshot() as db:
            last = event_log.head(db)
        few = last - self._done <= 2 * chunk  # starting processes would take longer
        if (
            processes < 2
            or few
            or self._store.path == MEMORY
            or not are_installed(self._tables.projections)
        ):
            self._fill_alone(last, chunk, progress)
        else:
            self._fill_together(last, chunk, progress, processes)
        self._finish()

    def run_with(self, parts: Iterable[Iterable[Step]], last: int) -> None:
        """Fill the new tables by steps that others made, which lead up to the seq ``last``.

        Each part is written in a transaction. A job is in one step only.
        """
        for steps in parts:
            with without_collections(), self._store.transaction() as db:
                self._write(db, 0, steps)
        self._done = last
        self._finish()

    def _finish(self) -> None:
        with self._store.transaction() as db:
            sound = _is_sound(db)
            self._switch(db, sound=sound)
        if not sound:
            # The pages of the damaged tables were not freed; this drops them.
            with translated(self._store.path):
                self._store.db.execute("VACUUM")

    def _fill_alone(self, last: int, chunk: int, progress: Progress) -> None:
        with self._store.snapshot() as db:
            shard = Shard(db, self._tables.projections, _PREFIX + FOLD, self._done)
        for after, until in self._chunks(last, chunk):
            with without_collections(), self._store.transaction() as db:
                self._write(db, until, shard.steps(after, until))
            progress(until, last)

    def _fill_together(self, last: int, chunk: int, progress: Progress, count: int) -> None:
        names = [projection.name for projection in self._tables.projections]
        workers = Workers(self._store.path, names, _PREFIX + FOLD, self._done, count)
        try:
            chunks = list(self._chunks(last, chunk))
            workers.ask(*chunks[0])
            for number, (_, until) in enumerate(chunks, 1):
                if number < len(chunks):
                    workers.ask(*chunks[number])
                with without_collections(), self._store.transaction() as db:
                    self._write(db, until, workers.steps())
                progress(until, last)
        finally:
            workers.close()

    def _chunks(self, last: int, chunk: int) -> Iterator[tuple[int, int]]:
        done = self._done
        while done < last:
            with self._store.snapshot() as db:
                first = event_log.following(db, done, last)
            until = min(first - 1 + chunk, last)
            yield done, until
            done = until

    def _write(self, db: apsw.Connection, until: int, steps: Iterable[Step]) -> None:
        for step in steps:
            for name, reason in step.failures.items():
                self.failures.setdefault(name, reason)
            self._tables.write(db, step.deltas)
            save_states(db, _PREFIX + FOLD, step.states)
        self._go_on_without(db)
        db.execute("UPDATE rebuild SET checkpoint = ?", (until,))
        self._done = until

    def _switch(self, db: apsw.Connection, *, sound: bool) -> None:
        old = stored_views(db)
        withdraw(db)
        for kept in kept_among(self._tables.projections):
            kept.fill(db, _PREFIX)
        for projection in self._tables.projections:
            with isolated(projection, self.failures, db):
                for table in old[projection.name].tables if projection.name in old else ():
                    _drop(db, table, sound=sound)
                schema = schema_of(projection.schema)
                for table in schema.tables:
                    db.execute(f"ALTER TABLE {_PREFIX}{table} RENAME TO {table}")
                for statement in schema.indexes:
                    db.execute(statement)
                record_view(db, projection, self._done)
        self._go_on_without(db)
        _drop(db, FOLD, sound=sound)
        db.execute(f"ALTER TABLE {_PREFIX}{FOLD} RENAME TO {FOLD}")
        record_fold(db, self._done)
        publish(db)
        discard(db)  # the tables of projections that failed, and the plan


def _stop(_: apsw.Connection, failures: Failures) -> None:
    for name, reason in failures.items():
        raise StoreError(f"projection {name}: {reason}")


def discard(db: apsw.Connection) -> None:
    """Drop the tables of an unfinished rebuild."""
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
    # DROP TABLE frees the pages that a table refers to, which may be those of events if it is
    # damaged. So it is taken out of the schema instead; its pages stay until a VACUUM.
    db.execute("PRAGMA writable_schema = ON")
    db.execute("DELETE FROM sqlite_schema WHERE tbl_name = ?", (table,))
    db.execute("PRAGMA writable_schema = RESET")
