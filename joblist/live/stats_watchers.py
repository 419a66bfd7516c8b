# SPDX-License-Identifier: LGPL-3.0
"""Clients that watch job-stats: told of changes, at most every fifth of a second (stats.c)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from eventstore.events.records import Notice, Record
from joblist.live.ports import Bus, Message

DELAY = 0.2
"""Seconds for which changes are collected."""

# Events by which a job changes its state or its queue.
_MOVING = frozenset(
    ("validate", "depend", "priority", "alloc", "finish", "clean", "urgency", "exception")
) | {"jobspec-update", "flux-restart"}


class Watching:
    """The watchers; ``answer`` sends the current stats to one of them."""

    def __init__(self, bus: Bus, answer: Callable[[Message], None]) -> None:
        self._answer = answer
        self._messages: list[Message] = []
        self._timer = bus.timer(self._tell)
        self._bus = bus
        self._due = False

    @property
    def count(self) -> int:
        """How many watch."""
        return len(self._messages)

    def add(self, message: Message) -> None:
        """Tell a client of all changes from now on."""
        self._messages.append(message)

    def see(self, records: Sequence[Record | Notice]) -> None:
        """Tell the watchers soon, if these records change what they watch."""
        if self._due or not self._messages:
            return
        if any(isinstance(r, Notice) or r.entry.name in _MOVING for r in records):
            self._due = True
            self._timer.start(DELAY)

    def _tell(self) -> None:
        self._due = False
        for message in self._messages:
            self._answer(message)

    def drop(self, message: Message) -> None:
        """Forget a client that went away."""
        self._messages = [m for m in self._messages if not m.dropped_by(message)]

    def close(self, errno: int) -> None:
        """End all streams."""
        self._timer.stop()
        for message in self._messages:
            self._bus.respond_error(message, errno, None)
        self._messages = []
