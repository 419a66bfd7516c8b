# SPDX-License-Identifier: LGPL-3.0
"""Reports as JSON, one object a line; times are seconds, exact to the microsecond."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from cli.reports.figures import Cell, Seconds, Sheet

__all__ = ["lines"]

_encode = msgspec.json.Encoder().encode


def lines(sheet: Sheet) -> Iterator[bytes]:
    """Yield each row as a line of JSON."""
    names = [heading.name for heading in sheet.headings]
    for row in sheet.rows:
        yield _encode(dict(zip(names, map(_value, row), strict=True))) + b"\n"


def _value(cell: Cell) -> object:
    return msgspec.Raw(str(cell).encode()) if isinstance(cell, Seconds) else cell
