# SPDX-License-Identifier: LGPL-3.0
r"""Reports as CSV (RFC 4180): lines end with CR LF, the first one has the names of the columns.

Spreadsheets take a cell that begins with ``=``, ``+``, ``-``, ``@``, a tab or a carriage return
for a formula, and names come from users: such a text has an apostrophe put before it, which
shows it as text there. JSON has it as it is.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from cli.reports.figures import Cell, Sheet

__all__ = ["harmless", "lines"]

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def lines(sheet: Sheet) -> Iterator[str]:
    """Yield the heading and each row."""
    yield _line([heading.name for heading in sheet.headings])
    for row in sheet.rows:
        yield _line([harmless(cell) for cell in row])


def harmless(cell: Cell) -> str:
    """Return a cell's text such that it is no formula; "" for None."""
    if cell is None:
        return ""
    text = str(cell)
    return f"'{text}" if isinstance(cell, str) and text.startswith(_FORMULA) else text


def _line(cells: list[str]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerow(cells)
    return text.getvalue()
