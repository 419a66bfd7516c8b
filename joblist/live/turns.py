# SPDX-License-Identifier: LGPL-3.0
"""Requests of users who have had much of the thread's time lately: they wait for their turn.

Requests come in the order in which they were sent, so that thousands of one user's would be
answered before the next one of another's. One of a user who has had much lately is queued,
which takes little time. Queued ones are handled, users by turns, while no new ones come, and
for a short time every 50 ms however many come.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

from joblist.live.open_requests import OpenRequests
from joblist.live.thread_time import ThreadTime
from joblist.ports import Bus, Message
from joblist.protocol.budgets import Budgets

TURN, WALL = 0.002, 0.01
"""Seconds of processor time, and of wall time, after which new requests are looked at."""
PAUSE = 0.05
"""Seconds until the next turn while more and more comes."""


class Turns:
    """The requests that wait for their turn; ``handle`` is what is done with each then."""

    def __init__(
        self,
        bus: Bus,
        thread_time: ThreadTime,
        handle: Callable[[Message], None],
        budgets: Callable[[], Budgets],
    ) -> None:
        self._bus = bus
        self._time = thread_time
        self._handle = handle
        self._budgets = budgets
        self._open = OpenRequests("max_turns")
        # In the order of turns; each user's by id(), in the order in which they came.
        self._users: dict[int, OrderedDict[int, Message]] = {}
        self._timer = bus.timer(self._turn)
        self._rests = False  # no turn is to come before the timer

    @property
    def open(self) -> int:
        """How many requests wait."""
        return len(self._open)

    def takes(self, message: Message) -> bool:
        """Whether a request has to wait, and does; raises RpcError if too many do."""
        userid = message.request.credential.userid
        mine = self._users.get(userid)
        if mine is None and self._time.may_have_more(userid):
            return False
        self._open.enter(message, self._budgets())
        if not self._users and not self._rests:
            self._timer.start(0.0)
        self._users.setdefault(userid, OrderedDict())[id(message)] = message
        return True

    def _turn(self) -> None:
        """Handle one request, and more while there is time."""
        self._rests = False
        end, end_by_wall = time.thread_time() + TURN, time.monotonic() + WALL
        try:
            while self._users:
                self._handle(self._next())
                if time.thread_time() >= end or time.monotonic() >= end_by_wall:
                    break
        finally:
            # Also where none is queued: else the next one would start a turn at once, and so
            # would each message of clients that ask and disconnect.
            if self._bus.pressed():
                self._rests = True
                self._timer.start(PAUSE)
            elif self._users:
                self._timer.start(0.0)

    def _next(self) -> Message:
        userid, mine = next(iter(self._users.items()))
        _, message = mine.popitem(last=False)
        self._open.leave(message)
        del self._users[userid]
        if mine:
            self._users[userid] = mine  # the last one now
        return message

    def drop(self, message: Message) -> None:
        """Forget the requests of a client that went away."""
        for one in self._open.dropped_by(message):
            self._open.leave(one)
            userid = one.request.credential.userid
            mine = self._users[userid]
            del mine[id(one)]
            if not mine:
                del self._users[userid]

    def close(self, errno: int) -> None:
        """Answer all of them with an error."""
        self._timer.stop()
        users, self._users = self._users, {}
        for message in [one for mine in users.values() for one in mine.values()]:
            self._open.leave(message)
            self._bus.respond_error(message, errno, None)
