# SPDX-License-Identifier: LGPL-3.0
"""The rows of projections: those of a job's old state go, those of its new state come.

Rows of unfinished jobs are remembered, so that they need not be derived once more when the
job changes again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import apsw
from msgspec import Struct

from eventstore.storage.sql import fetch
from projections.definitions.interface import Add, Projection, Put, schema_of
from projections.engine.fold_batch import Change
from projections.job.state import INACTIVE, Job

Rows = Sequence["Put | Add"]
Values = tuple[Any, ...]


class RowDeltas(Struct, gc=False, array_like=True):
    """What changes in tables, by their names; ``sums``: (table, key, amounts, times)."""

    gone: dict[str, list[Values]]
    come: dict[str, list[Values]]
    sums: list[tuple[str, Values, Values, int]]


class ViewTables:
    """The tables of some projections, named ``prefix`` + name."""

    def __init__(self, projections: Iterable[Projection], prefix: str = "") -> None:
        self.projections = list(projections)
        self._tables = {
            name: _Table(prefix, name, statement)
            for projection in self.projections
            for name, statement in schema_of(projection.schema).tables.items()
        }
        self._rows: dict[str, dict[int, Rows]] = {}
        self.forget()

    def forget(self) -> None:
        """Forget the rows that are remembered: the tables are no longer what they were."""
        self._rows = {projection.name: {} for projection in self.projections}

    def apply(self, db: apsw.Connection, changes: Mapping[int, Change]) -> None:
        """Let the tables follow jobs that changed."""
        self.write(db, self.delta(changes))

    def delta(self, changes: Mapping[int, Change]) -> RowDeltas:
        """Return what jobs that changed change in the tables."""
        delta = RowDeltas({}, {}, [])
        sums: Counter[Add] = Counter()
        for projection in self.projections:
            for old, new in self._differences(projection, changes):
                _sort(old, delta.gone, sums, -1)
                _sort(new, delta.come, sums, 1)
        delta.sums += [(*row, times) for row, times in sums.items() if times]
        return delta

    def write(self, db: apsw.Connection, delta: RowDeltas) -> None:
        """Change the tables: what goes first, then what comes, then the sums."""
        for name, rows in delta.gone.items():
            self._tables[name].delete(db, rows)
        for name, rows in delta.come.items():
            self._tables[name].insert(db, rows)
        for name, amounts in _added(delta.sums).items():
            self._tables[name].add(db, amounts)

    def _differences(
        self, projection: Projection, changes: Mapping[int, Change]
    ) -> Iterator[tuple[Rows, Rows]]:
        """Yield the rows before and after of each job for which they differ."""
        remembered = self._rows[projection.name]
        for key, (before, after) in changes.items():
            old = remembered.pop(key, None)
            if old is None:
                old = _rows_of(projection, before)
            new = _rows_of(projection, after)
            if after is not None and after.state != INACTIVE:
                remembered[key] = new
            if old != new:
                yield old, new


def _sort(rows: Rows, puts: dict[str, list[Values]], sums: Counter[Add], sign: int) -> None:
    for row in rows:
        if isinstance(row, Add):
            sums[row] += sign
        else:
            puts.setdefault(row.table, []).append(row.values)


def _rows_of(projection: Projection, job: Job | None) -> Rows:
    return () if job is None else tuple(projection.rows(job))


def _added(
    sums: Iterable[tuple[str, Values, Values, int]],
) -> dict[str, dict[tuple[Any, ...], list[float]]]:
    """Return what is to be added, by table and key."""
    found: dict[str, dict[tuple[Any, ...], list[float]]] = {}
    for table, key, added, times in sums:
        amounts = found.setdefault(table, {}).setdefault(tuple(key), [0] * len(added))
        for index, amount in enumerate(added):
            amounts[index] += times * amount
    return found


class _Table:
    def __init__(self, prefix: str, name: str, statement: str) -> None:
        columns = _columns(name, statement)
        keys = [column for column, key in columns if key]
        others = [column for column, key in columns if not key]
        table = prefix + name
        marks = ", ".join("?" * len(columns))
        self._keys = [index for index, (_, key) in enumerate(columns) if key]
        where = " AND ".join(f"{column} = ?" for column in keys)
        self._insert = f"INSERT INTO {table} VALUES ({marks})"
        self._delete = f"DELETE FROM {table} WHERE {where}"
        added = ", ".join(f"{column} = {column} + excluded.{column}" for column in others)
        self._add = f"{self._insert} ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {added}"
        zeros = " AND ".join(f"{column} = 0" for column in others)
        self._sweep = f"{self._delete} AND {zeros}"

    def insert(self, db: apsw.Connection, rows: list[Values]) -> None:
        db.executemany(self._insert, rows)

    def delete(self, db: apsw.Connection, rows: list[Values]) -> None:
        db.executemany(self._delete, [[row[index] for index in self._keys] for row in rows])

    def add(self, db: apsw.Connection, sums: Mapping[tuple[Any, ...], list[float]]) -> None:
        db.executemany(self._add, [(*key, *amounts) for key, amounts in sums.items()])
        # A row that nothing is left of goes: it must not matter that it was there for a batch.
        taken = [key for key, amounts in sums.items() if min(amounts) < 0 or not any(amounts)]
        db.executemany(self._sweep, taken)


@lru_cache
def _columns(table: str, statement: str) -> tuple[tuple[str, bool], ...]:
    """Name a table's columns and say which make its PRIMARY KEY, as SQLite understands it."""
    scratch = apsw.Connection(":memory:")
    scratch.execute(statement)
    rows = fetch(scratch, "SELECT name, pk > 0 FROM pragma_table_info(?)", (table,))
    scratch.close()
    return tuple((name, bool(key)) for name, key in rows)
