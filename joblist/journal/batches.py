# SPDX-License-Identifier: LGPL-3.0
"""Storing lines: a batch at a time, by the Writer of the source that is being read.

A line that cannot be stored, for a fault of this program or of a site's projection, must not
keep the others from being stored: its batch is repeated line by line, and the one that fails
is kept as a reject. A store that fails is another matter: StoreError is raised, and nothing
is rejected for it.
"""

from __future__ import annotations

import syslog
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from eventstore.errors import StoreError, Unfit
from eventstore.events.journal_line import SENTINEL, Response, decode_line
from eventstore.ingest.counts import Counts
from eventstore.ingest.unit_of_work import Participant
from eventstore.ingest.writer import Writer
from eventstore.storage.connection import Store
from joblist.callback_guard import unforeseen
from joblist.ports import Log

_SENTINEL = b'{"id":-1,'
_SHOWN = 1000  # bytes of a line that the log shows


@dataclass(frozen=True)
class Source:
    """What a Follower reads: the name and the boot that its events are stored under.

    ``expected`` returns the keys of the jobs that a complete backlog must have;
    ``reconnect``: whether a journal that has ended is asked for again.
    """

    name: str
    boot: str | None
    expected: Callable[[], Sequence[int]]
    reconnect: bool = True


class Batches:
    """Stores the lines of one source after another: that of each journal request.

    ``participants`` take part in each batch, in this order. ``total`` is what all sources
    brought.
    """

    def __init__(
        self, log: Log, store: Store, source: Source, participants: Sequence[Participant]
    ) -> None:
        self._log = log
        self._store = store
        self._source = source
        self._participants = participants
        self._writer: Writer | None = None
        self.total = Counts()

    @property
    def begun(self) -> bool:
        """Whether there is a source whose lines can be stored."""
        return self._writer is not None

    def begin(self, outcome: str) -> None:
        """Begin a new source; raises StoreError. ``outcome`` says how the one before ended."""
        self.end(outcome)
        self._writer = Writer(
            self._store,
            self._source.name,
            *self._participants,
            boot=self._source.boot,
            expected=self._source.expected,
        )

    def end(self, outcome: str) -> None:
        """End the source, if there is one, and record how; an error is logged only."""
        writer, self._writer = self._writer, None
        try:
            if writer is not None:
                writer.close(outcome)
        except StoreError as error:
            self._log.log(syslog.LOG_ERR, f"the end of the source is not stored: {error}")

    def store(self, lines: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
        """Store lines, in one transaction if possible; yields what is stored by then.

        Raises StoreError where the store fails: what was yielded before is stored.
        """
        assert self._writer is not None
        try:
            self.total.add(self._writer.append(lines))
        except Exception as error:
            if _store_failed(error):
                raise
            if len(lines) == 1:
                self._reject(self._writer, lines[0], error)
                yield lines
                return
        else:
            yield lines
            return
        for line in lines:
            yield from self.store([line])

    def _reject(self, writer: Writer, line: bytes, error: Exception) -> None:
        unforeseen(self._log, f"storing {line[:_SHOWN]!r}")
        try:
            writer.set_aside(line, f"cannot be stored: {error!r:.500}")
        except Unfit as unfit:
            self._log.log(syslog.LOG_ERR, f"lost: SQLite does not take it: {unfit}")


def _store_failed(error: Exception) -> bool:
    """Whether to try again later helps: not for what SQLite never takes, nor for a fault."""
    return isinstance(error, StoreError) and not isinstance(error, Unfit)


def has_sentinel(lines: Sequence[bytes]) -> bool:
    """Whether the response is among these that ends a backlog."""
    return any(line.startswith(_SENTINEL) and _is_sentinel(line) for line in lines)


def _is_sentinel(line: bytes) -> bool:
    message = decode_line(line)
    return isinstance(message, Response) and message.jobid == SENTINEL
