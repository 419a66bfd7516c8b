# SPDX-License-Identifier: LGPL-3.0
"""How much of the readers' time each user has had lately, and by how long requests."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

Clock = Callable[[], float]

HALF_LIFE = 30.0
"""Seconds after which half of what a user has had is forgotten."""
LONG = 0.5
"""Seconds; users one of whose requests took longer lately leave a reader to the others."""
_FORGOTTEN = 0.01  # seconds
_MOST_USERS = 256  # that are remembered


class _Had(NamedTuple):
    """What a user has had up to ``when``: seconds in all, and by the longest request."""

    seconds: float
    longest: float
    when: float


class _Going(NamedTuple):
    """A request that goes on; ``spent`` returns the seconds that it has taken so far."""

    item: object
    spent: Clock


class Shares:
    """Counts the seconds of users' requests at readers, those that go on included."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._had: dict[int, _Had] = {}
        self._going: dict[int, list[_Going]] = {}

    def begin(self, userid: int, item: object, clock: Clock) -> None:
        """A reader begins with a user's request; ``clock`` is that of what the reader takes."""
        begun = clock()
        self._going.setdefault(userid, []).append(_Going(item, lambda: clock() - begun))

    def end(self, userid: int, item: object) -> None:
        """A reader has ended with a request that it began with."""
        going = self._going[userid]
        (ended,) = [one for one in going if one.item == item][:1]
        spent = ended.spent()
        seconds, longest, now = self._lately(userid)
        self._had[userid] = _Had(seconds + spent, max(longest, spent), now)
        going.remove(ended)
        if not going:
            del self._going[userid]
        if len(self._had) > _MOST_USERS:
            self._had = {
                one: had for one, had in self._had.items()
                if self._lately(one).seconds > _FORGOTTEN
            }  # fmt: skip

    def clear(self) -> None:
        """Forget the requests that go on: none of them does any longer."""
        self._going.clear()

    def of(self, userid: int) -> float:
        """Return the seconds that a user has had lately."""
        return self._lately(userid).seconds + sum(self._spent(userid))

    def longest(self, userid: int) -> float:
        """Return the seconds of the longest of a user's requests lately."""
        return max([self._lately(userid).longest, *self._spent(userid)])

    def _spent(self, userid: int) -> list[float]:
        return [one.spent() for one in self._going.get(userid, ())]

    def _lately(self, userid: int) -> _Had:
        now = self._clock()
        seconds, longest, when = self._had.get(userid, _Had(0.0, 0.0, now))
        left = 0.5 ** ((now - when) / HALF_LIFE)
        return _Had(seconds * left, longest * left, now)
