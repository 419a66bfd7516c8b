# SPDX-License-Identifier: LGPL-3.0
"""The views of the public schema in a database: created, and replaced where they differ.

They are made together with the projections, and follow from this program's version alone. One
that refers to a table which is not there yet can be created, and fails only when it is read.
"""

from __future__ import annotations

import apsw

from eventstore.storage.sql import fetch, script

VERSION = 2
"""Of the contract. It is raised when views or columns are added; none is ever removed."""

VIEWS = ("jobs", "events", "purges", "gaps", "usage", "nodes", "node_states")
"""Names of the views: each has a file NAME.sql with one statement, CREATE VIEW NAME …"""

NAMES = (*VIEWS, "contract")
"""Names that are taken by the public schema: no projection has a table of such a name."""

_CONTRACT = "CREATE TABLE contract (version INTEGER NOT NULL)"


def publish(db: apsw.Connection) -> None:
    """Have the views of this program in the database, within the caller's transaction."""
    there = _there(db)
    for name, sql in _wanted().items():
        kind, stored = there.get(name, ("", ""))
        if stored == sql or kind not in {"", "view"}:
            continue
        if kind:
            db.execute(f"DROP VIEW {name}")
        db.execute(sql)
    if "contract" not in there:
        db.execute(_CONTRACT)
    if fetch(db, "SELECT version FROM contract") != [(VERSION,)]:
        db.execute("DELETE FROM contract")
        db.execute("INSERT INTO contract (version) VALUES (?)", (VERSION,))


def withdraw(db: apsw.Connection) -> None:
    """Drop the views, within the caller's transaction, which is to `publish` them again.

    SQLite renames no table while a view refers to one that is not there.
    """
    there = _there(db)
    for name in VIEWS:
        if there.get(name, ("", ""))[0] == "view":
            db.execute(f"DROP VIEW {name}")


def is_published(db: apsw.Connection) -> bool:
    """Whether the database has the views of this program."""
    there = _there(db)
    same = all(there.get(name, ("", ""))[1] == sql for name, sql in _wanted().items())
    return (
        same
        and "contract" in there
        and fetch(db, "SELECT version FROM contract") == [(VERSION,)]
    )


def _wanted() -> dict[str, str]:
    return {name: script(__file__, f"{name}.sql").strip() for name in VIEWS}


def _there(db: apsw.Connection) -> dict[str, tuple[str, str]]:
    """Return (type, SQL) of what has one of the names."""
    marks = ", ".join("?" * len(NAMES))
    sql = f"SELECT name, type, sql FROM sqlite_schema WHERE name IN ({marks})"
    return {name: (kind, text) for name, kind, text in fetch(db, sql, NAMES)}
