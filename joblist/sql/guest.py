# SPDX-License-Identifier: LGPL-3.0
"""A guest's statement, in the process that has the database.

It starts the process of the statement (sandbox.py), serves the rows that it asks for, takes
what it has found, and ends it: after its answer, after its time, or when nobody wants more.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from typing import Any, NamedTuple

import apsw
import msgspec

from joblist.sql.limits import Limits, too_long
from joblist.sql.messages import (
    Close,
    Closed,
    Done,
    Found,
    FromGuest,
    Late,
    Line,
    More,
    Names,
    Open,
    Task,
    decode_guest,
)
from joblist.sql.visible import Refused, Visible
from projections.sql.statement import STEPS, Rows, SqlError

_MAIN = "import sys; sys.path[:] = sys.argv[1:]; from joblist.sql.sandbox import main; main()"
_KEPT = ("TZ", "LANG", "LC_ALL", "LC_CTYPE")  # of the environment: times and job ids as text
_START = 5.0
"""Seconds that the process may take to start and to end, beside the statement's own."""


class Answer(NamedTuple):
    """The rows of a statement; ``cut`` tells, behind the last one, whether there were more."""

    found: Rows
    cut: Callable[[], bool]


def answer(
    db: apsw.Connection,
    sql: str,
    users: tuple[int, ...] | None,
    own: tuple[int, ...],
    limits: Limits,
) -> Answer:
    """Run a statement over what a guest may see: see `Visible` for ``users`` and ``own``.

    Raises SqlError, here or while rows are read. Rows beyond the limits are cut off.
    """
    statement = _Statement(db, sql, Visible(db, users, own), limits)
    messages = statement.messages()
    first = next(messages)
    return Answer(Rows(first.names, _rows(messages)), lambda: statement.cut)


def _rows(messages: Generator[Any]) -> Iterator[tuple[Any, ...]]:
    with closing(messages):  # the process is ended when nobody wants more
        for rows in messages:
            yield from map(tuple, rows)


class _Statement:
    def __init__(self, db: apsw.Connection, sql: str, visible: Visible, limits: Limits) -> None:
        self._db = db
        self._sql = sql
        self._visible = visible
        self._limits = limits
        self._deadline = time.monotonic() + limits.seconds + _START
        self.cut = False

    def messages(self) -> Generator[Any]:
        """Yield Names, then lists of rows."""
        try:
            with self._in_time(), _process() as connection:
                line = Line(connection, self._deadline)
                tables = self._visible.tables(self._sql)
                line.send(Task(self._sql, tables, self._limits))
                yield from self._conversation(line)
        except Late:
            raise SqlError(too_long(self._limits.seconds)) from None
        except (Closed, Refused, msgspec.MsgspecError):
            # Killed by its limits, or by a fault of SQLite's.
            raise SqlError("it was ended: it took more than it may, or failed") from None

    def _conversation(self, line: Line) -> Iterator[Any]:
        rows = size = 0
        named = False
        while True:
            data = line.receive()
            message: FromGuest = decode_guest(data)
            if isinstance(message, Open):
                line.send(self._visible.open(message))
            elif isinstance(message, More):
                line.send(self._visible.more(message.cursor))
            elif isinstance(message, Close):
                self._visible.close(message.cursor)
            elif isinstance(message, Names) and not named:
                named = True
                yield message
            elif isinstance(message, Found) and named:
                size += len(data)
                left = self._limits.rows - rows
                rows += len(message.rows)
                self.cut = rows > self._limits.rows or size > self._limits.answer
                if size <= self._limits.answer:
                    yield message.rows[:left]
                if self.cut:
                    return
            elif isinstance(message, Done):
                if message.error is not None:
                    raise SqlError(message.error)
                if named:
                    return
                raise Refused
            else:
                raise Refused

    @contextmanager
    def _in_time(self) -> Iterator[None]:
        """Have what is read of the database end in time, too."""

        def look() -> bool:
            if time.monotonic() > self._deadline:
                raise SqlError(too_long(self._limits.seconds))
            return False

        self._db.set_progress_handler(look, STEPS, id=self)
        try:
            yield
        finally:
            self._db.set_progress_handler(None, id=self)


@contextmanager
def _process() -> Iterator[socket.socket]:
    """Start the process, and kill it in the end; yields the socket to it."""
    ours, its = socket.socketpair()
    path = [os.path.abspath(folder) for folder in sys.path]
    try:
        process = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-S", "-E", "-s", "-c", _MAIN, *path],
            stdin=its.fileno(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env={name: os.environ[name] for name in _KEPT if name in os.environ},
        )
    except OSError as error:
        ours.close()
        raise SqlError(f"no process can be started for it ({error.strerror})") from error
    finally:
        its.close()
    try:
        yield ours
    finally:
        ours.close()
        process.kill()
        process.wait()
