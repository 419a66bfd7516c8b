# SPDX-License-Identifier: LGPL-3.0
"""Keeps what the journal brings while there is no database to store it in.

A Follower stores it later, before the journal that it requests itself. So nothing is lost that
a later backlog has not: purges, live-only events, and the events of jobs that are purged
meanwhile.
"""

from __future__ import annotations

import syslog
from collections.abc import Sequence

from joblist.journal.pending_lines import LIMITS, Limits, PendingLines, stands_alone
from joblist.ports import Bus, Journal


class UnstoredLines:
    """The lines that came meanwhile, behind ``held`` ones; bounded as the pending queue is."""

    def __init__(self, bus: Bus, held: Sequence[bytes] = (), limits: Limits = LIMITS) -> None:
        self._bus = bus
        self._pending = PendingLines(limits)
        self._journal: Journal | None = None
        for line in held:
            self._pending.add(line)

    def start(self) -> None:
        """Request the journal. If it ends, the Follower requests it again later."""
        try:
            self._journal = self._bus.journal(self.take, self._ended)
        except OSError as error:
            self._bus.log(syslog.LOG_ERR, f"journal: not followed for now: {error}")

    def take(self, line: bytes) -> None:
        """Take a response of the journal, or the payload of a purge event."""
        if self._journal is None and not stands_alone(line):
            return
        self._pending.add(line)
        if self._pending.overflows:
            text = "too much to keep in memory: the journal is left until views are rebuilt"
            self._bus.log(syslog.LOG_ERR, text)
            self._leave()
            self._pending.drop()

    def end(self) -> list[bytes]:
        """Follow no longer; returns what is to be stored."""
        self._leave()
        return self._pending.lines()

    def _ended(self, _errno: int, _text: str) -> None:
        self._journal = None

    def _leave(self) -> None:
        journal, self._journal = self._journal, None
        if journal is not None:
            journal.stop()
