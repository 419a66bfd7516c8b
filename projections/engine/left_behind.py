# SPDX-License-Identifier: LGPL-3.0
"""Projections that failed, and are left behind: everything else goes on.

A site's code may raise whatever it likes, or give rows that its tables do not take. Its view is
then left at the checkpoint that it has, and the table ``view_failure`` says why. It is tried
again by `flux-jobdb rebuild NAME`, or when it has another version.

Failures of the built-in projections are faults of the program: they raise.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import apsw

from eventstore.storage.sql import fetch, script, value
from projections.definitions.interface import Projection
from projections.definitions.registry import RAISED, Broken, is_builtin, reason_of

Failures = dict[str, str]
"""Why projections failed, by name."""

# Faults of the file, the disk or the machine: no projection is to blame.
_NOT_ITS_OWN = (
    apsw.FullError, apsw.IOError, apsw.CorruptError, apsw.NotADBError, apsw.BusyError,
    apsw.LockedError, apsw.ReadOnlyError, apsw.CantOpenError, apsw.NoMemError,
    apsw.InterruptError, apsw.ProtocolError, MemoryError,
)  # fmt: skip


@contextmanager
def isolated(
    projection: Projection, failures: Failures, db: apsw.Connection | None = None
) -> Iterator[None]:
    """Do something with a site's projection; note why it failed instead of raising.

    With ``db``, what was written inside is undone then. The one place where exceptions of a
    site's code are caught, but for those of loading it (registry.py).
    """
    if is_builtin(projection):
        yield
        return
    if db is not None:
        db.execute("SAVEPOINT site")
    try:
        yield
    except RAISED as error:
        if isinstance(error, _NOT_ITS_OWN):
            raise
        if db is not None:
            if not db.in_transaction:
                raise  # SQLite itself rolled everything back
            db.execute("ROLLBACK TO site")
        failures[projection.name] = reason_of(error)
    if db is not None:
        db.execute("RELEASE site")


def failed(db: apsw.Connection, versions: dict[str, str]) -> Failures:
    """Return which of these projections, given with their versions, failed, and why."""
    stored = _stored(db).items()
    return {name: reason for name, (version, reason) in stored if versions.get(name) == version}


def record_failure(db: apsw.Connection, name: str, version: str, reason: str) -> bool:
    """Store that a projection failed; returns whether that is news."""
    news = _stored(db).get(name) != (version, reason)
    if news:
        db.execute(script(__file__, "left_behind.sql"))
        db.execute(
            "INSERT OR REPLACE INTO view_failure (name, version, reason) VALUES (?, ?, ?)",
            (name, version, reason),
        )
    return news


def forget_strangers(db: apsw.Connection, known: Iterable[str]) -> None:
    """Delete what is stored of the failures of projections that are not installed any more."""
    forget_failures(db, _stored(db).keys() - set(known))


def forget_failures(db: apsw.Connection, names: Iterable[str]) -> None:
    """Delete what is stored of the failures of these projections."""
    stored = _stored(db).keys() & set(names)
    db.executemany("DELETE FROM view_failure WHERE name = ?", [(name,) for name in stored])


def _stored(db: apsw.Connection) -> dict[str, tuple[str, str]]:
    """Return (version, reason) of each failure, by name."""
    if value(db, "SELECT 1 FROM sqlite_schema WHERE name = 'view_failure'") is None:
        return {}
    rows = fetch(db, "SELECT name, version, reason FROM view_failure")
    return {name: (version, reason) for name, version, reason in rows}


NOT_LOADED = ""
"""Stands for the version of a projection that cannot be loaded."""


def news_of(db: apsw.Connection, broken: Iterable[Broken]) -> list[Broken]:
    """Return those of these projections whose failure to load is not stored yet."""
    found = list(broken)
    known = failed(db, {one.name: NOT_LOADED for one in found})
    return [one for one in found if known.get(one.name) != one.reason]


def told(name: str, reason: str) -> str:
    """Return the line that names a projection which was left behind."""
    return f"projection {name}: left behind: {reason} (`flux-jobdb rebuild {name}` tries again)"
