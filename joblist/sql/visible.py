# SPDX-License-Identifier: LGPL-3.0
"""The tables that are given to a guest, and which of their rows.

``jobs``    of the public schema: the guest's own jobs in private mode, else all
``events``  of the guest's own jobs (`joblist.visibility.users_with_events`)
``nodes``, ``node_states``  all rows, also in private mode: `resource.status` tells every user
            of Flux which nodes are up, drained and why. They do not say which jobs ran there

A request names columns by their places and compares them with bound values, so that nothing of
the guest's own text becomes a part of SQL here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

import apsw

from eventstore.storage.sql import fetch
from joblist.config import Config
from joblist.protocol.requests import Credential
from joblist.sql.messages import Batch, Condition, Open, Table
from joblist.visibility import Visibility, users_with_events

FEW = 2000
"""Rows of a table that are given at once, as a copy."""
_COPIED = 8 * 2**20  # bytes of texts in a copy
_OF_NODES = ("nodes", "node_states")
_TOGETHER = 200  # rows that are sent at a time
_OPERATORS = frozenset({"=", "<", "<=", ">", ">=", "IS"})
_MOST_OPEN = 100


class Refused(Exception):  # noqa: N818 - it says what happened
    """The other process asked for something that there is not."""


class _Source(NamedTuple):
    """A table: its columns, and SQL for the rows that are visible, with its bindings."""

    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: str
    bindings: tuple[int, ...]


class Visible:
    """What a guest may see of a database: ``users``, whose jobs; None: everybody's.

    ``own``: whose jobs' events; None: everybody's. ``purged``: whether jobs
    that Flux has purged are visible, as in lists.
    """

    def __init__(
        self,
        db: apsw.Connection,
        users: Sequence[int] | None,
        own: Sequence[int] | None,
        *,
        purged: bool = True,
    ) -> None:
        self._db = db
        self._open: dict[int, Iterator[tuple[Any, ...]]] = {}
        events = "SELECT * FROM events"
        if own is not None or not purged:
            events = (
                f"SELECT events.* FROM ({_jobs_of(own, purged=purged)}) AS mine JOIN events"
                " ON events.jobid = mine.id AND events.stream = mine.stream"
            )
        self._sources = {
            "jobs": _Source(
                *self._columns("jobs"), _jobs_of(users, purged=purged), tuple(users or ())
            ),
            "events": _Source(*self._columns("events"), events, tuple(own or ())),
        }
        for name in _OF_NODES:
            self._sources[name] = _Source(*self._columns(name), f"SELECT * FROM {name}", ())

    def _columns(self, name: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the names of a table's columns, and their types."""
        rows = fetch(self._db, "SELECT name, type FROM pragma_table_info(?)", (name,))
        return tuple(name for name, _ in rows), tuple(kind for _, kind in rows)

    def tables(self, sql: str) -> list[Table]:
        """Return the tables that a statement names, with their rows if they are few."""
        return [
            Table(name, source.columns, source.types, self._few(source))
            for name, source in self._sources.items()
            if name in sql.lower()
        ]

    def _few(self, source: _Source) -> list[tuple[Any, ...]] | None:
        found: list[tuple[Any, ...]] = []
        size = 0
        for row in self._db.execute(f"{source.rows} LIMIT {FEW + 1}", source.bindings):
            found.append(row)
            size += sum(len(value) for value in row if isinstance(value, str))
            if len(found) > FEW or size > _COPIED:
                return None
        return found

    def open(self, asked: Open) -> Batch:
        """Begin to read; raises Refused."""
        source = self._sources.get(asked.table)
        if source is None or len(self._open) >= _MOST_OPEN or asked.cursor in self._open:
            raise Refused
        columns = ", ".join(_named(source, place) for place in asked.columns) or "1"
        where = " AND ".join(["1", *(_condition(source, one) for one in asked.conditions)])
        sql = f"SELECT {columns} FROM ({source.rows}) WHERE {where}"
        bindings = (*source.bindings, *(one.value for one in asked.conditions))
        self._open[asked.cursor] = iter(self._db.execute(sql, bindings))
        return self.more(asked.cursor)

    def more(self, cursor: int) -> Batch:
        """Return the next rows; raises Refused."""
        rows = self._open.get(cursor)
        if rows is None:
            raise Refused
        found = list(islice(rows, _TOGETHER))
        last = len(found) < _TOGETHER
        if last:
            self.close(cursor)
        return Batch(found, last)

    def close(self, cursor: int) -> None:
        """Forget a cursor."""
        self._open.pop(cursor, None)


def of(db: apsw.Connection, config: Config, sender: Credential) -> Visible:
    """Return what the sender of a request may see, as lists show it."""
    users = Visibility(config, sender).users
    return Visible(db, users, users_with_events(sender), purged=not config.follow_purges)


def _jobs_of(users: Sequence[int] | None, *, purged: bool) -> str:
    owned = "1" if users is None else f"userid IN ({_marks(users)})"
    there = "1" if purged else "t_purged IS NULL"
    return f"SELECT * FROM jobs WHERE {owned} AND {there}"


def _named(source: _Source, place: int) -> str:
    if not 0 <= place < len(source.columns):
        raise Refused
    return source.columns[place]


def _condition(source: _Source, one: Condition) -> str:
    if one.operator not in _OPERATORS or not isinstance(
        one.value, int | float | str | bytes | None
    ):
        raise Refused
    return f"{_named(source, one.column)} {one.operator} ?"


def _marks(values: Sequence[int]) -> str:
    return ", ".join("?" * len(values))
