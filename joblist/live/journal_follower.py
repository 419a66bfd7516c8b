# SPDX-License-Identifier: LGPL-3.0
"""Following the journal: what it says is stored, a batch at a time.

Responses are collected for a moment and appended together; whoever answers a request calls
``flush`` first, and so sees all that came before the request did.

Where the store fails (a full disk), what came is kept in memory and tried again; what is too
much to be kept is dropped, and asked for anew when the store is well: the backlog of a new
journal request has it. Until all of it is stored, ``behind`` says so. Where the journal ends,
it is asked for again.
"""

from __future__ import annotations

import os
import syslog
import time
from collections.abc import Callable, Sequence
from errno import ENODATA, EPERM, EPROTO
from typing import NamedTuple

import apsw

from eventstore.errors import StoreError, Unfit
from eventstore.events.journal_line import SENTINEL, Response, decode_line
from eventstore.events.records import Notice, Record
from eventstore.ingest.counts import Counts
from eventstore.ingest.writer import Writer
from joblist.live.failures import unforeseen
from joblist.live.ports import Bus, Journal
from projections.engine.views import Views

COLLECT = 0.05
"""Seconds for which responses are collected."""
MOST_LINES = 2000
"""Lines of one batch."""
MOST_BYTES = 16 * 2**20
"""Bytes of one batch, if it is more than one line: what comes faster is stored at once."""
MOST_KEPT = 256 * 2**20
"""Bytes that are kept in memory while the store fails, or nothing is to be stored."""
PAUSES = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
"""Seconds between attempts, the last one for ever."""

_FINAL = frozenset((EPERM, EPROTO))  # no second attempt ends otherwise
_SENTINEL = b'{"id":-1,'
_PURGE = b'{"jobs":'


class Behind(NamedTuple):
    """Something that came is not stored, and is no part of any answer.

    ``since``: seconds since the epoch; ``responses`` and ``bytes``: what is kept in memory;
    ``dropped``: that was too much, and the job manager is asked for all of it again.
    """

    since: float
    reason: str
    responses: int
    bytes: int
    dropped: bool


class Source:
    """What a Follower reads: the name and the boot that its events are stored under.

    ``expected`` returns the keys of the jobs that a backlog must have; ``reconnect`` whether
    a journal that has ended is asked for again.
    """

    def __init__(
        self,
        name: str,
        boot: str | None,
        expected: Callable[[], Sequence[int]],
        *,
        reconnect: bool = True,
    ) -> None:
        self.name = name
        self.boot = boot
        self.expected = expected
        self.reconnect = reconnect


