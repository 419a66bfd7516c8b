# SPDX-License-Identifier: LGPL-3.0
"""The one interface of a projection: a pure function from a job's state to rows.

A projection says which rows follow from a job's state. The engine does everything else: when
an event changes a job, it deletes the rows of the old state and inserts those of the new one,
in the transaction that stores the event. A rebuild does the same from the first event on.

There are two kinds of rows. A ``Put`` is a row of the job's own. An ``Add`` is the job's part
of a row that jobs share (a sum); it is subtracted when the job changes.

Sites add projections of their own; see registry.py.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, Protocol, cast

import apsw

from eventstore.errors import StoreError
from eventstore.events.records import Notice, Record
from eventstore.storage.sql import fetch
from projections.job.state import Job
from projections.public.schema import NAMES


class Put(NamedTuple):
    """A row of ``table``. The table needs a PRIMARY KEY, by which the row is deleted again."""

    table: str
    values: tuple[Any, ...]


class Add(NamedTuple):
    """``amounts`` to add to the row of ``table`` whose leading columns are ``key``."""

    table: str
    key: tuple[Any, ...]
    amounts: tuple[int | float, ...]


class Projection(Protocol):
    """What a projection declares.

    ``version`` is raised whenever other rows follow from the same state; the view is rebuilt
    then. ``schema`` has ``CREATE TABLE``, ``CREATE VIRTUAL TABLE`` and ``CREATE INDEX``
    statements, each ending with ``;`` at the end of a line; tables of sums need a PRIMARY KEY
    over their key. ``rows`` must be a pure function of the job: no I/O, clock or randomness.
    """

    name: str
    version: int
    schema: str

    def rows(self, job: Job) -> Iterable[Put | Add]:
        """Return the rows that follow from the job's state."""


Puts = dict[str, list[tuple[Any, ...]]]
"""Rows of jobs, by table."""


class Bulk:
    """Base of a projection that gives the rows of many finished jobs at once.

    Most jobs finish, so that most rows are made by this. It has to equal `rows` of each job.
    """

    def finished(self, jobs: Sequence[Job], puts: Puts, sums: Counter[Add]) -> None:
        """Add to ``puts`` and ``sums`` what `rows` returns for each of these inactive jobs."""
        raise NotImplementedError


class Keeper(Protocol):
    """Takes part in batches, for a projection whose rows do not follow from jobs."""

    def apply(self, db: apsw.Connection, records: Sequence[Record | Notice]) -> None:
        """Write the rows that follow from the notices of a batch, inside its transaction."""

    def saw(self, db: apsw.Connection, records: Sequence[Record | Notice]) -> None:
        """Take note of any batch, after its jobs' rows are written, inside its transaction."""

    def forget(self) -> None:
        """Drop what is remembered of the tables: they were changed, or rolled back."""


class Kept(Protocol):
    """A built-in projection whose rows do not follow from jobs, but from notices."""

    name: str
    version: int
    schema: str

    def rows(self, job: Job) -> Iterable[Put | Add]:
        """Return nothing."""

    def keeper(self) -> Keeper:
        """Return what takes part in each batch."""

    def fill(self, db: apsw.Connection, prefix: str) -> None:
        """Fill the tables with this prefix from all that is stored."""


def kept_among(projections: Iterable[Projection]) -> list[Kept]:
    """Return those projections whose rows do not follow from jobs."""
    return [cast("Kept", one) for one in projections if hasattr(one, "keeper")]


class Schema(NamedTuple):
    """The statements of a projection's schema."""

    tables: dict[str, str]  # name -> statement
    indexes: tuple[str, ...]


_STATEMENT = re.compile(
    r"CREATE\s+(?P<what>(?:VIRTUAL\s+)?TABLE|(?:UNIQUE\s+)?INDEX)\s+(?P<name>\w+)",
    re.IGNORECASE,
)


@lru_cache
def schema_of(text: str) -> Schema:
    """Split a schema into statements; raises StoreError for one that is not expected."""
    bare = re.sub(r"--.*", "", text)
    tables: dict[str, str] = {}
    indexes: list[str] = []
    for statement in filter(None, (part.strip() for part in re.split(r";\s*(?:\n|$)", bare))):
        found = _STATEMENT.match(statement)
        if found is None:
            raise StoreError(
                f"its schema has what is no CREATE TABLE or INDEX: {statement[:60]!r}"
            )
        if found["what"].upper().endswith("INDEX"):
            indexes.append(statement)
        else:
            tables[found["name"]] = statement
    return Schema(tables, tuple(indexes))


@lru_cache
def columns_of(table: str, statement: str) -> tuple[tuple[str, bool], ...]:
    """Return (name, whether in the PRIMARY KEY) of a table's columns, as SQLite parses them."""
    scratch = apsw.Connection(":memory:")
    try:
        scratch.execute(statement)
        rows = fetch(scratch, "SELECT name, pk > 0 FROM pragma_table_info(?)", (table,))
    finally:
        scratch.close()
    return tuple((name, bool(key)) for name, key in rows)


def check(projection: Projection) -> None:
    """Raise StoreError, or what the projection itself raises, where it cannot be used."""
    for member, kind in (("name", str), ("version", int), ("schema", str)):
        if not isinstance(getattr(projection, member, None), kind):
            raise StoreError(f"its member {member} is no {kind.__name__}")
    if not callable(getattr(projection, "rows", None)):
        raise StoreError("it has no method rows")
    for table, statement in schema_of(projection.schema).tables.items():
        if table.lower().startswith("rebuild_"):
            raise StoreError(f"its table {table} has a name that rebuilds use")
        if table.lower() in NAMES:
            raise StoreError(f"its table {table} has a name of the public schema; rename it")
        columns = columns_of(table, statement)
        if "VIRTUAL" not in statement.upper().split()[:2] and not any(
            key for _, key in columns
        ):
            raise StoreError(f"its table {table} has no PRIMARY KEY")
