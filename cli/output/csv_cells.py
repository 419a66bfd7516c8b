# SPDX-License-Identifier: LGPL-3.0
"""Cells of CSV that no spreadsheet takes for a formula.

That is how spreadsheets take a cell that begins with ``=``, ``+``, ``-``, ``@``, a tab or a
carriage return, and names come from users: such a text has an apostrophe put before it, which
shows it as text there. JSON has it as it is.
"""

from __future__ import annotations

__all__ = ["harmless"]

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def harmless(cell: str | int | float | None) -> str:
    """Return a cell's text such that it is no formula; "" for None. Numbers stay."""
    if cell is None:
        return ""
    text = str(cell)
    return f"'{text}" if isinstance(cell, str) and text.startswith(_FORMULA) else text
