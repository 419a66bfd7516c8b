# SPDX-License-Identifier: LGPL-3.0
"""Changes a database as somebody would who means harm: without its triggers."""

from __future__ import annotations

import apsw

from eventstore.storage.sql import fetch


def drop_triggers(db: apsw.Connection) -> None:
    """Drop all triggers of a database, which refuse UPDATE and DELETE."""
    for (name,) in fetch(db, "SELECT name FROM sqlite_schema WHERE type = 'trigger'"):
        db.execute(f"DROP TRIGGER {name}")


def unguarded(path: str) -> apsw.Connection:
    """Open a file, and drop its triggers."""
    db = apsw.Connection(path)
    drop_triggers(db)
    return db


def alter(path: str, *statements: str) -> None:
    """Execute statements on a file without its triggers."""
    db = unguarded(path)
    for statement in statements:
        db.execute(statement)
    db.close()
