# SPDX-License-Identifier: LGPL-3.0
"""Which cluster a database is of: its name, given once, is a notice (kind 'cluster')."""

from __future__ import annotations

import re

import apsw

from eventstore.errors import StoreError
from eventstore.events.records import decode_cluster
from eventstore.storage.sql import value

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def cluster(db: apsw.Connection) -> str | None:
    """Return the name of the database's cluster, None where none was given."""
    sql = "SELECT data FROM notice WHERE kind = 'cluster' ORDER BY seq LIMIT 1"
    data = value(db, sql)
    return None if data is None else decode_cluster(data).cluster


def check_name(name: str) -> str:
    """Return a name that can be one of a cluster, and of a folder; raises StoreError."""
    if _NAME.fullmatch(name) is None:
        raise StoreError(
            f"{name!a:.100}: no name of a cluster; give up to 64 letters, digits, '.', '_', '-'"
        )
    return name


def is_new(db: apsw.Connection, path: str, name: str) -> bool:
    """Whether a database has no name yet; raises StoreError where it has another one."""
    known = cluster(db)
    if known is not None and known != check_name(name):
        raise StoreError(
            f"{path}: its cluster is {known}, not {name}; name another database for {name}"
        )
    return known is None
