# SPDX-License-Identifier: LGPL-3.0
"""Streams of job-stats: told of changes, at most every fifth of a second (stats.c)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import apsw

from eventstore.events.records import Notice, Record
from joblist.live.answers import Answers
from joblist.live.open_requests import OpenRequests
from joblist.ports import Bus, Message

DELAY = 0.2
"""Seconds for which changes are collected."""

# Events by which a job changes its state or its queue.
_MOVING = frozenset(
    ("validate", "depend", "priority", "alloc", "finish", "clean", "urgency", "exception")
) | {"jobspec-update", "flux-restart"}


class Watching:
    """All streams of job-stats. It takes part in each batch, to see what changes."""

    def __init__(self, bus: Bus, answers: Answers) -> None:
        self._answers = answers
        self._messages: list[Message] = []
        self._open = OpenRequests("max_watchers")
        self._timer = bus.timer(self._tell)
        self._due = False  # the timer is running
        self._changed = False  # by the batch that is not committed yet

    @property
    def count(self) -> int:
        """How many streams there are."""
        return len(self._messages)

    def add(self, message: Message) -> None:
        """Answer a client, and tell it of all changes from now on.

        Raises RpcError if there are too many.
        """
        self._open.enter(message, self._answers.budgets)
        if self._answers.send(message):
            self._messages.append(message)
        else:
            self._open.leave(message)

    def apply(self, _db: apsw.Connection, records: Sequence[Record | Notice]) -> None:
        """See whether a batch changes what is watched."""
        self._changed = (
            bool(self._messages)
            and not self._due
            and any(isinstance(r, Notice) or r.entry.name in _MOVING for r in records)
        )

    def committed(self) -> None:
        """Notify the watchers soon, if the batch changed something."""
        if self._changed:
            self._due, self._changed = True, False
            self._timer.start(DELAY)

    def rolled_back(self) -> None:
        """Forget what the batch would have changed."""
        self._changed = False

    def _tell(self) -> None:
        """Answer all streams once more; one that gets an error instead ends with it."""
        self._due = False
        self._keep(self._answers.send)

    def drop(self, message: Message) -> None:
        """Forget a client that went away."""
        if self._open.dropped_by(message):
            self._keep(lambda one: not one.dropped_by(message))

    def close(self, errno: int) -> None:
        """End all streams."""
        self._timer.stop()
        messages = self._messages
        self._keep(lambda _: False)
        for message in messages:
            self._answers.refuse(message, errno)

    def _keep(self, still: Callable[[Message], bool]) -> None:
        """Forget those of which ``still`` says that they are over."""
        kept = []
        for message in self._messages:
            if still(message):
                kept.append(message)
            else:
                self._open.leave(message)
        self._messages = kept
