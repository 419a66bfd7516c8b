# SPDX-License-Identifier: LGPL-3.0
"""Reading what can still be read of a damaged database.

A damaged page ends a query with an error. So ranges of rows are halved until the rows that can
be read are separated from those that cannot. If there is a write-ahead log, the database is
read with it and without it: either may be the damaged part. Reading is done on copies; the
damaged files stay as they are.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import apsw

from eventstore.errors import reachable
from eventstore.maintenance.schema_pages import drop_damaged_pages
from eventstore.storage.schema import APPLICATION_ID, COLUMNS_VERSION, migrate
from eventstore.storage.sql import fetch, value

Row = tuple[Any, ...]

_UNREADABLE = (apsw.Error, UnicodeDecodeError)  # the latter: a text that is not UTF-8
_LEAST_ROW = 8  # bytes: well below what the smallest row takes


class Salvage:
    """What can be read of a damaged database; ``readings`` are its possible states.

    ``room`` is how many rows a file of this size can hold: a higher rowid is damage.
    """

    def __init__(self, readings: list[apsw.Connection], room: int) -> None:
        self.readings = readings
        self.room = room

    def rows(
        self, table: str, columns: str, lo: int = 0, hi: int | None = None
    ) -> dict[int, list[Row]]:
        """Return the readable rows with lo <= rowid <= hi, by rowid, in this order.

        Each row begins with its rowid. A rowid has a row of each reading, and one row where
        the readings agree. Without ``hi``: the whole table.
        """
        last = self.highest(table) if hi is None else hi
        found: dict[int, list[Row]] = {}
        for db in self.readings:
            sql = f"SELECT rowid, {columns} FROM {table} WHERE rowid BETWEEN ? AND ?"
            for row in _readable(db, sql, lo, last):
                rows = found.setdefault(row[0], [])
                if row not in rows:
                    rows.append(row)
        return dict(sorted(found.items()))

    def every(self, sql: str) -> set[Row]:
        """Return what can be read of a query, as far as it goes; nothing if it fails."""
        found: set[Row] = set()
        for db in self.readings:
            with suppress(*_UNREADABLE):
                for row in db.execute(sql):
                    found.add(row)
        return found

    def highest(self, table: str) -> int:
        """Return the highest rowid that can be reached, 0 if none can."""
        found = 0
        for db in self.readings:
            try:
                sql = f"SELECT coalesce(max(rowid), 0) FROM {table} WHERE rowid <= ?"
                found = max(found, value(db, sql, (self.room,)))
            except _UNREADABLE:
                with suppress(*_UNREADABLE):
                    for (number,) in db.execute(f"SELECT rowid FROM {table} ORDER BY rowid"):
                        found = max(found, min(number, self.room))
        return found

    def beyond(self, table: str) -> list[int]:
        """Return up to a hundred rowids that the file has no room for."""
        sql = f"SELECT rowid FROM {table} WHERE rowid < 1 OR rowid > {self.room} LIMIT 100"
        return sorted(number for (number,) in self.every(sql))


@contextmanager
def salvage(path: str, scratch: Path) -> Iterator[Salvage]:
    """Open a damaged database for reading, by copies in the folder ``scratch``."""
    with tempfile.TemporaryDirectory(dir=scratch, prefix="recover-") as name:
        log = Path(path + "-wal")
        suffixes = [("-wal", ""), ("",)] if log.exists() and log.stat().st_size else [("",)]
        readings: list[apsw.Connection] = []
        try:
            for number, wanted in enumerate(suffixes):
                copy = str(Path(name) / f"{number}.sqlite")
                with reachable(copy):
                    for suffix in wanted:
                        shutil.copyfile(path + suffix, copy + suffix)
                with suppress(*_UNREADABLE):
                    readings.append(_reading(copy))
            size = sum(Path(path + s).stat().st_size for s in suffixes[0])
            yield Salvage(readings, 1000 + size // _LEAST_ROW)
        finally:
            for db in readings:
                db.close()


def _reading(path: str) -> apsw.Connection:
    try:
        return _opened(path)
    except _UNREADABLE:
        db = apsw.Connection(path)
        with suppress(apsw.Error):  # what the log has goes into the file, if it can be read
            db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        db.close()
        drop_damaged_pages(path)
        return _opened(path)


def _opened(path: str) -> apsw.Connection:
    db = apsw.Connection(path)
    try:
        # This opens a file that is shorter than its header says.
        db.execute("PRAGMA writable_schema = ON")
        db.execute("PRAGMA cell_size_check = ON")
        db.execute("PRAGMA trusted_schema = OFF")
        if db.pragma("application_id") != APPLICATION_ID:
            raise apsw.NotADBError("another program's")
        value(db, "SELECT count(*) FROM sqlite_schema")
        # This is a copy: it may be migrated. Its user_version may be damaged, so that a column
        # tells which schema it has.
        if not fetch(db, "SELECT 1 FROM pragma_table_info('event') WHERE name = 'form'"):
            db.execute("PRAGMA user_version = 1")
            migrate(db, COLUMNS_VERSION)
    except BaseException:
        db.close()
        raise
    return db


def _readable(db: apsw.Connection, sql: str, lo: int, hi: int) -> Iterable[Row]:
    ranges = [(lo, hi)]
    while ranges:
        lo, hi = ranges.pop()
        try:
            yield from fetch(db, sql, (lo, hi))
        except _UNREADABLE:
            if lo < hi:
                middle = (lo + hi) // 2
                ranges += [(middle + 1, hi), (lo, middle)]
