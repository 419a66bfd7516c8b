# SPDX-License-Identifier: LGPL-3.0
"""Verifying views: they are made a second time from the events, and compared.

The second ones are temporary tables, which SQLite keeps on disk, so that this works on a
database that is open for reading only, and memory does not grow with the history.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from typing import NamedTuple

import apsw

from eventstore.bulk_work import without_collections
from eventstore.reading import event_log
from eventstore.storage.connection import MEMORY
from eventstore.storage.sql import fetch, value
from projections.definitions.interface import Projection, kept_among, schema_of
from projections.definitions.registry import installed
from projections.engine.left_behind import Failures, failed
from projections.engine.rebuild_workers import Shard, Step, Workers
from projections.engine.row_deltas import ViewTables
from projections.engine.views import FOLD, save_states, stale, version_of
from projections.node_views.keeper import TEMPORARY

Progress = Callable[[int, int], None]
"""Called with (done, total) events."""

_PREFIX = f"{TEMPORARY}check_"
_CHUNK = 100_000  # events: jobs that begin and end in one chunk are made once
_INDEX = re.compile(r"INDEX\s+(?:IF\s+NOT\s+EXISTS\s+)?(\w+)", re.IGNORECASE)
_REMEDY = "run `flux-jobdb rebuild`"


def differing(
    db: apsw.Connection,
    progress: Progress = lambda done, total: None,
    *,
    projections: Iterable[Projection] | None = None,
    path: str = MEMORY,
    processes: int = 1,
    chunk: int = _CHUNK,
) -> str | None:
    """Return which view differs from what its events lead to, and in which row; None: no view.

    Stale views are not compared. Called inside a snapshot. Several ``processes`` share the
    work, if it is more than two chunks and the database is the file at ``path``;
    ``projections`` must be installed ones then.
    """
    known = installed() if projections is None else list(projections)
    old = stale(db, known)
    if FOLD in old:
        return None
    behind = failed(db, {projection.name: version_of(projection) for projection in known})
    current = [p for p in known if p.name not in old and p.name not in behind]
    for projection in current:
        for name in missing_indexes(db, projection):
            return f"projection {projection.name}: index {name} is missing; {_REMEDY}"
    tables = {FOLD: FOLD}
    _create(db, FOLD, "CREATE TABLE fold (job INTEGER PRIMARY KEY, data BLOB NOT NULL)")
    try:
        for projection in current:
            for name, statement in schema_of(projection.schema).tables.items():
                _create(db, name, statement)
                tables[name] = projection.name
        parts = processes if path != MEMORY and event_log.head(db) > 2 * chunk else 1
        makers = _Makers(db, path, parts, chunk)
        for name, reason in _fill(db, current, makers, progress).items():
            return f"projection {name}: fails now: {reason}; {_REMEDY}"
        for kept in kept_among(current):
            kept.fill(db, _PREFIX)
        for table, name in tables.items():
            found = _compare(db, table)
            if found is not None:
                return f"projection {name}: {found}; {_REMEDY}"
    finally:
        for table in tables:
            db.execute(f"DROP TABLE IF EXISTS {_PREFIX}{table}")
    return None


def missing_indexes(db: apsw.Connection, projection: Projection) -> list[str]:
    """Return the names of a view's indexes that do not exist."""
    there = {name for (name,) in fetch(db, "SELECT name FROM sqlite_schema")}
    named = [_INDEX.search(statement) for statement in schema_of(projection.schema).indexes]
    return [found[1] for found in named if found is not None and found[1] not in there]


def _create(db: apsw.Connection, name: str, statement: str) -> None:
    db.execute(f"DROP TABLE IF EXISTS {_PREFIX}{name}")
    db.execute(statement.replace(name, _PREFIX + name, 1))


class _Makers(NamedTuple):
    """Who makes the rows of views: this process, or others (``processes``), chunk by chunk."""

    db: apsw.Connection
    path: str
    processes: int
    chunk: int

    def steps(
        self, projections: list[Projection]
    ) -> Generator[tuple[int, int, Iterable[Step]], None, None]:
        """Yield the last seq of each chunk, that of all, and what the chunk changes."""
        chunks = list(self._chunks(event_log.head(self.db)))
        last = chunks[-1][1] if chunks else 0
        if self.processes < 2:
            shard = Shard(self.db, projections, None, 0)
            for chunk in chunks:
                yield chunk[1], last, shard.steps(*chunk)
            return
        names = [projection.name for projection in projections]
        workers = Workers(self.path, names, None, 0, self.processes)
        try:
            for chunk in chunks[:1]:
                workers.ask(*chunk)
            for number, (_, until) in enumerate(chunks, 1):
                for following in chunks[number : number + 1]:
                    workers.ask(*following)
                yield until, last, workers.steps()
        finally:
            workers.close()

    def _chunks(self, last: int) -> Iterator[tuple[int, int]]:
        done = 0
        while done < last:
            until = min(event_log.following(self.db, done, last) - 1 + self.chunk, last)
            yield done, until
            done = until


def _fill(
    db: apsw.Connection, projections: list[Projection], makers: _Makers, progress: Progress
) -> Failures:
    """Fill the second tables; returns which of the projections failed, and why."""
    tables = ViewTables(projections, _PREFIX)
    with closing(makers.steps(projections)) as chunks:
        for done, last, steps in chunks:
            with without_collections():
                for step in steps:
                    for name, reason in step.failures.items():
                        tables.failures.setdefault(name, reason)
                    tables.write(db, step.deltas)
                    save_states(db, _PREFIX + FOLD, step.states)
            progress(done, last)
    return tables.failures


def _compare(db: apsw.Connection, table: str) -> str | None:
    """Return how a table's rows differ from those made a second time; None: they are equal."""
    try:
        for one, other, how in (
            (_PREFIX + table, f"main.{table}", "lacks a row that its events lead to"),
            (f"main.{table}", _PREFIX + table, "has a row that its events do not lead to"),
        ):
            sql = f"SELECT * FROM {one} EXCEPT SELECT * FROM {other} LIMIT 1"
            for row in fetch(db, sql):
                return f"table {table} {how}: {_brief(row)}"
        counts = [
            value(db, f"SELECT count(*) FROM {name}")
            for name in (_PREFIX + table, f"main.{table}")
        ]
    except (apsw.Error, UnicodeDecodeError) as error:
        return f"table {table} cannot be read: {error}"
    if counts[0] != counts[1]:
        return f"table {table} has {counts[1]} rows, not {counts[0]}"
    return None


def _brief(row: tuple[object, ...]) -> str:
    text = ", ".join(repr(item) for item in row[:3])
    return f"row ({text}{', …' if len(row) > 3 else ''})"
