# SPDX-License-Identifier: LGPL-3.0
"""The database's schema: whose file it is, which version it has, how it is made and migrated.

Tables stand in ``schema.sql``, the triggers that refuse changes in ``triggers.sql``, and what
brings version N - 1 to version N in ``migrations/N.sql``.
"""

from __future__ import annotations

from pathlib import Path

import apsw

from eventstore.errors import NotOurs, StoreError, TooNew
from eventstore.storage.sql import script

APPLICATION_ID = 0x464A4442  # "FJDB"
SCHEMA_VERSION = 3
COLUMNS_VERSION = 2
"""The version that gave tables the columns that they have now."""

APPEND_ONLY = ("job", "event", "jobspec", "R", "notice", "purged", "gone", "batch", "reject")
"""Tables whose rows are never updated, deleted or replaced: triggers.sql refuses it."""


def create(db: apsw.Connection) -> None:
    """Make the tables and triggers of a new database, in one transaction."""
    db.execute("PRAGMA page_size = 8192")
    with db:
        db.execute(script(__file__, "schema.sql"))
        db.execute(script(__file__, "triggers.sql"))
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def migrate(db: apsw.Connection, upto: int = SCHEMA_VERSION) -> None:
    """Bring an older schema up to date, one version after the other, each in a transaction."""
    for version in range(db.pragma("user_version") + 1, upto + 1):
        with db:
            db.execute(script(__file__, f"migrations/{version}.sql"))
            db.execute(f"PRAGMA user_version = {version}")


def check(path: str, db: apsw.Connection) -> None:
    """Refuse a database of another program (NotOurs), a newer one (TooNew), or damage."""
    application = db.pragma("application_id")
    version = db.pragma("user_version")
    if application != APPLICATION_ID:
        raise NotOurs(f"{path}: a database of another program; name another file")
    if version < 1:
        raise StoreError(f"{path}: it is damaged (schema {version}); `flux-jobdb recover` it")
    if version > SCHEMA_VERSION:
        raise TooNew(
            f"{path}: written by a newer flux-jobdb (schema {version}, this one knows "
            f"{SCHEMA_VERSION}); upgrade the program"
        )


def check_header(path: str) -> None:
    """Refuse another program's file by its first bytes, before a lock is left beside it.

    The header has the application id (https://www.sqlite.org/fileformat.html). If there is
    a rollback journal, the header may be one that SQLite has yet to roll back: `check` decides
    then.
    """
    if not Path(path).is_file() or Path(path + "-journal").exists():
        return
    try:
        with open(path, "rb") as file:
            header = file.read(100)
    except OSError as error:
        raise StoreError(
            f"{path}: it cannot be read ({error.strerror}); check its permissions"
        ) from error
    if header and not header.startswith(b"SQLite format 3\0"):
        raise NotOurs(f"{path}: not an SQLite database; name another file")
    if header and int.from_bytes(header[68:72], "big") != APPLICATION_ID:
        raise NotOurs(f"{path}: a database of another program; name another file")
