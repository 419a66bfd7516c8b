# SPDX-License-Identifier: LGPL-3.0
"""A guest's statement, in the process that has the database.

It starts the process of the statement (sandbox.py), serves the rows that it asks for, takes
what it has found, and ends it: after its answer, after its time, or when nobody wants more.
"""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from typing import Any, NamedTuple

import apsw
import msgspec

from eventstore.own_process import command
from joblist.sql.limits import Limits, too_long
from joblist.sql.messages import (
    Close,
    Closed,
    Done,
    Found,
    Line,
    More,
    Names,
    Open,
    Row,
    Task,
    decode_guest,
)
from joblist.sql.visible import Refused, Visible
from projections.sql.statement import STEPS, Rows, SqlError

_KEPT = ("TZ", "LANG", "LC_ALL", "LC_CTYPE")  # of the environment: times and job ids as text
_LOOK = 0.1  # seconds
_START = 5.0
"""Seconds that the process may take to start and to end, beside the statement's own."""


class Answer(NamedTuple):
    """The rows of a statement; ``cut`` tells, behind the last one, whether there were more."""

    found: Rows
    cut: Callable[[], bool]


def answer(db: apsw.Connection, sql: str, visible: Visible, limits: Limits) -> Answer:
    """Run a statement over what is visible.

    Raises SqlError, here or while rows are read. Rows beyond the limits are cut off.
    """
    statement = Statement(db, sql, visible, limits)
    messages = statement.messages()
    first = next(filter(None, messages))
    return Answer(Rows(first.names, _rows(messages)), lambda: statement.cut)


def _rows(messages: Generator[Any]) -> Iterator[tuple[Any, ...]]:
    with closing(messages):  # the process is ended when nobody wants more
        for rows in filter(None, messages):
            yield from map(tuple, rows)


class Statement:
    """A statement that runs; ``cut``: whether there were more rows than its limits allow."""

    def __init__(self, db: apsw.Connection, sql: str, visible: Visible, limits: Limits) -> None:
        self._db = db
        self._sql = sql
        self._visible = visible
        self._limits = limits
        self._deadline = time.monotonic() + limits.seconds + _START
        self.cut = False
        self._rows = self._size = 0  # of the answer

    def messages(self) -> Generator[Any]:
        """Yield Names, then lists of rows; None ten times a second, to look at other things."""
        try:
            with self._in_time(), _process() as connection:
                connection.settimeout(self._limits.seconds + _START)
                line = Line(connection)
                tables = self._visible.tables(self._sql)
                line.send(Task(self._sql, tables, self._limits))
                yield from self._conversation(line)
        except (Closed, Refused, msgspec.MsgspecError):
            # Killed by its limits, or by a fault of SQLite's.
            raise SqlError("the statement exceeded its limits, or failed") from None

    def _conversation(self, line: Line) -> Iterator[Any]:
        names: Names | None = None
        while True:
            data = line.poll(_LOOK)
            self._check_time()
            message = None if data is None else decode_guest(data)
            if isinstance(message, Open | More | Close):
                self._serve(line, message)
            elif isinstance(message, Names) and names is None:
                names = message
                yield names
            elif isinstance(message, Found) and names is not None:
                yield self._within_limits(message.rows, len(data or b""))
            elif isinstance(message, Done):
                if message.error is not None:
                    raise SqlError(message.error)
                if names is None:
                    raise Refused
                return
            elif message is not None:
                raise Refused
            if self.cut:
                return
            yield None

    def _serve(self, line: Line, asked: Open | More | Close) -> None:
        if isinstance(asked, Open):
            line.send(self._visible.open(asked))
        elif isinstance(asked, More):
            line.send(self._visible.more(asked.cursor))
        else:
            self._visible.close(asked.cursor)

    def _within_limits(self, rows: list[Row], size: int) -> list[Row]:
        """Return the rows that still may be given; size: in bytes."""
        left = self._limits.rows - self._rows
        self._rows += len(rows)
        self._size += size
        too_large = self._size > self._limits.answer
        self.cut = too_large or len(rows) > left
        return [] if too_large else rows[:left]

    @contextmanager
    def _in_time(self) -> Iterator[None]:
        """Have what is read of the database end in time, too."""

        def look() -> bool:
            self._check_time()
            return False

        self._db.set_progress_handler(look, STEPS, id=self)
        try:
            yield
        finally:
            self._db.set_progress_handler(None, id=self)

    def _check_time(self) -> None:
        if time.monotonic() > self._deadline:
            raise SqlError(too_long(self._limits.seconds))


@contextmanager
def _process() -> Iterator[socket.socket]:
    """Start the process, and kill it in the end; yields the socket to it."""
    ours, its = socket.socketpair()
    try:
        process = subprocess.Popen(  # noqa: S603 - our own program
            command("joblist.sql.sandbox"),
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
