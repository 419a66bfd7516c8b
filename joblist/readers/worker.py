# SPDX-License-Identifier: LGPL-3.0
"""A reader: a process that answers one request after the other, from a snapshot each.

The module starts it (process.py) with a socket as its standard input, and says what to answer
(messages.py). It opens the database for reading only, and knows nothing of Flux. It ends when
the socket does, and after an answer that took much memory.

``ROUTES`` has what can be asked, by topic.
"""

from __future__ import annotations

import os
import select
import socket
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from errno import EIO

import apsw
import msgspec

from eventstore.errors import StoreError
from eventstore.events.encoding import to_msgpack
from eventstore.storage.connection import Store, open_readonly
from joblist.config import Config
from joblist.list_answer import list_answer
from joblist.protocol.errors import RpcError
from joblist.protocol.requests import Credential
from joblist.readers import limits
from joblist.readers.messages import Ask, End, Frames, Kind, frame, parts
from joblist.service import NotYet, Request, Service
from joblist.sql.method import TOPIC, sql_answer
from projections.definitions.registry import BUILTIN
from projections.engine.views import stored_views, version_of

LOOK = 0.05
"""Seconds after which a reader looks whether it shall go on, and sends what it has found."""
_STEPS = 5000  # of SQLite's virtual machine between two looks at the clock
_READ = 2**16  # bytes at a time
_CACHE = 8192  # KiB of pages


class Cancelled(Exception):  # noqa: N818 - nothing is wrong
    """Nobody wants the answer any longer."""


class Line:
    """The socket to the module; it blocks. When the module is gone, so is this process."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._frames = Frames()
        self._arrived: list[tuple[Kind, bytes]] = []

    def receive(self) -> tuple[Kind, bytes]:
        """Return the next frame, when it has come."""
        while not self._arrived:
            self._read()
        return self._arrived.pop(0)

    def _read(self) -> None:
        try:
            data = self._connection.recv(_READ)
        except ConnectionError:
            data = b""
        if not data:
            os._exit(0)
        self._arrived += self._frames.take(data)

    def look(self) -> None:
        """Raise Cancelled if that has come; do not wait."""
        while select.select([self._connection], [], [], 0)[0]:
            self._read()
        if self._arrived and self._arrived[0][0] is Kind.CANCEL:
            self._arrived.pop(0)
            raise Cancelled

    def expect(self, wanted: Kind) -> bytes:
        """Return the body of the next frame; raises Cancelled if that comes."""
        kind, body = self.receive()
        if kind is Kind.CANCEL:
            raise Cancelled
        if kind is not wanted:
            raise RuntimeError(f"{kind} came, not {wanted}")
        return body

    def send(self, data: bytes) -> None:
        """Send a frame."""
        try:
            self._connection.sendall(data)
        except ConnectionError:
            os._exit(0)


class Turn:
    """One answer: when it has to be over, and when something of it was last sent."""

    def __init__(self, line: Line, config: Config) -> None:
        self._line = line
        self._config = config
        self._end = time.process_time() + config.budgets.max_reader_seconds
        self._next = self._sent = time.monotonic()
        limits.end_after(config.budgets.max_reader_seconds)

    def look(self) -> bool:
        """Raise Cancelled, or RpcError where the time is over; for SQLite, too."""
        now = time.monotonic()
        if now >= self._next:
            self._next = now + LOOK
            self._line.look()
            if time.process_time() > self._end:
                raise self._config.budgets.exceeded("max_reader_seconds")
        return False

    def due(self) -> bool:
        """Whether it is time to send what was found."""
        return time.monotonic() > self._sent + LOOK

    def sent(self) -> None:
        """Take note that something was sent."""
        self._sent = time.monotonic()


class Reader:
    """Answers requests about the database at ``path``."""

    def __init__(self, line: Line, path: str, memory: limits.Memory) -> None:
        self._line = line
        self._path = path
        self._memory = memory
        self._store: Store | None = None
        self._files: list[tuple[int, int] | None] = []  # which ones they are

    def run(self) -> None:
        """Answer until the module is gone, or wants no more of this process."""
        self._line.send(frame(Kind.READY))
        while True:
            kind, body = self._line.receive()
            if kind is not Kind.ASK:
                continue  # a CANCEL that came too late
            self._line.send(frame(Kind.BEGUN))
            end = self._turn(msgspec.msgpack.decode(body, type=Ask))
            limits.end_after(0.0)
            if self._memory.half_used:
                end = msgspec.structs.replace(end, leaving=True)
            self._line.send(frame(Kind.END, to_msgpack(end)))
            if end.leaving:
                os._exit(0)  # at once: what it holds is the system's to free

    def _turn(self, ask: Ask) -> End:
        """Answer a request; returns how that ended."""
        try:
            self._answer(ask, self._payload(ask.size))
        except Cancelled:
            pass
        except RpcError as error:
            return _end(error, missing=isinstance(error, NotYet))
        except Exception as error:  # noqa: BLE001 - whatever it is, it concerns one request only
            return self._failed(ask, error)
        return End()

    def _failed(self, ask: Ask, error: Exception) -> End:
        self._close()
        if {MemoryError, apsw.NoMemError} & {type(error), type(error.__cause__)}:
            return _end(ask.config.budgets.exceeded("max_reader_memory"), leaving=True)
        if isinstance(error, StoreError):
            return _end(RpcError(EIO, str(error)))
        self._line.send(frame(Kind.FAULT, traceback.format_exc().encode(errors="replace")))
        return _end(RpcError(EIO, "internal error: see the log"), leaving=True)

    def _payload(self, size: int | None) -> bytes | None:
        """Return a request's payload, which comes in parts."""
        if size is None:
            return None
        found = bytearray()
        while len(found) < size:
            self._line.send(frame(Kind.MORE))
            found += self._line.expect(Kind.TEXT)
        return bytes(found)

    def _answer(self, ask: Ask, text: bytes | None) -> None:
        request = Request(ask.topic, text, Credential(ask.userid, ask.rolemask), ask.streaming)
        store = self._opened()
        service = Service(store, ask.config, instance_size=ask.most_hosts)
        turn = Turn(self._line, ask.config)
        with store.snapshot() as db:
            db.set_progress_handler(turn.look, _STEPS)
            try:
                for payload in ROUTES[ask.topic](service, db, request, turn.due):
                    turn.look()
                    if payload:
                        self._send(payload, streaming=ask.streaming)
                        turn.sent()
            finally:
                db.set_progress_handler(None)

    def _send(self, payload: bytes, *, streaming: bool) -> None:
        for part in parts(payload):
            self._line.send(part)
        if streaming:
            self._line.expect(Kind.GO)

    # -- the database

    def _opened(self) -> Store:
        """Return the database, opened anew where the path leads to another file by now."""
        if self._store is None or self._files != _identity(self._path):
            self._close()
            self._store = open_readonly(self._path)
            _check_views(self._store)
            self._store.db.execute(f"PRAGMA cache_size = -{_CACHE}")
            self._files = _identity(self._path)
        return self._store

    def _close(self) -> None:
        store, self._store = self._store, None
        if store is not None:
            with suppress(StoreError):  # what was open for reading only loses nothing
                store.close()


