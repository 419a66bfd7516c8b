# SPDX-License-Identifier: LGPL-3.0
"""The stored views: their tables, versions and checkpoints.

Views advance in the transaction that appends events: `Views` takes part in each batch of the
event store's Writer. Checkpoints are written in the same transaction, so that they always
agree with the rows.

A view is *stale* when another version of its projection made it, or when it has missed events.
It does not advance then, until rebuild.py rebuilds it. Nor does one whose projection failed
(left_behind.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import apsw
import msgspec
from msgspec import Struct

from eventstore.errors import StoreError
from eventstore.events.records import Notice, Record
from eventstore.reading import event_log
from eventstore.storage.connection import Store
from eventstore.storage.sql import fetch, script, value
from projections.definitions.interface import Projection, kept_among, schema_of
from projections.definitions.registry import checked, find
from projections.engine.fold_batch import Change, JobStates, decode_state, encode_states
from projections.engine.left_behind import (
    NOT_LOADED,
    Failures,
    failed,
    forget_strangers,
    isolated,
    news_of,
    record_failure,
    told,
)
from projections.engine.row_deltas import ViewTables
from projections.job.reducers import FOLD_VERSION
from projections.job.state import INACTIVE, NEW, Job
from projections.public.schema import is_published, publish

FOLD = "fold"
"""The table with the states of unfinished jobs, and the view that has its checkpoint."""


class View(NamedTuple):
    """A stored view: made by ``version``, with all events up to the seq ``checkpoint``."""

    name: str
    version: str
    checkpoint: int
    tables: tuple[str, ...]


def version_of(projection: Projection) -> str:
    """Return the version of a view: that of the reducers and that of the projection."""
    return f"{FOLD_VERSION}.{projection.version}"


def stored_views(db: apsw.Connection) -> dict[str, View]:
    """Return all views by name; none where the database has no tables of the engine yet."""
    if value(db, "SELECT 1 FROM sqlite_schema WHERE name = 'view'") is None:
        return {}
    found: dict[str, View] = {}
    for row in fetch(db, "SELECT name, version, checkpoint, tables FROM view"):
        name, version, checkpoint, tables = row
        if tuple(map(type, row)) != (str, str, int, str):
            raise apsw.CorruptError(f"view {name!r:.50} has columns of other types")
        found[name] = View(name, version, checkpoint, tuple(tables.split()))
    return found


class Views:
    """The current views of a store that is open for writing.

    A `Participant` of each batch that is appended to it: one object for one open store.
    ``broken`` says which of a site's projections cannot be used, and why.
    """

    def __init__(self, store: Store, projections: Sequence[Projection] | None = None) -> None:
        self.store = store
        self.projections, broken = find() if projections is None else checked(projections)
        self.broken = {one.name: one.reason for one in broken}
        self._unsaid: list[str] = []  # names of projections that were left behind, in lines
        self._before_batch = 0  # how many there were
        self._tell: Callable[[str], None] | None = None
        with store.transaction() as db:
            db.execute(script(__file__, "schema.sql"))
            forget_strangers(db, {*self.broken, *(p.name for p in self.projections)})
            self.leave(db, {one.name: one.reason for one in news_of(db, broken)})
            if event_log.head(db) == 0:
                self._create_missing(db)
            publish(db)
        self.reload()

    def tell(self, tell: Callable[[str], None]) -> None:
        """Name by ``tell`` each projection that was, or will be, left behind."""
        self._tell = tell
        self.say()

    def say(self) -> None:
        """Name those that were left behind since the last time."""
        while self._tell is not None and self._unsaid:
            self._tell(self._unsaid.pop(0))

    def leave(self, db: apsw.Connection, failures: Failures) -> None:
        """Leave projections behind, in the transaction in which they failed."""
        versions = {projection.name: version_of(projection) for projection in self.projections}
        for name, reason in failures.items():
            if record_failure(db, name, versions.get(name, NOT_LOADED), reason):
                self._unsaid.append(told(name, reason))

    def reload(self) -> None:
        """Load which views are current, and the states of unfinished jobs."""
        with self.store.snapshot() as db:
            self.stale = stale(db, self.projections)
            now = current(db, self.projections)
            self._tables = ViewTables(now)
            self._keepers = [one.keeper() for one in kept_among(now)]
            self._load_states(db)
            self._reached = event_log.head(db)  # the seq that is applied and committed
            self._advanced = self._reached  # and the seq that the current batch applied

    def _load_states(self, db: apsw.Connection) -> None:
        unfinished: dict[int, Job] = {}
        if FOLD not in self.stale:
            try:
                states = fetch(db, "SELECT job, data FROM fold")
                unfinished = {key: decode_state(data) for key, data in states}
            except (apsw.CorruptError, msgspec.DecodeError, TypeError):
                self.stale.add(FOLD)  # damaged: a rebuild makes it again from the events
        last_key = value(db, "SELECT coalesce(max(key), 0) FROM job")
        self._states = JobStates(unfinished, last_key)
        self._tables.forget()

    def unfinished(self) -> list[Job]:
        """Return the jobs that are not inactive, NEW ones included."""
        return list(self._states.unfinished.values())

    def state(self, key: int) -> Job | None:
        """Return the state of an unfinished job, by its key; None for any other."""
        return self._states.unfinished.get(key)

    def newest_active(self, jobid: int) -> Job | None:
        """Return the newest active job with this id; None if there is none."""
        found = (job for job in self._states.of_id(jobid) if job.state != NEW)
        return next(found, None)

    def apply(self, db: apsw.Connection, records: Sequence[Record | Notice]) -> None:
        """Apply the records of a batch to all current views, inside its transaction."""
        if FOLD in self.stale or not records:
            return
        if records[0].seq != self._reached + 1:
            raise RuntimeError(
                f"the views in memory are those of seq {self._reached}, the batch begins at "
                f"seq {records[0].seq}: another Views object advanced them"
            )
        self._before_batch = len(self._unsaid)
        if Notice in set(map(type, records)):
            self._apply_parts(db, records)
            for keeper in self._keepers:
                keeper.apply(db, records)
        else:
            self._apply_part(db, *self._states.fold(db, records))
        for keeper in self._keepers:
            keeper.saw(db, records)
        self.leave(db, self._tables.failures)
        names = [FOLD, *(projection.name for projection in self._tables.projections)]
        db.executemany(
            "UPDATE view SET checkpoint = ? WHERE name = ?",
            [(records[-1].seq, name) for name in names],
        )
        self._advanced = records[-1].seq

    def _apply_part(self, db: apsw.Connection, changes: dict[int, Change]) -> None:
        self._tables.apply(db, changes)
        save_states(db, FOLD, state_changes(changes))

    def _apply_parts(self, db: apsw.Connection, records: Sequence[Record | Notice]) -> None:
        """Apply records that may change more jobs than are held at once.

        Where a projection fails after a part of them was written, its view is to stay as it was
        before them all: everything is undone, and done again without that projection.
        """
        db.execute("SAVEPOINT parts")
        for number, changes in enumerate(self._states.fold(db, records)):
            failures = len(self._tables.failures)
            self._apply_part(db, changes)
            if number and len(self._tables.failures) > failures:
                db.execute("ROLLBACK TO parts")
                db.execute("RELEASE parts")
                self._states.undo()
                self._tables.forget()
                self._apply_parts(db, records)
                return
        db.execute("RELEASE parts")

    def committed(self) -> None:
        """Keep the states that the last batch made."""
        self._states.keep()
        self._tables.settle()
        self._reached = self._advanced
        self.say()

    def rolled_back(self) -> None:
        """Be as before the last batch: as the views are stored."""
        self._states.undo()
        self._tables.revive()
        for keeper in self._keepers:
            keeper.forget()
        del self._unsaid[self._before_batch :]
        self._advanced = self._reached

    def _create_missing(self, db: apsw.Connection) -> None:
        """Create the views of a store without events, which need no rebuild."""
        for name in stale(db, self.projections):
            view = stored_views(db).get(name)
            for table in view.tables if view else ():
                db.execute(f"DROP TABLE {table}")
        failures: Failures = {}
        for projection in self.projections:
            if projection.name in stale(db, [projection]):
                with isolated(projection, failures, db):
                    schema = schema_of(projection.schema)
                    for statement in (*schema.tables.values(), *schema.indexes):
                        db.execute(statement)
                    record_view(db, projection, 0)
        self.leave(db, failures)
        record_fold(db, 0)


def stale(db: apsw.Connection, projections: Iterable[Projection]) -> set[str]:
    """Return the names of the views that need a rebuild.

    They do not exist, were made by another version, or have missed events: those of a site's
    projection that was not installed for a while. Those that failed need no rebuild, until
    somebody asks for it.
    """
    views, head = stored_views(db), event_log.head(db)
    wanted = {projection.name: version_of(projection) for projection in projections}
    behind = failed(db, wanted)
    wanted[FOLD] = str(FOLD_VERSION)
    reached = {
        view.name for view in views.values()
        if view.version == wanted.get(view.name) and view.checkpoint == head
    }  # fmt: skip
    return set(wanted) - reached - behind.keys()


def current(db: apsw.Connection, projections: Iterable[Projection]) -> list[Projection]:
    """Return those whose views are current: neither stale, nor left behind."""
    known = list(projections)
    others = stale(db, known) | failed(db, {p.name: version_of(p) for p in known}).keys()
    return [projection for projection in known if projection.name not in others]


class Status(NamedTuple):
    """A view as `flux-jobdb projections` shows it, which also explains ``state``.

    ``reason`` says why its projection failed; it is empty otherwise.
    """

    name: str
    version: str
    checkpoint: int
    state: str
    reason: str = ""


def overview(db: apsw.Connection) -> list[Status]:
    """Return the status of each view that exists or should exist."""
    known, broken = find()
    views, head = stored_views(db), event_log.head(db)
    behind = failed(db, {projection.name: version_of(projection) for projection in known})
    found = []
    for projection in known:
        version = version_of(projection)
        view = views.get(projection.name, View(projection.name, version, 0, ()))
        if view.name in behind:
            state = "failed"
        elif view.name not in views:
            state = "missing"
        elif view.version != version:
            state = "stale"
        else:
            state = "current" if view.checkpoint == head else "behind"
        found.append(Status(*view[:3], state, behind.get(view.name, "")))
    for name, reason in broken:
        view = views.get(name, View(name, NOT_LOADED, 0, ()))
        found.append(Status(*view[:3], "failed", reason))
    names = {status.name for status in found} | {FOLD}
    found += [Status(*view[:3], "unknown") for name, view in views.items() if name not in names]
    return found


def unsettled(db: apsw.Connection) -> bool:
    """Whether opening the store for writing would change views, or name what is broken."""
    known, broken = find()
    return bool(stale(db, known) or news_of(db, broken)) or not is_published(db)


def drop_view(db: apsw.Connection, name: str) -> None:
    """Drop the view of a projection that is not installed; raises StoreError for any other."""
    status = {one.name: one for one in overview(db)}.get(name)
    if status is None:
        raise StoreError(f"projection {name}: there is none")
    if status.state != "unknown":
        raise StoreError(
            f"projection {name}: it is installed, and its view would be made again; "
            "uninstall it first"
        )
    for table in stored_views(db)[name].tables:
        db.execute(f"DROP TABLE IF EXISTS {table}")
    db.execute("DELETE FROM view WHERE name = ?", (name,))


def first_fault(db: apsw.Connection) -> str | None:
    """Return the first fault of the views' checkpoints; None if there is none."""
    head = event_log.head(db)
    for view in stored_views(db).values():
        is_current = view.name == FOLD and view.version == str(FOLD_VERSION)
        if view.checkpoint > head or (is_current and view.checkpoint < head):
            return f"projection {view.name}: at seq {view.checkpoint}, events end at {head}"
    for status in overview(db):
        if status.state == "behind":
            return f"projection {status.name}: at seq {status.checkpoint}, events end at {head}"
    return None


