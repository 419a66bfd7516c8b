# SPDX-License-Identifier: LGPL-3.0
"""What the module's thread may spend: on one request, and on one user.

A request is tried in the thread for one *slice*. What does not end within that is given to a
reader process from its beginning: nothing of it was sent. A user whose requests have taken
much of the thread's time lately is not tried there at all, so that whoever asks for little is
answered at once, whatever others do.

The clock is that of the thread's own processor time: on a machine that is busy with other
things, an answer takes longer, but no more of the thread. Where a slow disk must not hold up
others either, wall time bounds a slice, too. A slice that ended without an answer also counts
in wall time: while it lasted nobody else was answered, however little it computed. Of wall
time, that is left out in which the thread could have run, and had no processor (`queued`):
others' requests would have waited as well.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import inf

import apsw

from joblist.run_queue import queued

BURST, SHARE = 0.03, 0.05
"""Seconds of the thread's time that a user may take at once, and a second after that."""
BURST_HELD = 0.12
"""Seconds of wall time for a user's slices without an answer; SHARE is added each second."""
_STEPS = 500  # of SQLite's virtual machine between two looks at the clock
_MOST_USERS = 256  # that are remembered


class OverSlice(Exception):  # noqa: N818 - nothing is wrong
    """A request takes longer than a slice, or has a longer answer."""


@contextmanager
def slice_of(
    db: apsw.Connection, seconds: float, wall: float = inf
) -> Iterator[Callable[[], bool]]:
    """Bound what is done inside: SQLite raises OverSlice when the time is over.

    ``seconds`` are of the thread's processor time, ``wall`` of wall time. Yields a function
    that raises it as well: for work outside of SQLite to call now and then.
    """
    end = time.thread_time() + seconds
    end_by_wall = time.monotonic() + wall
    begun = queued()

    def look() -> bool:
        if time.thread_time() > end:
            raise OverSlice
        late = time.monotonic() - end_by_wall
        if late > 0 and late > queued() - begun:
            raise OverSlice
        return False

    db.set_progress_handler(look, _STEPS)
    try:
        yield look
    finally:
        db.set_progress_handler(None)


class _Balances:
    """What is left for each user of ``burst`` seconds, to which SHARE is added each second."""

    def __init__(self, burst: float, clock: Callable[[], float]) -> None:
        self._burst = burst
        self._clock = clock
        self._left: dict[int, tuple[float, float]] = {}  # seconds, and when that was

    def of(self, userid: int) -> float:
        left, when = self._left.get(userid, (self._burst, 0.0))
        return min(self._burst, left + SHARE * (self._clock() - when))

    def take(self, userid: int, seconds: float) -> None:
        left = self.of(userid) - seconds
        self._left[userid] = max(left, -self._burst), self._clock()
        if len(self._left) > _MOST_USERS:
            self._left = {u: v for u, v in self._left.items() if self.of(u) < self._burst}


class _Counted:
    """Counts the time of what is done inside."""

    __slots__ = ("_balances", "_begin", "_userid", "_work")

    def __init__(self, balances: _Balances, work: Callable[[], float], userid: int) -> None:
        self._balances = balances
        self._work = work
        self._userid = userid

    def __enter__(self) -> None:
        self._begin = self._work()

    def __exit__(self, *_: object) -> None:
        # An error here would be an answer to a request that a reader may have been given.
        try:  # noqa: SIM105 - suppress() would need memory for itself
            self._balances.take(self._userid, self._work() - self._begin)
        except MemoryError:
            pass


class ThreadTime:
    """Who has had how much of the thread's time lately.

    ``clock`` returns monotonic seconds, ``work`` the thread's processor time in seconds, and
    ``waited`` what `queued` does.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        work: Callable[[], float] = time.thread_time,
        waited: Callable[[], float] = queued,
    ) -> None:
        self._clock = clock
        self._work = work
        self._waited = waited
        self._worked = _Balances(BURST, clock)
        self._held = _Balances(BURST_HELD, clock)

    def may_have_more(self, userid: int) -> bool:
        """Whether a user's request may be tried in the thread."""
        return self._worked.of(userid) > 0 and self._held.of(userid) > 0

    def of(self, userid: int) -> _Counted:
        """Count the time of what is done inside as a user's."""
        return _Counted(self._worked, self._work, userid)

    @contextmanager
    def trying(self, userid: int) -> Iterator[None]:
        """Count a slice that ends by OverSlice as one that was in vain."""
        begin = self._clock() - self._waited()
        try:
            yield
        except OverSlice:
            self._held.take(userid, self._clock() - self._waited() - begin)
            raise
