# SPDX-License-Identifier: LGPL-3.0
"""Requests that wait for a reader: who has had least is next, and nobody has all readers."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from joblist.protocol.budgets import Budgets
from joblist.readers.shares import LONG, Clock, Shares

FEW, SMALL = 8, 2**16
"""So many requests, of so many bytes in all, each user may have, however many others have."""
_MIB = 2**20


class Waits(Protocol):
    """What can wait: it belongs to a user, and has a size in bytes."""

    @property
    def userid(self) -> int:
        """Whose it is."""

    @property
    def size(self) -> int:
        """How many bytes it keeps in memory."""


_Item = TypeVar("_Item", bound=Waits)


class _User(Generic[_Item]):
    """What one user has: requests that wait, and numbers of all that are open."""

    def __init__(self) -> None:
        self.waiting: deque[_Item] = deque()
        self.open = self.size = self.busy = 0


class FairQueue(Generic[_Item]):
    """Requests that are open: they wait, or a reader is at them.

    Whoever adds an item gets it by `next` when it is its turn, and calls `closed` when it is
    answered or dropped.
    """

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._users: dict[int, _User[_Item]] = {}  # in the order of their turns
        self._open = self._size = 0
        self._shares = Shares(clock)

    def __len__(self) -> int:
        """Return how many are open."""
        return self._open

    @property
    def waiting(self) -> int:
        """Return how many wait for a reader."""
        return sum(len(user.waiting) for user in self._users.values())

    def add(self, item: _Item, budgets: Budgets) -> None:
        """Add one that waits; raises RpcError if there are too many.

        What others have does not count for a user's first few small ones.
        """
        user = self._users.get(item.userid)
        mine, bytes_mine = (user.open, user.size) if user else (0, 0)
        if mine >= budgets.max_open_user:
            raise budgets.exceeded("max_open_user")
        few = mine < FEW and bytes_mine + item.size <= SMALL
        if self._open >= budgets.max_open and not few:
            raise budgets.exceeded("max_open")
        most = budgets.max_open_bytes * _MIB
        full = self._size + item.size > most and not few
        if full or bytes_mine + item.size > most // 2:
            raise budgets.exceeded("max_open_bytes")
        if user is None:
            user = self._users[item.userid] = _User()
        user.waiting.append(item)
        user.open, user.size = mine + 1, bytes_mine + item.size
        self._open, self._size = self._open + 1, self._size + item.size

    def next(self, readers: int, clock: Clock | None = None) -> _Item | None:
        """Return the one whose turn it is, None if there is none.

        It is that of the user who has had least of the readers' time lately. Of several
        readers, one is always left for other users, and for those whose requests are short.
        ``clock`` is that of what the reader takes that begins with it.
        """
        most = max(1, readers - 1)
        slow = {userid for userid in self._users if self._shares.longest(userid) > LONG}
        left = sum(self._users[userid].busy for userid in slow) < most
        may = [
            userid
            for userid, user in self._users.items()
            if user.waiting and user.busy < most and (left or userid not in slow)
        ]
        if not may:
            return None
        # Rounded, so that those who have had little take turns.
        userid = min(may, key=lambda one: round(self._shares.of(one), 1))
        user = self._users.pop(userid)
        self._users[userid] = user  # the last one now
        user.busy += 1
        item = user.waiting.popleft()
        self._shares.begin(userid, item, clock or self._clock)
        return item

    def closed(self, item: _Item) -> None:
        """Forget one that `next` has returned."""
        user = self._users[item.userid]
        user.busy -= 1
        self._shares.end(item.userid, item)
        self._forget(user, item)

    def again(self, item: _Item) -> None:
        """Have one wait again that `next` has returned: it is its user's next one."""
        user = self._users[item.userid]
        user.busy -= 1
        self._shares.end(item.userid, item)
        user.waiting.appendleft(item)

    def drop(self, unwanted: Callable[[_Item], bool]) -> list[_Item]:
        """Forget, and return, those that wait and are not wanted."""
        found: list[_Item] = []
        for user in list(self._users.values()):
            dropped = [item for item in user.waiting if unwanted(item)]
            if dropped:
                user.waiting = deque(item for item in user.waiting if not unwanted(item))
            for item in dropped:
                self._forget(user, item)
            found += dropped
        return found

    def clear(self) -> None:
        """Forget all that are open, but not what users have had before."""
        self._users.clear()
        self._open = self._size = 0
        self._shares.clear()

    def _forget(self, user: _User[_Item], item: _Item) -> None:
        user.open, user.size = user.open - 1, user.size - item.size
        self._open, self._size = self._open - 1, self._size - item.size
        if not user.open:
            del self._users[item.userid]
