# SPDX-License-Identifier: LGPL-3.0
"""How much of the readers' time each user has had lately."""

from __future__ import annotations

from collections.abc import Callable

HALF_LIFE = 30.0
"""Seconds after which half of what a user has had is forgotten."""
MUCH = 0.5
"""Seconds; users who have had more leave a reader to the others."""
LITTLE = 0.25
"""Up to this part of what the greediest user has had is not much, however many seconds."""
_FORGOTTEN = 0.01  # seconds
_MOST_USERS = 256  # that are remembered


class Shares:
    """Counts the seconds of a user's requests at a reader, those that go on included."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._had: dict[int, tuple[float, float]] = {}  # seconds, and when they were counted
        self._began: dict[int, list[float]] = {}

    def begin(self, userid: int) -> None:
        """A reader begins with one of a user's requests."""
        self._began.setdefault(userid, []).append(self._clock())

    def end(self, userid: int) -> None:
        """A reader has ended with the one of the user's requests that it began with first."""
        began = self._began[userid]
        now = self._clock()
        self._had[userid] = self._ended(userid) + now - began.pop(0), now
        if not began:
            del self._began[userid]
        if len(self._had) > _MOST_USERS:
            self._had = {u: had for u, had in self._had.items() if self._ended(u) > _FORGOTTEN}

    def of(self, userid: int) -> float:
        """Return the seconds that a user has had lately."""
        now = self._clock()
        return self._ended(userid) + sum(now - began for began in self._began.get(userid, ()))

    def _ended(self, userid: int) -> float:
        seconds, when = self._had.get(userid, (0.0, 0.0))
        return float(seconds * 0.5 ** ((self._clock() - when) / HALF_LIFE))
