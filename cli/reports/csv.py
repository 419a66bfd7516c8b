# SPDX-License-Identifier: LGPL-3.0
"""Reports as CSV (RFC 4180): lines end with CR LF; the first one names the columns."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from cli.output.csv_cells import harmless
from cli.reports.figures import Sheet

__all__ = ["lines"]


def lines(sheet: Sheet) -> Iterator[str]:
    """Yield the heading and each row."""
    yield _line([heading.name for heading in sheet.headings])
    for row in sheet.rows:
        yield _line([harmless(cell) for cell in row])


def _line(cells: list[str]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerow(cells)
    return text.getvalue()
