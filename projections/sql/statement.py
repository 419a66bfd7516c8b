# SPDX-License-Identifier: LGPL-3.0
"""One statement of SQL: what its columns are called, its rows, its errors in one line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import apsw
import apsw.ext

from eventstore.errors import JobdbError
from projections.sql.when import quoted

STEPS = 10_000
"""Of SQLite's virtual machine, between two looks at whether to go on."""


class SqlError(JobdbError):
    """A statement is wrong, refused, or ended before its end; the message is one line."""


class Rows(NamedTuple):
    """What a statement gives: the names of its columns, and its rows one by one."""

    names: tuple[str, ...]
    rows: Iterator[tuple[Any, ...]]


def run(db: apsw.Connection, sql: str, go_on: Callable[[], None] = lambda: None) -> Rows:
    """Begin one statement that changes nothing; raises SqlError, here or while rows are read.

    ``go_on`` is called again and again while the statement runs: what it raises ends it.
    """
    sql = quoted(sql)
    with _one_line():
        info = apsw.ext.query_info(db, sql)
    if info.query_remaining is not None and info.query_remaining.strip():
        raise SqlError("more than one statement: give one at a time")
    if not info.is_readonly:
        raise SqlError("the statement would change the database: it is read-only")
    if not info.description:
        raise SqlError("the statement gives no rows")
    names = tuple(name for name, _ in info.description)
    return Rows(_distinct(names), _rows(db, sql, go_on))


def _rows(
    db: apsw.Connection, sql: str, go_on: Callable[[], None]
) -> Iterator[tuple[Any, ...]]:
    def look() -> bool:
        go_on()
        return False

    db.set_progress_handler(look, STEPS)
    try:
        with _one_line():
            yield from db.execute(sql)
    finally:
        db.set_progress_handler(None)


def _distinct(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names, each once: of equal ones the second becomes `name:1`, as in SQLite."""
    found: dict[str, None] = {}
    for name in names:
        number, tried = 0, name
        while tried in found:
            number += 1
            tried = f"{name}:{number}"
        found[tried] = None
    return tuple(found)


class _one_line:  # noqa: N801 - used like a function
    """Turns the errors of SQLite and of functions into SqlError."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, apsw.NoMemError | MemoryError):
            raise SqlError("the statement takes more memory than it may have") from error
        if isinstance(error, apsw.TooBigError):
            raise SqlError("a text is longer than it may be") from error
        if isinstance(error, apsw.Error | ValueError | TypeError | OverflowError):
            words = str(error).split()
            text = " ".join(words).removeprefix("SQLError: ") or type(error).__name__
            raise SqlError(text) from error
