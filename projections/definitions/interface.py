# SPDX-License-Identifier: LGPL-3.0
"""The one interface of a projection: a pure function from a job's state to rows.

A projection says, for any state of a job, which rows follow from it. Everything else is
done for it: when an event changes a job, the rows of its old state go and those of its new
state come, in the transaction that stored the event; a rebuild does the same from the first
event on.

There are two kinds of row. ``Put`` is a row that belongs to the job. ``Add`` is what the
job adds to a row that it shares with others (a sum): it is taken back when the job changes.

Sites add projections of their own; see registry.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

from eventstore.errors import StoreError
from projections.job.state import Job


class Put(NamedTuple):
    """A whole row of ``table``, which needs a PRIMARY KEY by which it is taken out again."""

    table: str
    values: tuple[Any, ...]


class Add(NamedTuple):
    """``amounts`` to add to the row of ``table`` that has ``key``: the leading columns."""

    table: str
    key: tuple[Any, ...]
    amounts: tuple[int | float, ...]


class Projection(Protocol):
    """What a projection declares.

    ``version`` is raised whenever other rows follow from the same state: the view is then
    rebuilt. ``schema`` holds ``CREATE TABLE``, ``CREATE VIRTUAL TABLE`` and ``CREATE INDEX``
    statements, each ending with ``;`` at a line's end; sums need a PRIMARY KEY over their key.
    ``rows`` must depend on the job alone: no clock, no randomness, no reading.
    """

    name: str
    version: int
    schema: str

    def rows(self, job: Job) -> Iterable[Put | Add]:
        """Return the rows that follow from the job's state."""


class Schema(NamedTuple):
    """A projection's schema, taken apart."""

    tables: dict[str, str]  # name -> statement
    indexes: tuple[str, ...]


_STATEMENT = re.compile(
    r"CREATE\s+(?P<what>(?:VIRTUAL\s+)?TABLE|(?:UNIQUE\s+)?INDEX)\s+(?P<name>\w+)",
    re.IGNORECASE,
)


@lru_cache
def schema_of(text: str) -> Schema:
    """Take a schema apart; raises StoreError where a statement is none that is expected."""
    bare = re.sub(r"--.*", "", text)
    tables: dict[str, str] = {}
    indexes: list[str] = []
    for statement in filter(None, (part.strip() for part in re.split(r";\s*(?:\n|$)", bare))):
        found = _STATEMENT.match(statement)
        if found is None:
            raise StoreError(
                f"projection schema: not a CREATE TABLE or INDEX: {statement[:60]!r}"
            )
        if found["what"].upper().endswith("INDEX"):
            indexes.append(statement)
        else:
            tables[found["name"]] = statement
    return Schema(tables, tuple(indexes))
