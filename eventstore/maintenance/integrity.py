# SPDX-License-Identifier: LGPL-3.0
"""The file's own structure: SQLite's integrity check, and the schema.

Each function returns one line that names the first fault, None if there is none.
"""

from __future__ import annotations

import apsw

from eventstore.storage.connection import MEMORY, create_or_open
from eventstore.storage.sql import fetch, value

_SCHEMA = "SELECT type, name, tbl_name FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%'"


def structure_fault(db: apsw.Connection) -> str | None:
    """Return what SQLite finds wrong with the file, and which tables it concerns."""
    try:
        problem = value(db, "PRAGMA integrity_check(1)")
    except (apsw.Error, UnicodeDecodeError) as error:
        problem = str(error)
    if problem == "ok":
        return None
    tables = _damaged_tables(db)
    where = f" in {', '.join(tables)}" if tables else ""
    return f"SQLite: {str(problem).splitlines()[-1]}{where}"


def _damaged_tables(db: apsw.Connection) -> list[str]:
    sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND rootpage > 0"
    found = []
    for (name,) in fetch(db, sql):
        try:
            if value(db, f"PRAGMA integrity_check('{name}')") != "ok":
                found.append(str(name))
        except (apsw.Error, UnicodeDecodeError):
            found.append(str(name))
    return found


def schema_fault(db: apsw.Connection) -> str | None:
    """Return which table, index or trigger of the event store is missing."""
    with create_or_open(MEMORY) as new:
        wanted = fetch(new.db, _SCHEMA)
    there = set(fetch(db, _SCHEMA))
    for row in wanted:
        if row not in there:
            return f"{row[0]} {row[1]} of table {row[2]} is missing"
    return None
