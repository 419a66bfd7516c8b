# SPDX-License-Identifier: LGPL-3.0
"""In the guest's process: tables whose rows come from the process that has the database.

Comparisons with values are asked for with the rows, so that indexes are used there.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import count
from typing import Any

import apsw

from joblist.sql.messages import Batch, Close, Condition, More, Open, Table

_OPERATORS = {
    apsw.SQLITE_INDEX_CONSTRAINT_EQ: "=",
    apsw.SQLITE_INDEX_CONSTRAINT_LT: "<",
    apsw.SQLITE_INDEX_CONSTRAINT_LE: "<=",
    apsw.SQLITE_INDEX_CONSTRAINT_GT: ">",
    apsw.SQLITE_INDEX_CONSTRAINT_GE: ">=",
}
_INDEXED = {"id", "userid", "name", "queue", "result", "t_inactive", "jobid", "seq"}

# Values that compare with a column alike in both processes, whatever they came from. Others, as
# the text '5' with a number, are compared here only.
_COMPARED_ALIKE: dict[str, tuple[type, ...]] = {
    "INTEGER": (int, float), "REAL": (int, float), "TEXT": (str,)
}  # fmt: skip

Ask = Callable[["Open | More"], Batch]
Say = Callable[[Close], None]


def declared(table: Table) -> str:
    """Return the columns of a table as CREATE TABLE has them."""
    return ", ".join(map(" ".join, zip(table.columns, table.types, strict=True)))


class Remote:
    """The module of such a table. ``ask`` sends a request and returns the rows."""

    def __init__(self, table: Table, ask: Ask, say: Say) -> None:
        self._schema = f"CREATE TABLE x ({declared(table)})"
        self.table = table
        self.ask = ask
        self.say = say
        self.numbers = count(1)

    def Connect(self, *_: object) -> tuple[str, _Table]:  # noqa: N802 - names of apsw
        """Return the table's columns, and the table."""
        return self._schema, _Table(self)

    Create = Connect


class _Table:
    def __init__(self, module: Remote) -> None:
        self._module = module

    def BestIndexObject(self, index: apsw.IndexInfo) -> bool:  # noqa: N802
        names = self._module.table.columns
        taken: list[tuple[int, str]] = []
        cost = 1e6
        for number in range(index.nConstraint):
            column = index.get_aConstraint_iColumn(number)
            operator = _OPERATORS.get(index.get_aConstraint_op(number))
            if operator is None or column < 0 or not index.get_aConstraint_usable(number):
                continue
            # SQLite compares once more: what is asked for narrows only.
            if index.get_aConstraint_collation(number) != "BINARY":
                continue
            taken.append((column, operator))
            index.set_aConstraintUsage_argvIndex(number, len(taken))
            if names[column] in _INDEXED:
                cost /= 1000 if operator == "=" else 4
        used = [place for place in range(len(names)) if place in index.colUsed]
        index.idxStr = json.dumps([used, taken])
        index.estimatedCost = cost
        index.estimatedRows = int(cost)
        return True

    def Open(self) -> _Cursor:  # noqa: N802
        return _Cursor(self._module)

    def Disconnect(self) -> None:  # noqa: N802
        """Nothing is kept."""

    Destroy = Disconnect


class _Cursor:
    def __init__(self, module: Remote) -> None:
        self._module = module
        self._number = 0  # of what is open, 0: nothing
        self._batch = Batch([], last=True)
        self._next = 0
        self._place: dict[int, int] = {}
        self._rowid = 0

    def Filter(self, _: int, plan: str, values: tuple[Any, ...]) -> None:  # noqa: N802
        self.Close()
        used, taken = json.loads(plan)
        self._place = {column: place for place, column in enumerate(used)}
        types = self._module.table.types
        conditions = [
            Condition(column, operator, value)
            for (column, operator), value in zip(taken, values, strict=True)
            if isinstance(value, _COMPARED_ALIKE.get(types[column], ()))
        ]
        self._number = next(self._module.numbers)
        name = self._module.table.name
        self._take(self._module.ask(Open(self._number, name, tuple(used), conditions)))

    def _take(self, batch: Batch) -> None:
        self._batch, self._next = batch, 0
        if batch.last:
            self._number = 0

    def Next(self) -> None:  # noqa: N802
        self._next += 1
        self._rowid += 1
        if self._next >= len(self._batch.rows) and not self._batch.last:
            self._take(self._module.ask(More(self._number)))

    def Eof(self) -> bool:  # noqa: N802
        return self._next >= len(self._batch.rows)

    def Rowid(self) -> int:  # noqa: N802
        return self._rowid

    def Column(self, number: int) -> Any:  # noqa: N802, ANN401 - any value of SQL
        place = self._place.get(number)
        return None if place is None else self._batch.rows[self._next][place]

    def Close(self) -> None:  # noqa: N802
        if self._number:
            self._module.say(Close(self._number))
        self._number = 0
