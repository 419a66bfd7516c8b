# SPDX-License-Identifier: LGPL-3.0
"""Incremental maintenance of views: from changed jobs to changed rows.

For each changed job, a projection's rows of the old state are deleted and those of the new one
inserted, unless they are equal; sums get the difference. Computing this delta (`delta`) and
writing it (`write`) are apart, because the processes of a rebuild compute and one writes.

The rows of unfinished jobs are cached, so that they are not derived a second time when the job
changes again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import apsw
from msgspec import Struct

from eventstore.errors import StoreError
from projections.definitions.interface import (
    Add,
    Bulk,
    Projection,
    Put,
    columns_of,
    kept_among,
    schema_of,
)
from projections.engine.fold_batch import Change
from projections.engine.left_behind import Failures, isolated
from projections.job.state import INACTIVE, Job

Rows = Sequence["Put | Add"]
Values = tuple[Any, ...]


class RowDeltas(Struct, gc=False, array_like=True):
    """Changes of tables: rows to delete and to insert, by table, and additions to sums.

    An addition is (table, key, amounts, times): ``amounts``, added ``times`` times, which may
    be negative.
    """

    deleted: dict[str, list[Values]]
    inserted: dict[str, list[Values]]
    sums: list[tuple[str, Values, Values, int]]


class ViewTables:
    """The tables of some projections; their names in the database are ``prefix`` + name.

    A site's projection that fails is left out from then on, until `revive`; `settle` leaves it
    out for good. ``failures`` says why, by name. A failure of a built-in one raises.
    """

    def __init__(self, projections: Iterable[Projection], prefix: str = "") -> None:
        self._all = list(projections)
        self._tables = {
            projection.name: {
                name: _Table(prefix, name, statement)
                for name, statement in schema_of(projection.schema).tables.items()
            }
            for projection in self._all
        }
        self.failures: Failures = {}
        self._rows: dict[str, dict[int, Rows]] = {}
        self.forget()

    @property
    def projections(self) -> list[Projection]:
        """Those that did not fail."""
        return [projection for projection in self._all if projection.name not in self.failures]

    @property
    def _of_jobs(self) -> list[Projection]:
        """Those whose rows follow from jobs."""
        kept = {one.name for one in kept_among(self._all)}
        return [projection for projection in self.projections if projection.name not in kept]

    def forget(self) -> None:
        """Drop the cached rows: the tables were changed by somebody else, or rolled back."""
        self._rows = {projection.name: {} for projection in self._all}

    def revive(self) -> None:
        """Take those that failed back in: what they failed at was rolled back."""
        self.failures = {}
        self.forget()

    def settle(self) -> None:
        """Drop those that failed: what was written without them was committed."""
        if self.failures:
            self._all, self.failures = self.projections, {}

    def apply(self, db: apsw.Connection, changes: Mapping[int, Change]) -> None:
        """Write what changed jobs change in the tables."""
        parted = _parted(changes)
        for projection in self._of_jobs:
            with isolated(projection, self.failures, db):
                self._write(db, projection, self._delta(projection, changes, parted))

    def deltas(self, changes: Mapping[int, Change]) -> dict[str, RowDeltas]:
        """Return what changed jobs change in the tables, by projection."""
        found: dict[str, RowDeltas] = {}
        parted = _parted(changes)
        for projection in self._of_jobs:
            with isolated(projection, self.failures):
                found[projection.name] = self._delta(projection, changes, parted)
        return found

    def write(self, db: apsw.Connection, deltas: Mapping[str, RowDeltas]) -> None:
        """Write what `deltas` returned."""
        for projection in self.projections:
            if projection.name in deltas:
                with isolated(projection, self.failures, db):
                    self._write(db, projection, deltas[projection.name])

    def _delta(
        self, projection: Projection, changes: Mapping[int, Change], parted: _Parted
    ) -> RowDeltas:
        delta = RowDeltas({}, {}, [])
        sums: Counter[Add] = Counter()
        if isinstance(projection, Bulk):
            cached = self._rows[projection.name]
            for job in parted.before:
                rows = cached.pop(job.key, None)
                if rows is None:
                    rows = _rows_of(projection, job)
                _distribute(rows, delta.deleted, sums, -1)
            projection.finished(parted.finished, delta.inserted, sums)
            changes = parted.others
        for old, new in self._differences(projection, changes):
            _distribute(old, delta.deleted, sums, -1)
            _distribute(new, delta.inserted, sums, 1)
        delta.sums += [(*row, times) for row, times in sums.items() if times]
        return delta

    def _write(self, db: apsw.Connection, projection: Projection, delta: RowDeltas) -> None:
        """Write a delta: deletions first, because an inserted row may have the same key."""
        tables = self._tables[projection.name]
        sums = added(delta.sums)
        strange = {*delta.deleted, *delta.inserted, *sums} - tables.keys()
        if strange:
            raise StoreError(f"its schema has no table {min(strange)}")
        for name, rows in delta.deleted.items():
            tables[name].delete(db, rows)
        for name, rows in delta.inserted.items():
            tables[name].insert(db, rows)
        for name, amounts in sums.items():
            tables[name].add(db, amounts)

    def _differences(
        self, projection: Projection, changes: Mapping[int, Change]
    ) -> Iterator[tuple[Rows, Rows]]:
        """Yield the rows before and after of each job for which they differ."""
        cached = self._rows[projection.name]
        for key, (before, after) in changes.items():
            old = cached.pop(key, None)
            if old is None:
                old = _rows_of(projection, before)
            new = _rows_of(projection, after)
            if after is not None and after.state != INACTIVE:
                cached[key] = new
            if old != new:
                yield old, new


class _Parted(NamedTuple):
    """Jobs that finished, their states before that, and all other changes."""

    finished: list[Job]
    before: list[Job]
    others: dict[int, Change]


def _parted(changes: Mapping[int, Change]) -> _Parted:
    parted = _Parted([], [], {})
    for key, change in changes.items():
        before, after = change
        if after is None or after.state != INACTIVE:
            parted.others[key] = change
        elif before is None:
            parted.finished.append(after)
        elif before.state != INACTIVE:
            parted.finished.append(after)
            parted.before.append(before)
        else:
            parted.others[key] = change
    return parted


def _distribute(
    rows: Rows, puts: dict[str, list[Values]], sums: Counter[Add], sign: int
) -> None:
    for row in rows:
        if isinstance(row, Add):
            sums[row] += sign
        elif not isinstance(row, Put):
            raise TypeError(f"{row!r:.50} is no Put and no Add")
        else:
            puts.setdefault(row.table, []).append(row.values)


def _rows_of(projection: Projection, job: Job | None) -> Rows:
    return () if job is None else tuple(projection.rows(job))


def added(
    sums: Iterable[tuple[str, Values, Values, int]],
) -> dict[str, dict[tuple[Any, ...], list[float]]]:
    """Return the total of the additions, by table and key."""
    found: dict[str, dict[tuple[Any, ...], list[float]]] = {}
    for table, key, added, times in sums:
        of_table = found.setdefault(table, {})
        amounts = of_table.get(key := tuple(key))
        if amounts is None:
            of_table[key] = list(added) if times == 1 else [times * each for each in added]
            continue
        for index, amount in enumerate(added):
            amounts[index] += times * amount
    return found


class _Table:
    """The statements that change one table, by its columns and PRIMARY KEY."""

    def __init__(self, prefix: str, name: str, statement: str) -> None:
        columns = columns_of(name, statement)
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
        self._delete_zeros = f"{self._delete} AND {zeros}"

    def insert(self, db: apsw.Connection, rows: list[Values]) -> None:
        db.executemany(self._insert, rows)

    def delete(self, db: apsw.Connection, rows: list[Values]) -> None:
        db.executemany(self._delete, [[row[index] for index in self._keys] for row in rows])

    def add(self, db: apsw.Connection, sums: Mapping[tuple[Any, ...], list[float]]) -> None:
        db.executemany(self._add, [(*key, *amounts) for key, amounts in sums.items()])
        # Delete rows whose sums are all zero, so that the tables equal those of a rebuild.
        lowered = [key for key, amounts in sums.items() if min(amounts) < 0 or not any(amounts)]
        db.executemany(self._delete_zeros, lowered)
