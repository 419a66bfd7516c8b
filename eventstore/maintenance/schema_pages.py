# SPDX-License-Identifier: LGPL-3.0
"""A damaged list of tables: the pages of it that can be read.

SQLite reads the whole list (`sqlite_schema`, a b-tree whose root is page 1) before anything
else. If one of its pages is damaged, or lies behind the end of a truncated file, no table can
be read, however whole its own pages are. Without that page, the tables that the others name can
be read. The event store's tables are made first, so that they stand in the first pages.

Source of the format: https://www.sqlite.org/fileformat2.html, "B-tree Pages".
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

_HEADER = 100
"""Bytes of page 1 before its b-tree page begins."""
_INTERIOR, _LEAF = 5, 13  # kinds of pages of a table's b-tree
_DEEPEST = 20  # levels: far more than a list of tables has


def drop_damaged_pages(path: str) -> None:
    """Take pages that cannot be read out of the list of tables, in a copy of a database.

    The file is changed in place; without a page to drop, it stays as it is.
    """
    data = bytearray(Path(path).read_bytes())
    size = int.from_bytes(data[16:18], "big")
    size = 65536 if size == 1 else size  # which two bytes cannot hold
    if size >= 512:
        _readable(_Pages(data, size), 1, _DEEPEST)
        Path(path).write_bytes(data)


class _Pages(NamedTuple):
    data: bytearray
    size: int

    def number(self, at: int, length: int) -> int:
        return int.from_bytes(self.data[at : at + length], "big")


def _readable(pages: _Pages, page: int, levels: int) -> bool:
    """Return whether a page of the b-tree can be read, without those below that cannot."""
    start = (page - 1) * pages.size
    top = start + (_HEADER if page == 1 else 0)
    if page < 1 or start + pages.size > len(pages.data) or not levels:
        return False
    if pages.data[top] != _INTERIOR:
        return pages.data[top] == _LEAF
    count = pages.number(top + 3, 2)
    pointers = [pages.number(top + 12 + 2 * cell, 2) for cell in range(count)]
    if any(pointer + 4 > pages.size for pointer in pointers):
        return False
    kept = [
        pointer
        for pointer in pointers
        if _readable(pages, pages.number(start + pointer, 4), levels - 1)
    ]
    if not _readable(pages, pages.number(top + 8, 4), levels - 1):
        if not kept:
            return False
        # The rightmost page has no cell of its own.
        last = start + kept.pop()
        pages.data[top + 8 : top + 12] = pages.data[last : last + 4]
    pages.data[top + 3 : top + 5] = len(kept).to_bytes(2, "big")
    for cell, pointer in enumerate(kept):
        at = top + 12 + 2 * cell
        pages.data[at : at + 2] = pointer.to_bytes(2, "big")
    return True
