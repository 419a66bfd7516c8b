# SPDX-License-Identifier: LGPL-3.0
"""Verifying views: they are made a second time from the events, and compared.

The second ones are temporary tables, which SQLite keeps on disk, so that this works on a
database that is open for reading only, and memory does not grow with the history.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

import apsw

from eventstore.bulk_work import without_collections
from eventstore.reading import event_log
from eventstore.storage.sql import fetch, value
from projections.definitions.interface import Projection, kept_among, schema_of
from projections.definitions.registry import installed
from projections.engine.fold_batch import JobStates
from projections.engine.left_behind import Failures, failed
from projections.engine.row_deltas import ViewTables
from projections.engine.views import FOLD, save_states, stale, state_changes, version_of

Progress = Callable[[int, int], None]
"""Called with (done, total) events."""

_PREFIX = "temp.check_"
_CHUNK = 100_000  # events: jobs that begin and end in one chunk are made once
_INDEX = re.compile(r"INDEX\s+(?:IF\s+NOT\s+EXISTS\s+)?(\w+)", re.IGNORECASE)
_REMEDY = "run `flux-jobdb rebuild`"


def differing(
    db: apsw.Connection,
    progress: Progress = lambda done, total: None,
    *,
    projections: Iterable[Projection] | None = None,
) -> str | None:
    """Return which view differs from what its events lead to, and in which row; None: no view.

    Stale views are not compared. Called inside a snapshot.
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
        for name, reason in _fill(db, current, progress).items():
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


def _fill(db: apsw.Connection, projections: list[Projection], progress: Progress) -> Failures:
    """Fill the second tables; returns which of the projections failed, and why."""
    job_states = JobStates({}, 0)
    tables = ViewTables(projections, _PREFIX)
    done, last = 0, event_log.head(db)
    while done < last:
        until = min(event_log.following(db, done, last) - 1 + _CHUNK, last)
        with without_collections():
            records = list(event_log.records(db, done, until))
            for changes in job_states.fold(db, records):
                tables.apply(db, changes)
                save_states(db, _PREFIX + FOLD, state_changes(changes))
        done = until
        progress(done, last)
    return tables.failures


def _compare(db: apsw.Connection, table: str) -> str | None:
    """Return how a table's rows differ from those made a second time; None: they are equal."""
    try:
        for one, other, how in (
            (_PREFIX + table, f"main.{table}", "lacks"),
            (f"main.{table}", _PREFIX + table, "has"),
        ):
            sql = f"SELECT * FROM {one} EXCEPT SELECT * FROM {other} LIMIT 1"
            for row in fetch(db, sql):
                return f"table {table} {how} what its events say otherwise: {_brief(row)}"
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