def record_view(db: apsw.Connection, projection: Projection, checkpoint: int) -> None:
    """Store that a view is current up to ``checkpoint``."""
    tables = " ".join(schema_of(projection.schema).tables)
    db.execute(
        "INSERT OR REPLACE INTO view (name, version, checkpoint, tables) VALUES (?, ?, ?, ?)",
        (projection.name, version_of(projection), checkpoint, tables),
    )


def record_fold(db: apsw.Connection, checkpoint: int) -> None:
    """Store that the states in ``fold`` are those of ``checkpoint``."""
    db.execute(
        "INSERT OR REPLACE INTO view (name, version, checkpoint, tables) VALUES (?, ?, ?, '')",
        (FOLD, str(FOLD_VERSION), checkpoint),
    )


class StateChanges(Struct, gc=False, array_like=True):
    """Encoded states of unfinished jobs to keep, by job key, and keys of those to drop."""

    kept: list[tuple[int, bytes]]
    dropped: list[tuple[int]]


def state_changes(changes: dict[int, Change]) -> StateChanges:
    """Return what changed jobs change in the table ``fold``."""
    unfinished: list[Job] = []
    dropped: list[tuple[int]] = []
    for key, (before, after) in changes.items():
        if after is not None and after.state != INACTIVE:
            unfinished.append(after)
        elif before is not None:
            dropped.append((key,))
    return StateChanges(encode_states(unfinished), dropped)


def save_states(db: apsw.Connection, table: str, states: StateChanges) -> None:
    """Write changes to the table ``fold``, or another of its form."""
    db.executemany(f"DELETE FROM {table} WHERE job = ?", states.dropped)
    db.executemany(f"INSERT OR REPLACE INTO {table} (job, data) VALUES (?, ?)", states.kept)
