# SPDX-License-Identifier: LGPL-3.0
"""What the two processes say to each other: frames of MessagePack on a socket.

The process that has the database begins with `Task`. The other one then says what it wants or
has found: `Open` and `More`, which are answered by `Batch`, `Close`, which is not, `Names`,
`Found` and, at last, `Done`.
"""

from __future__ import annotations

import select
import socket
from typing import Any

import msgspec
from msgspec import Struct

from eventstore.events.encoding import to_msgpack
from joblist.sql.limits import Limits

Row = tuple[Any, ...]
_MOST = 64 * 2**20  # bytes of a frame
_HEAD = 4


class Table(Struct):
    """A table that the statement may read; ``rows``: all of them, None: they are asked for.

    ``types`` are the types of SQL of its columns.
    """

    name: str
    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: list[Row] | None


class Task(Struct, tag=True):
    """What to do, first of all."""

    sql: str
    tables: list[Table]
    limits: Limits


class Condition(Struct, array_like=True):
    """A column, given by its place, compared with a value."""

    column: int
    operator: str
    value: Any


class Open(Struct, tag=True):
    """Read a table: the columns of these places, where all conditions are true."""

    cursor: int
    table: str
    columns: tuple[int, ...]
    conditions: list[Condition]


class More(Struct, tag=True):
    """Go on reading."""

    cursor: int


class Close(Struct, tag=True):
    """Do not go on."""

    cursor: int


class Batch(Struct, tag=True):
    """Some rows, the last ones if ``last``."""

    rows: list[Row]
    last: bool


class Names(Struct, tag=True):
    """The names of the answer's columns."""

    names: tuple[str, ...]


class Found(Struct, tag=True):
    """Rows of the answer."""

    rows: list[Row]


class Done(Struct, tag=True):
    """The end; ``error``: in one line, None: everything was found."""

    error: str | None = None


decode_task = msgspec.msgpack.Decoder(Task).decode
decode_batch = msgspec.msgpack.Decoder(Batch).decode
decode_guest = msgspec.msgpack.Decoder(Open | More | Close | Names | Found | Done).decode


class Closed(Exception):  # noqa: N818 - it says what happened
    """The other process is gone."""


class Line:
    """One end of the socket. It blocks, but for `poll`."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._arrived = bytearray()

    def send(self, message: Struct) -> None:
        """Send a message; raises Closed, also where the socket's own time-out is over."""
        data = to_msgpack(message)
        try:
            self._socket.sendall(len(data).to_bytes(_HEAD, "big") + data)
        except OSError as error:
            raise Closed from error

    def receive(self) -> bytes:
        """Return the next message; raises Closed."""
        while (found := self._message()) is None:
            self._read()
        return found

    def poll(self, seconds: float) -> bytes | None:
        """Return the next message, None if it does not come in time; raises Closed."""
        found = self._message()
        if found is None and select.select([self._socket], [], [], seconds)[0]:
            self._read()
            found = self._message()
        return found

    def _message(self) -> bytes | None:
        """Return a message that has come in full, None if none has."""
        if len(self._arrived) < _HEAD:
            return None
        size = int.from_bytes(self._arrived[:_HEAD], "big")
        if size > _MOST:
            raise Closed
        end = _HEAD + size
        if len(self._arrived) < end:
            return None
        found = bytes(self._arrived[_HEAD:end])
        del self._arrived[:end]
        return found

    def _read(self) -> None:
        try:
            data = self._socket.recv(2**18)
        except OSError as error:
            raise Closed from error
        if not data:
            raise Closed
        self._arrived += data