def _list_id(
    service: Service, _db: apsw.Connection, request: Request, _due: Callable[[], bool]
) -> Iterator[bytes]:
    yield from service.answer(request)


Route = Callable[[Service, apsw.Connection, Request, Callable[[], bool]], Iterator[bytes]]
ROUTES: dict[str, Route] = {
    "job-list.list": list_answer,
    "job-list.list-id": _list_id,
    TOPIC: sql_answer,
}
"""What makes the responses to each topic, with empty ones where a break can be taken."""


def _check_views(store: Store) -> None:
    """Raise StoreError where this program is not the version that the module runs as.

    A program that is upgraded while the module runs may have other views than that keeps.
    """
    with store.snapshot() as db:
        views = stored_views(db)
    for projection in BUILTIN:
        view = views.get(projection.name)
        if view is None or view.version != version_of(projection):
            raise StoreError(
                f"{store.path}: {projection.name} is that of another version of flux-jobdb; "
                "reload the module after an upgrade"
            )


def _identity(path: str) -> list[tuple[int, int] | None]:
    """Return which files the database and its write-ahead log are, None: there is none."""
    found: list[tuple[int, int] | None] = []
    for name in (path, f"{path}-wal"):
        try:
            status = os.stat(name)
        except OSError:
            found.append(None)
        else:
            found.append((status.st_dev, status.st_ino))
    return found


def _end(error: RpcError, *, missing: bool = False, leaving: bool = False) -> End:
    text = None if error.text is None else error.text.encode(errors="surrogateescape")
    return End(error.errno, text, missing, leaving)


def main(path: str, parent: str, memory: str) -> None:
    """Be a reader: the socket to the module is the standard input."""
    limits.end_with(int(parent))
    limits.yield_to_others()
    Reader(Line(socket.socket(fileno=0)), path, limits.Memory(int(memory))).run()
