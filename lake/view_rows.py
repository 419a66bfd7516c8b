# SPDX-License-Identifier: LGPL-3.0
"""Rows of projections as Arrow batches, with the types that a table declares.

    INTEGER  int64       TEXT  string
    REAL     double      BLOB  binary
    others of numbers (NUMERIC, BOOLEAN, DECIMAL …): double

Values become what SQLite makes of them in such a column, which takes any value in any column:
one that the type does not hold is the projection's failure. x'' in a column that is TEXT NOT
NULL, which stands for "none" there, is NULL.

The first column is the cluster's name. A batch has rows, or what is to be added up by the
columns of the PRIMARY KEY: `joined` does that, and engines do it by their own means.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from math import inf
from typing import Any, NamedTuple

import apsw
import pyarrow as pa
import pyarrow.compute as pc

from eventstore.errors import StoreError
from eventstore.ingest.inserts import append_notice
from eventstore.storage import schema as store_schema
from eventstore.storage.sql import fetch
from lake.kernel import Unit, notice_files, read_notices, steps
from projections.definitions.interface import Kept, Projection, check, kept_among, schema_of
from projections.definitions.registry import find, is_builtin
from projections.engine.left_behind import Failures, isolated
from projections.engine.row_deltas import Values, added

ROWS, SUMS, FAILED = "rows", "sums", "failed"
_CLUSTER = "cluster"
_ROWS_OF_A_BATCH = 10_000
_TYPES: dict[str, tuple[pa.DataType, set[type]]] = {
    "INTEGER": (pa.int64(), {int}), "REAL": (pa.float64(), {int, float}),
    "TEXT": (pa.string(), {str}), "BLOB": (pa.binary(), {bytes}),
    "NUMERIC": (pa.float64(), {int, float}),
}  # fmt: skip
_NAMED = (("INT", "INTEGER"), ("CHAR", "TEXT"), ("CLOB", "TEXT"), ("TEXT", "TEXT"),
          ("BLOB", "BLOB"), ("REAL", "REAL"), ("FLOA", "REAL"), ("DOUB", "REAL"))  # fmt: skip
"""How SQLite tells the affinity of a column from its type (datatype3.html, 3.1)."""


def chosen(wanted: Iterable[str | Projection] | None) -> list[Projection]:
    """Return projections by name, or as they are; None: all that are installed.

    Raises StoreError for a name that is unknown, or cannot be loaded.
    """
    sound, broken = find()
    if wanted is None:
        return sound
    known = {one.name: one for one in sound}
    reasons = {one.name: one.reason for one in broken}
    found = []
    for one in wanted:
        if isinstance(one, str) and one not in known:
            why = reasons.get(one, f"there is none; known are {', '.join(known)}")
            raise StoreError(f"projection {one}: {why}")
        projection = known[one] if isinstance(one, str) else one
        check(projection)
        found.append(projection)
    return found


def sendable(projections: Iterable[Projection]) -> list[str | Projection]:
    """Return what another process makes the same of, by `chosen`: built-in ones by name."""
    return [one.name if is_builtin(one) else one for one in projections]


class Made(NamedTuple):
    """Rows of a table, what is to be added to its sums, or why there is nothing (``data``)."""

    table: str
    kind: str
    data: pa.RecordBatch | str


class _Column(NamedTuple):
    name: str
    declared: str
    affinity: str
    key: int  # place in the PRIMARY KEY, from 1; 0: not in it
    not_null: bool


class Table(NamedTuple):
    """A table of a projection."""

    name: str
    columns: tuple[_Column, ...]

    @property
    def schema(self) -> pa.Schema:
        """The cluster, and the columns with their types."""
        types = [(one.name, _TYPES[one.affinity][0]) for one in self.columns]
        return pa.schema([(_CLUSTER, pa.string()), *types])

    @property
    def keys(self) -> list[str]:
        """The columns by which sums are added up; none: the table cannot have sums."""
        count = sum(one.key > 0 for one in self.columns)
        in_front = [one.key for one in self.columns[:count]] == list(range(1, count + 1))
        amounts = {one.affinity for one in self.columns[count:]}
        if not in_front or not amounts or not amounts <= {"INTEGER", "REAL", "NUMERIC"}:
            return []
        return [_CLUSTER, *(one.name for one in self.columns[:count])]

    @property
    def amounts(self) -> list[str]:
        """The columns that are added up."""
        return [one.name for one in self.columns if one.name not in self.keys]


@lru_cache
def tables_of(name: str, schema: str) -> dict[str, Table]:
    """Return the tables that a projection declares; raises StoreError for what has no type."""
    found = {}
    for table, statement in schema_of(schema).tables.items():
        scratch = apsw.Connection(":memory:")
        try:
            scratch.execute(statement)
            sql = 'SELECT name, type, pk, "notnull" FROM pragma_table_info(?)'
            columns = tuple(
                _Column(
                    column, declared, _affinity(name, table, column, declared), pk, bool(no)
                )
                for column, declared, pk, no in fetch(scratch, sql, (table,))
            )
        finally:
            scratch.close()
        if _CLUSTER in {column.name.lower() for column in columns}:
            raise StoreError(
                f"projection {name}: table {table} has a column cluster; rename it"
            )
        found[table] = Table(table, columns)
    return found


def _affinity(projection: str, table: str, column: str, declared: str) -> str:
    if not declared:
        raise StoreError(
            f"projection {projection}: column {column} of table {table} has no type; give it "
            "one, or leave the projection out"
        )
    return next((kind for part, kind in _NAMED if part in declared.upper()), "NUMERIC")


def made(
    unit: Unit, projections: Sequence[Projection], *, until: float = inf
) -> Iterator[Made]:
    """Fold a unit, and yield the rows of all tables; sums and failures come at its end.

    ``until``: as it was then, in seconds since the epoch.
    """
    kept = {one.name: one for one in kept_among(projections)}
    if not unit.path:
        for one in kept.values():
            yield from _of_notices(unit, one, until)
        return
    of_jobs = {one.name: one for one in projections if one.name not in kept}
    sums: dict[str, list[tuple[str, Values, Values, int]]] = {name: [] for name in of_jobs}
    failures: Failures = {}
    for step in steps(unit, list(of_jobs.values()), until=until):
        failures = step.failures | failures
        for name, delta in step.deltas.items():
            sums[name] += delta.sums
            yield from _batches(unit.cluster, of_jobs[name], ROWS, delta.inserted, failures)
    for name, projection in of_jobs.items():
        rows = {table: [(*key, *amounts) for key, amounts in totals.items()]
                for table, totals in added(sums[name]).items()}  # fmt: skip
        yield from _batches(unit.cluster, projection, SUMS, rows, failures)
    for name, reason in failures.items():
        for table in tables_of(name, of_jobs[name].schema):
            yield Made(table, FAILED, f"projection {name}: {reason}")


def _batches(
    cluster: str, projection: Projection, kind: str, rows: Mapping[str, list[Values]],
    failures: Failures,
) -> Iterator[Made]:  # fmt: skip
    """Yield rows as batches, unless the projection fails, or has failed."""
    tables = tables_of(projection.name, projection.schema)
    found: list[Made] = []
    with isolated(projection, failures):
        for name, some in rows.items():
            if name not in tables:
                raise StoreError(f"its schema has no table {name}")
            if kind == SUMS and not tables[name].keys:
                raise StoreError(f"table {name}: nothing can be added to its columns")
            found += [Made(name, kind, one) for one in _arrow(cluster, tables[name], some)]
    if projection.name not in failures:
        yield from found


def _arrow(cluster: str, table: Table, rows: list[Values]) -> Iterator[pa.RecordBatch]:
    for start in range(0, len(rows), _ROWS_OF_A_BATCH):
        some = list(zip(*rows[start : start + _ROWS_OF_A_BATCH], strict=True))
        if len(some) != len(table.columns):
            raise StoreError(
                f"table {table.name} has {len(table.columns)} columns, a row has {len(some)}"
            )
        columns = [_array(table.name, *pair) for pair in zip(table.columns, some, strict=True)]
        names = pa.repeat(cluster, len(columns[0]))
        yield pa.record_batch([names, *columns], schema=table.schema)


def _array(table: str, column: _Column, values: Sequence[Any]) -> pa.Array:
    kind, expected = _TYPES[column.affinity]
    if not set(map(type, values)) <= {*expected, type(None)}:
        values = [_stored(column.declared, value) for value in values]
        if column.affinity == "TEXT" and column.not_null:
            values = [None if value == b"" else value for value in values]
        for value in values:
            if value is not None and type(value) not in expected:
                raise StoreError(
                    f"table {table}: column {column.name} is {column.declared}, and has "
                    f"{value!r:.50}"
                )
    return pa.array(values, kind, from_pandas=True)  # NaN: NULL, as in SQLite


@lru_cache(1024, typed=True)
def _stored(declared: str, value: Any) -> Any:  # noqa: ANN401 - of any type that SQLite has
    """Return what SQLite makes of a value in a column of a type."""
    scratch = apsw.Connection(":memory:")
    try:
        scratch.execute(f"CREATE TABLE t (v {declared})")
        scratch.execute("INSERT INTO t VALUES (?)", (value,))
        return fetch(scratch, "SELECT v FROM t")[0][0]
    finally:
        scratch.close()


def _of_notices(unit: Unit, projection: Kept, until: float) -> Iterator[Made]:
    """Make views of nodes of all notices, in a temporary database as in a store."""
    db = apsw.Connection("")
    try:
        store_schema.create(db)
        with db:
            for _, path in notice_files(unit):
                for notice in read_notices(path):
                    if notice.seq <= unit.head and notice.time <= until:
                        append_notice(db, notice)
            for statement in schema_of(projection.schema).tables.values():
                db.execute(statement)
            projection.fill(db, "")
        for table in tables_of(projection.name, projection.schema).values():
            for batch in _arrow(unit.cluster, table, fetch(db, f"SELECT * FROM {table.name}")):
                yield Made(table.name, ROWS, batch)
    finally:
        db.close()


def joined(projections: Iterable[Projection], found: Iterable[Made]) -> dict[str, pa.Table]:
    """Return each table: its rows, and its sums added up. Raises StoreError for a failure.

    A sum whose amounts are all zero is no row, as in a store.
    """
    known = {name: table for one in projections
             for name, table in tables_of(one.name, one.schema).items()}  # fmt: skip
    parts: dict[str, dict[str, list[pa.RecordBatch]]] = {
        name: {ROWS: [], SUMS: []} for name in known
    }
    for table, kind, data in found:
        if kind == FAILED:
            raise StoreError(str(data))
        parts[table][kind].append(data)
    return {name: _joined(known[name], parts[name]) for name in known}


def _joined(table: Table, parts: Mapping[str, list[pa.RecordBatch]]) -> pa.Table:
    rows = pa.Table.from_batches(parts[ROWS], table.schema)
    if not parts[SUMS]:
        return rows
    sums = pa.Table.from_batches(parts[SUMS], table.schema)
    totals = sums.group_by(table.keys).aggregate([(name, "sum") for name in table.amounts])
    totals = totals.select([*table.keys, *(f"{name}_sum" for name in table.amounts)])
    totals = totals.rename_columns(table.schema.names).cast(table.schema)
    empty = pc.equal(totals[table.amounts[0]], 0)
    for name in table.amounts[1:]:
        empty = pc.and_(empty, pc.equal(totals[name], 0))
    return pa.concat_tables([rows, totals.filter(pc.invert(empty))])
