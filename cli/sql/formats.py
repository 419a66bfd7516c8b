# SPDX-License-Identifier: LGPL-3.0
"""Rows of SQL as a table for people, as JSON objects a line, or as CSV (docs/sql.md).

Bytes are shown as hexadecimal digits. In a table, NULL is ``-``.
"""

from __future__ import annotations

import csv
import json
import math
import sys
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import Any

from cli.output.csv_cells import harmless
from cli.output.shown import shown
from projections.sql.statement import Rows

__all__ = ["FORMATS", "print_csv", "print_json", "print_table"]

_MEASURED = 1000  # rows by which the widths of a table are chosen
_WIDEST = 60  # characters of a column, unless it is the last one


def print_json(found: Rows) -> None:
    """Print a JSON object a line."""
    sys.stdout.writelines(_object(found.names, row) for row in found.rows)


def _object(names: Iterable[str], row: Iterable[Any]) -> str:
    members = zip(names, map(_plain, row), strict=True)
    text = ", ".join(f"{json.dumps(name)}: {_json(value)}" for name, value in members)
    return f"{{{text}}}\n"


def _json(value: str | int | float | None) -> str:
    if isinstance(value, float) and math.isinf(value):
        return "9e999" if value > 0 else "-9e999"  # JSON has no name for it
    return json.dumps(value)


def print_csv(found: Rows) -> None:
    """Print CSV (RFC 4180) with a heading; NULL is an empty field, and no text a formula."""
    writer = csv.writer(sys.stdout, lineterminator="\r\n")
    writer.writerow(map(harmless, found.names))
    for row in found.rows:
        writer.writerow([harmless(_plain(value)) for value in row])


def print_table(found: Rows) -> None:
    """Print a table: numbers to the right, and harmful characters escaped."""
    cells = ([_cell(value) for value in row] for row in found.rows)
    first = list(islice(cells, _MEASURED))
    names = [shown(name) for name in found.names]
    widths = [
        min(max(len(text) for text, _ in column), _WIDEST)
        for column in zip(*([(name, False) for name in names], *first), strict=True)
    ]
    sys.stdout.writelines(f"{line}\n" for line in _lines(names, widths, chain(first, cells)))


_Cell = tuple[str, bool]  # a text, and whether it is a number


def _lines(names: list[str], widths: list[int], rows: Iterable[list[_Cell]]) -> Iterator[str]:
    yield "  ".join(map(str.ljust, names, widths)).rstrip()
    for row in rows:
        padded = (
            text.rjust(width) if number else text.ljust(width)
            for (text, number), width in zip(row, widths, strict=True)
        )
        yield "  ".join(padded).rstrip()


def _cell(value: object) -> _Cell:
    if value is None:
        return "-", False
    plain = _plain(value)
    return (shown(plain), False) if isinstance(plain, str) else (str(plain), True)


def _plain(value: Any) -> Any:  # noqa: ANN401 - any value of SQL
    return value.hex() if isinstance(value, bytes) else value


FORMATS = {"table": print_table, "json": print_json, "csv": print_csv}
