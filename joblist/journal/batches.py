# SPDX-License-Identifier: LGPL-3.0
"""Storing lines: a batch at a time, by the Writer of the source that is being read.

A line that cannot be stored is kept as a reject (eventstore/ingest/isolation.py), and the log
says so. If the store itself fails (full disk), StoreError is raised and nothing becomes a
reject.
"""

from __future__ import annotations

import syslog
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from eventstore.errors import StoreError
from eventstore.ingest.counts import Counts
from eventstore.ingest.isolation import append_isolating
from eventstore.ingest.unit_of_work import Participant
from eventstore.ingest.writer import Writer
from eventstore.storage.connection import Store
from joblist.callback_guard import unforeseen
from joblist.ports import Log

_SHOWN = 1000  # bytes of a line that the log shows


@dataclass(frozen=True)
class Source:
    """The source that a Follower reads: the name and the boot that it is stored under.

    ``expected`` returns the keys of the jobs that a complete backlog must have;
    ``reconnect``: whether a journal that has ended is requested again.
    """

    name: str
    boot: str | None
    expected: Callable[[], Sequence[int]]
    reconnect: bool = True


class Batches:
    """Stores the lines of one source after another; each journal request is a source.

    ``participants`` take part in each batch, in this order.
    """

    def __init__(
        self, log: Log, store: Store, source: Source, participants: Sequence[Participant]
    ) -> None:
        self._log = log
        self._store = store
        self._source = source
        self._participants = participants
        self._writer: Writer | None = None
        self._ended = Counts()  # of the sources before

    @property
    def total(self) -> Counts:
        """The counts of all sources together."""
        found = Counts()
        found.add(self._ended)
        if self._writer is not None:
            found.add(self._writer.counts)
        return found

    @property
    def begun(self) -> bool:
        """Whether there is a source whose lines can be stored."""
        return self._writer is not None

    def begin(self, outcome: str) -> None:
        """Begin a new source; raises StoreError. ``outcome``: how the previous one ended."""
        self.end(outcome)
        self._writer = Writer(
            self._store,
            self._source.name,
            *self._participants,
            boot=self._source.boot,
            expected=self._source.expected,
            live=True,
        )

    def end(self, outcome: str) -> None:
        """End the source, if there is one, and record how; an error is logged only."""
        writer, self._writer = self._writer, None
        try:
            if writer is not None:
                self._ended.add(writer.counts)
                writer.close(outcome)
        except StoreError as error:
            self._log.log(syslog.LOG_ERR, f"the end of the source is not stored: {error}")

    def store(self, lines: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
        """Store lines, in one transaction if possible; yields the lines that are stored.

        A line that cannot be stored is kept as a reject. Raises StoreError if the store
        fails; the lines that were yielded before are stored.
        """
        assert self._writer is not None
        return append_isolating(self._writer, lines, self._report)

    def _report(self, line: bytes, error: Exception, kept: bool) -> None:
        unforeseen(self._log, f"storing {line[:_SHOWN]!r}")
        if not kept:
            self._log.log(syslog.LOG_ERR, f"lost: SQLite does not take it: {error}")
