# SPDX-License-Identifier: LGPL-3.0
"""Reports as tables for people: figures to the right, times to the millisecond."""

from __future__ import annotations

from collections.abc import Iterator

from cli.output.shown import shown
from cli.reports.figures import Cell, Seconds, Sheet

__all__ = ["lines"]


def lines(sheet: Sheet) -> Iterator[str]:
    """Yield the lines of the table; the columns are as wide as what is in them."""
    kept = [index for index, heading in enumerate(sheet.headings) if heading.is_shown]
    headings = [sheet.headings[index] for index in kept]
    rows = [[heading.name.upper().replace("_", "-") for heading in headings]]
    rows += ([_text(row[index]) for index in kept] for row in sheet.rows)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (
            text.rjust(width) if heading.is_figure else text.ljust(width)
            for text, width, heading in zip(row, widths, headings, strict=True)
        )
        yield "  ".join(cells).rstrip()


def _text(cell: Cell) -> str:
    if cell is None:
        return "-"
    if isinstance(cell, Seconds):
        return f"{(cell + 500) // 1_000_000}.{(cell + 500) // 1000 % 1000:03}"
    return shown(str(cell))
