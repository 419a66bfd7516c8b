# SPDX-License-Identifier: LGPL-3.0
"""Table-valued functions of one argument: ``hosts(list)`` and ``ranks(set)``.

Rows are made one by one. (`apsw.ext.make_virtual_module` lets SQLite choose a plan that reads
the table before its argument is known, as in ``FROM jobs, hosts(nodelist)``.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import apsw

Make = Callable[[Any], Iterator[Any]]


class ListTables:
    """The module of a table: its columns are ``column`` and ``position``, counted from 0.

    ``make`` gives the rows' values for the argument; NULL has no rows.
    """

    def __init__(self, column: str, make: Make) -> None:
        self._schema = f"CREATE TABLE x ({column}, position INTEGER, of_list HIDDEN)"
        self._make = make

    def Connect(self, *_: object) -> tuple[str, _Table]:  # noqa: N802 - a name of apsw
        """Return the table's columns, and the table."""
        return self._schema, _Table(self._make)

    Create = Connect


class _Table:
    def __init__(self, make: Make) -> None:
        self._make = make

    def BestIndexObject(self, index: apsw.IndexInfo) -> bool:  # noqa: N802
        """Take plans only in which the argument is known."""
        for number in range(index.nConstraint):
            equal = index.get_aConstraint_op(number) == apsw.SQLITE_INDEX_CONSTRAINT_EQ
            if index.get_aConstraint_iColumn(number) != _ARGUMENT or not equal:
                continue
            if not index.get_aConstraint_usable(number):
                return False
            index.set_aConstraintUsage_argvIndex(number, 1)
            index.set_aConstraintUsage_omit(number, True)
            index.estimatedRows = 100
            index.estimatedCost = 100.0
            return True
        raise ValueError("a list is missing: give it as an argument")

    def Open(self) -> _Cursor:  # noqa: N802
        return _Cursor(self._make)

    def Disconnect(self) -> None:  # noqa: N802
        """Nothing is kept."""

    Destroy = Disconnect


_ARGUMENT = 2  # the column


class _Cursor:
    def __init__(self, make: Make) -> None:
        self._make = make
        self._rows: Iterator[Any] = iter(())
        self._argument: Any = None
        self._position = -1
        self._value: Any = None
        self._ended = True

    def Filter(self, _: int, __: str | None, arguments: tuple[Any, ...]) -> None:  # noqa: N802
        (self._argument,) = arguments
        self._rows = iter(() if self._argument is None else self._make(self._argument))
        self._position, self._ended = -1, False
        self.Next()

    def Next(self) -> None:  # noqa: N802
        self._position += 1
        self._value = next(self._rows, None)
        self._ended = self._value is None

    def Eof(self) -> bool:  # noqa: N802
        return self._ended

    def Rowid(self) -> int:  # noqa: N802
        return self._position

    def Column(self, number: int) -> Any:  # noqa: N802, ANN401 - any value of SQL
        if number == _ARGUMENT:
            return self._argument
        return self._value if number == 0 else self._position

    def Close(self) -> None:  # noqa: N802
        self._rows = iter(())
