# SPDX-License-Identifier: LGPL-3.0
"""What the digest chain does not cover: the file's own structure, and tables derived at once.

Each function returns one line that names the first fault, None where there is none.
"""

from __future__ import annotations

import apsw
import msgspec

from eventstore.events.journal_line import decode_purge
from eventstore.storage.connection import MEMORY, create_or_open
from eventstore.storage.schema import APPEND_ONLY
from eventstore.storage.sql import fetch, value

EVENT_TABLES = (*APPEND_ONLY, "source")

_SCHEMA = "SELECT type, name, tbl_name FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%'"


def structure_fault(db: apsw.Connection) -> str | None:
    """Return what SQLite finds wrong with the file, and which table it concerns."""
    try:
        problem = value(db, "PRAGMA integrity_check(1)")
    except (apsw.Error, UnicodeDecodeError) as error:
        problem = str(error)
    if problem == "ok":
        return None
    tables = _damaged(db)
    where = f" in {', '.join(tables)}" if tables else ""
    return f"SQLite: {str(problem).splitlines()[-1]}{where}"


def _damaged(db: apsw.Connection) -> list[str]:
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


def notice_fault(db: apsw.Connection) -> str | None:
    """Return where the tables ``purged`` and ``gone`` differ from the notices they are of."""
    rows = dict.fromkeys(("purged", "gone"), 0)
    for seq, kind, data in db.execute("SELECT seq, kind, data FROM notice ORDER BY seq"):
        if kind not in {"purge", "gone"}:
            continue
        try:
            named = decode_purge(data).jobs
        except (msgspec.DecodeError, UnicodeDecodeError, TypeError):
            return f"notice {seq}: it cannot be decoded"
        if kind == "gone":
            rows["gone"] += len(named)
            missing = [key for key in named if not _has(db, "gone", key, seq)]
        else:
            keys = {key for jobid in named for key in purge_key(db, jobid, seq)}
            rows["purged"] += sum(_has(db, "purged", key, seq) for key in keys)
            earlier = "SELECT 1 FROM purged WHERE job = ? AND seq <= ?"
            missing = [key for key in keys if value(db, earlier, (key, seq)) is None]
        if missing:
            return (
                f"notice {seq}: of kind {kind}, names job key {missing[0]}; its row is missing"
            )
    for table, count in rows.items():
        there = value(db, f"SELECT count(*) FROM {table}")
        if there != count:
            return f"table {table} has {there} rows, its notices say {count}"
    return None


def purge_key(db: apsw.Connection, jobid: int, seq: int) -> list[int]:
    """Return the key of the job that a purge at ``seq`` means: the last of this id by then."""
    sql = (
        "SELECT key FROM job WHERE jobid = ?"
        " AND EXISTS (SELECT 1 FROM event WHERE job = key AND seq < ?)"
        " ORDER BY stream DESC LIMIT 1"
    )
    return [key for (key,) in fetch(db, sql, (jobid, seq))]


def _has(db: apsw.Connection, table: str, key: int, seq: int) -> bool:
    return bool(fetch(db, f"SELECT 1 FROM {table} WHERE job = ? AND seq = ?", (key, seq)))
