# SPDX-License-Identifier: LGPL-3.0
"""flux-accounting's database as far as the tests need it: the ``jobs`` table of each version.

The columns, their types and constraints are those of flux-accounting's create_db.py. LAYOUTS
says how many of them there are from which schema version (``PRAGMA user_version``) on.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import apsw

from eventstore.storage.sql import fetch

COLUMNS = (
    "id char(16) PRIMARY KEY NOT NULL",
    "userid integer NOT NULL",
    "t_submit real NOT NULL",
    "t_run real NOT NULL",
    "t_inactive real NOT NULL",
    "ranks text NOT NULL",
    "R text NOT NULL",
    "jobspec text NOT NULL",
    "project text",
    "bank text",
    "requested_duration real DEFAULT 0.0",
    "actual_duration real DEFAULT 0.0",
)
LAYOUTS = {22: 8, 23: 9, 24: 10, 31: 12, 38: 12}
NEWEST = max(LAYOUTS)
_ASSOCIATIONS = """
CREATE TABLE association_table (username tinytext, userid int(11), bank tinytext);
"""
_CONFIG = """
CREATE TABLE config_table (key TEXT PRIMARY KEY NOT NULL, value TEXT NOT NULL);
INSERT INTO config_table VALUES ('node_weight', '1.0'), ('core_weight', '0.5');
"""


def create(path: str | Path, version: int = NEWEST, extra: str = "") -> str:
    """Make an empty database of a schema version; ``extra`` goes behind the last column."""
    count = LAYOUTS[max(known for known in LAYOUTS if known <= version)]
    db = apsw.Connection(str(path))
    db.execute(f"CREATE TABLE jobs ({', '.join(COLUMNS[:count])}{extra}); {_ASSOCIATIONS}")
    if version >= 35:
        db.execute(_CONFIG)
    db.execute(f"PRAGMA user_version = {version}")
    db.close()
    return str(path)


def rows(path: str | Path) -> list[dict[str, Any]]:
    """Return all job records, in the order of their ids."""
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    cursor = db.execute("SELECT * FROM jobs ORDER BY id")
    found = [
        dict(zip([name for name, _ in cursor.get_description()], row, strict=True))
        for row in cursor
    ]
    db.close()
    return found


def ids(path: str | Path) -> set[int]:
    """Return the ids of all job records."""
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    found = {int(jobid) for (jobid,) in fetch(db, "SELECT id FROM jobs")}
    db.close()
    return found