class Follower:
    """Stores what the journal says.

    ``seen`` is called with what a batch appends, inside its transaction; ``stored`` after
    it; ``ready`` when the backlog is in, and when the store fails, so that what is stored
    answers.
    """

    def __init__(
        self,
        bus: Bus,
        views: Views,
        source: Source,
        *,
        seen: Callable[[Sequence[Record | Notice]], None] = lambda records: None,
        stored: Callable[[], None] = lambda: None,
        ready: Callable[[], None] = lambda: None,
    ) -> None:
        self._bus = bus
        self._views = views
        self._source = source
        self._seen, self._stored, self._ready = seen, stored, ready
        self._lines: list[bytes] = []
        self._size = 0  # bytes of these
        self._collecting = False
        self._paused = False
        self._overflowed = False  # what came was dropped, and the journal left
        self._resuming = False  # all of it was asked for again, and is not in yet
        self._failure: tuple[float, str] | None = None  # since when, and why
        self._attempts = 0  # of storing, since it last worked
        self._ends = 0  # of the journal, since it was last complete
        self._flushing = bus.timer(self._flush_collected)
        self._retrying = bus.timer(self._retry)
        self._reconnecting = bus.timer(self.start)
        self._writer: Writer | None = None
        self._journal: Journal | None = None
        self.total = Counts()

    # -- the journal

    @property
    def behind(self) -> Behind | None:
        """What is to be said of a store that fails, until all that came is stored."""
        if self._failure is None:
            return None
        dropped = self._overflowed or self._resuming
        return Behind(*self._failure, len(self._lines), self._size, dropped)

    def start(self) -> None:
        """Ask for the journal, again and again where the store fails.

        Raises StoreError where the source is one that is not asked again.
        """
        try:
            self._begin()
        except StoreError as error:
            if not self._source.reconnect:
                raise
            pause = _pause(self._ends)
            self._ends += 1
            self._bus.log(syslog.LOG_ERR, f"journal: not followed, behind: {error}")
            self._reconnecting.start(pause)
            self._fell_behind(error)

    def _begin(self) -> None:
        if self._writer is not None:  # what could not be stored is in the new backlog, too
            self._drop_responses()
            self._close_writer("not stored to its end")
        self._writer = Writer(
            self._views.store,
            self._source.name,
            self,
            self._views,
            boot=self._source.boot,
            expected=self._source.expected,
        )
        self._overflowed, self._resuming = False, True
        self._journal = self._bus.journal(self.take, self._ended)

    def take(self, line: bytes) -> None:
        """Take a response of the journal, or the payload of a purge event."""
        if self._overflowed and not line.startswith(_PURGE):
            return
        self._lines.append(line)
        self._size += len(line)
        if not self._able:
            if self._size > MOST_KEPT:
                self._overflow()
        elif self._size > MOST_BYTES:
            self._append_some()
        if self._able and self._lines and not self._collecting:
            self._collecting = True
            self._flushing.start(COLLECT)

    def _overflow(self) -> None:
        self._bus.log(
            syslog.LOG_ERR, "too much to keep: the journal is left until it can be stored"
        )
        self._overflowed = True
        self._drop_responses()
        if self._size > MOST_KEPT:
            self._drop_lines(len(self._lines))
        if self._journal is not None:
            self._journal.stop()

    def _drop_responses(self) -> None:
        """Drop what a new backlog has; purges are in none."""
        self._lines = [line for line in self._lines if line.startswith(_PURGE)]
        self._size = sum(map(len, self._lines))

    def _ended(self, errno: int, text: str) -> None:
        """Ask again for a journal that ended, or leave."""
        reason = "end of stream" if errno == ENODATA else text or os.strerror(errno)
        self.flush()
        if not self._lines:
            self._close_writer(reason)
        self._journal = None
        if errno in _FINAL or not self._source.reconnect:
            level = syslog.LOG_INFO if errno == ENODATA else syslog.LOG_ERR
            self._bus.log(level, f"journal: {reason}: leaving; all that came is stored")
            self._bus.stop(failed=errno != ENODATA)
            return
        pause = _pause(self._ends)
        self._ends += 1
        self._bus.log(syslog.LOG_WARNING, f"journal: {reason}: asking again in {pause:g} s")
        self._reconnecting.start(pause)

    # -- storing

    def flush(self) -> None:
        """Store all that came, except where that failed a moment ago."""
        while self._lines and self._able:
            self._append_some()

    @property
    def _able(self) -> bool:
        return self._writer is not None and not self._attempts and not self._paused

    def _flush_collected(self) -> None:
        """Store some of what came, so that others have a turn in between."""
        self._collecting = False
        if self._lines and self._able:
            self._append_some()
            if self._lines and self._able:
                self._collecting = True
                self._flushing.start(0.0)

    def _append_some(self) -> bool:
        """Store a batch of what came; returns whether that worked."""
        lines = self._lines[: self._batch()]
        if not self._append(lines):
            return False
        self._drop_lines(len(lines))
        self._stored()
        if any(line.startswith(_SENTINEL) and _is_sentinel(line) for line in lines):
            self._ends = 0
            self._resuming = False
            self._ready()
        if self._failure is not None and not (
            self._lines or self._overflowed or self._resuming
        ):
            self._failure = None
            self._bus.log(syslog.LOG_NOTICE, "no longer behind: what came is stored again")
        return True

    def _batch(self) -> int:
        """Return how many lines make the next batch: bounded in number and in bytes."""
        size = 0
        for count, line in enumerate(self._lines[:MOST_LINES]):
            size += len(line)
            if count and size > MOST_BYTES:
                return count
        return min(len(self._lines), MOST_LINES)

    def _append(self, lines: Sequence[bytes]) -> bool:
        assert self._writer is not None
        try:
            try:
                self.total.add(self._writer.append(lines))
            except Exception as error:
                if isinstance(error, StoreError) and not isinstance(error, Unfit):
                    raise
                # All but the one that nobody foresaw can be stored.
                if len(lines) > 1:
                    return all(self._append([line]) for line in lines)
                unforeseen(self._bus, f"storing {lines[0][:1000]!r}")
                self._writer.set_aside(lines[0], f"cannot be stored: {error!r:.500}")
        except Unfit as error:
            self._bus.log(syslog.LOG_ERR, f"lost, as it cannot be kept at all: {error}")
        except StoreError as error:
            self._failed(error)
            return False
        return True

    def apply(self, db: apsw.Connection, records: Sequence[Record | Notice]) -> None:
        """Show what a batch appends, before the views follow. Called in its transaction."""
        self._seen(records)

    def committed(self) -> None:
        """Nothing was changed by `apply`."""

    def rolled_back(self) -> None:
        """Nothing was changed by `apply`."""

    def _drop_lines(self, count: int) -> None:
        self._size -= sum(len(line) for line in self._lines[:count])
        del self._lines[:count]

    def _failed(self, error: StoreError) -> None:
        if not self._attempts:
            self._bus.log(syslog.LOG_ERR, f"behind: not stored, to be tried again: {error}")
        self._retrying.start(_pause(self._attempts))
        self._attempts += 1
        self._fell_behind(error)

    def _fell_behind(self, error: StoreError) -> None:
        since = time.time() if self._failure is None else self._failure[0]
        self._failure = since, str(error)
        self._ready()

    def _retry(self) -> None:
        if self._paused:
            self._retrying.start(PAUSES[-1])
            return
        if self._lines and self._writer is not None and not self._append_some():
            return
        self._attempts = 0
        if self._overflowed:
            self.start()
        self._flush_collected()

    # -- pausing, leaving

    def pause(self) -> None:
        """Store nothing for now."""
        self._paused = True

    def unpause(self) -> None:
        """Store what came meanwhile, and go on."""
        self._paused = False
        if self._overflowed and not self._attempts:
            self.start()
        self.flush()

    def close(self, outcome: str = "done") -> None:
        """Store what came, and end the source."""
        for timer in (self._flushing, self._retrying, self._reconnecting):
            timer.stop()
        self._paused, self._attempts = False, 0
        self.flush()
        self._retrying.stop()
        if self._journal is not None:
            self._journal.stop()
        self._close_writer(outcome)

    def _close_writer(self, outcome: str) -> None:
        writer, self._writer = self._writer, None
        try:
            if writer is not None:
                writer.close(outcome)
        except StoreError as error:
            self._bus.log(syslog.LOG_ERR, f"the end of the source is not stored: {error}")


def _pause(attempts: int) -> float:
    return PAUSES[min(attempts, len(PAUSES) - 1)]


def _is_sentinel(line: bytes) -> bool:
    message = decode_line(line)
    return isinstance(message, Response) and message.jobid == SENTINEL
