# SPDX-License-Identifier: LGPL-3.0
"""The result of a question: read lazily, row by row, or as a table of Arrow.

Nothing is read before it is iterated over. Each iteration asks anew, through a connection of
its own, which sees one state of the database from its beginning to its end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Generic, TypeVar, Union, get_args, get_origin

import msgspec

if TYPE_CHECKING:
    import pyarrow

_T = TypeVar("_T")
_BATCH = 10_000  # rows of a batch of Arrow


class Rows(Generic[_T]):
    """Rows of one kind; can be iterated over any number of times."""

    def __init__(self, read: Callable[[], Iterator[_T]], kind: type | None = None) -> None:
        self._read = read
        self._kind = kind

    def __iter__(self) -> Iterator[_T]:
        return self._read()

    def arrow(self) -> pyarrow.Table:
        """Return all rows as a table of Arrow; raises ImportError where pyarrow is missing.

        JSON (annotations, contexts) is text there. Columns of `sql` have the type of their
        values; the batches of such a query may differ in types, the table does not.
        """
        arrow = _pyarrow()
        tables = [arrow.Table.from_batches([batch]) for batch in self.arrow_batches()]
        if not tables:
            return arrow.table({}) if self._kind is None else _schema(self._kind).empty_table()
        return arrow.concat_tables(tables, promote_options="permissive")

    def arrow_batches(self) -> Iterator[pyarrow.RecordBatch]:
        """Yield the rows as batches of 10,000, so that memory is bounded."""
        arrow = _pyarrow()
        schema = None if self._kind is None else _schema(self._kind)
        rows = iter(self)
        while some := [_columns(row) for row in islice(rows, _BATCH)]:
            yield arrow.RecordBatch.from_pylist(some, schema=schema)


def _pyarrow() -> Any:  # noqa: ANN401 - a module
    try:
        import pyarrow  # noqa: PLC0415 - what only this needs
    except ImportError as error:
        raise ImportError(
            "tables of Arrow need pyarrow: pip install 'flux-jobdb[arrow]'", name="pyarrow"
        ) from error
    return pyarrow


def _columns(row: Any) -> dict[str, Any]:  # noqa: ANN401 - a dict, a named tuple, a record
    if isinstance(row, dict):
        return row
    as_dict = getattr(row, "_asdict", None)
    found = msgspec.structs.asdict(row) if as_dict is None else as_dict()
    for name in _DICTS & found.keys():
        found |= found.pop(name)
    return {name.removesuffix(_TEXT): value for name, value in found.items()}


_DICTS = {"group", "figures"}  # whose members become columns
_TEXT = "_text"


def _schema(kind: type) -> Any:  # noqa: ANN401 - pyarrow.Schema
    arrow = _pyarrow()
    types = {
        int: arrow.int64(),
        float: arrow.float64(),
        bool: arrow.bool_(),
        str: arrow.string(),
        bytes: arrow.binary(),
        tuple[str, ...]: arrow.list_(arrow.string()),
        tuple[int, ...]: arrow.list_(arrow.int64()),
    }
    return arrow.schema(
        arrow.field(field.name.removesuffix(_TEXT), types[_bare(field.type)])
        for field in msgspec.structs.fields(kind)
    )


def _bare(annotation: Any) -> Any:  # noqa: ANN401 - types
    """Return the type of an annotation without its None."""
    if get_origin(annotation) not in {Union, UnionType}:
        return annotation
    return next(one for one in get_args(annotation) if one is not NoneType)
