# SPDX-License-Identifier: LGPL-3.0
"""Sums by hour of the time that nodes spent in each state, up to an hour: the rest is measured.

They follow from the views of nodes and of jobs. They are stored because a year of hours takes
long to measure, and dropped from the hour on in which something was read late: no answer
depends on how far they reach.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import isfinite

import apsw

from eventstore.storage.sql import fetch, statements, value

SQL = statements(__file__)


def settled(db: apsw.Connection) -> int:
    """Return up to before which hour since the epoch all sums are stored; 0: none is."""
    return int(value(db, "SELECT min(hour) FROM node_settled") or 0) if _exist(db) else 0


def marks(db: apsw.Connection) -> int:
    """Return how many rows say up to which hour: one, or none."""
    return int(value(db, "SELECT count(*) FROM node_settled")) if _exist(db) else 0


def outside(db: apsw.Connection, first: int, end: int) -> list[int]:
    """Return an hour outside [first, end) of which sums are stored, if there is one."""
    rows = fetch(db, SQL["outside"], (first, end)) if _exist(db) else []
    return [hour for (hour,) in rows]


def _exist(db: apsw.Connection) -> bool:
    """Whether any sums were ever stored: the tables are made then."""
    return value(db, "SELECT 1 FROM sqlite_schema WHERE name = 'node_settled'") is not None


def store(db: apsw.Connection, sums: Iterable[tuple[int, Sequence[int]]], until: int) -> None:
    """Store (hour, times) of the hours that follow the stored ones, up to before ``until``."""
    db.execute(SQL["make"])
    db.executemany(SQL["add"], [(hour, *times) for hour, times in sums if any(times)])
    db.execute("DELETE FROM node_settled")
    db.execute("INSERT INTO node_settled (hour) VALUES (?)", (until,))


def lower(db: apsw.Connection, time: float) -> None:
    """Drop the sums that what happens at ``time`` may change: those of its hour, and later."""
    hour = int(time // 3600) if isfinite(time) and time > 0 else 0
    if settled(db) > hour:
        db.execute("DELETE FROM node_hour WHERE hour >= ?", (hour,))
        db.execute("UPDATE node_settled SET hour = ?", (hour,))
