# SPDX-License-Identifier: LGPL-3.0
"""Follows the job manager's journal: its responses are stored, a batch at a time.

What the Follower does in which state is written in follower_states.py, as two tables, and drawn
in docs/follower.md. This module carries out each action: lines wait in the pending queue
(pending_lines.py), which is bounded, and are stored by the Writer of the current source
(batches.py).

Lines are collected for a moment and stored together. Before a request is answered, ``flush`` is
called, so that the answer shows every event that arrived before the request.

If the store fails (a full disk), lines stay in the pending queue and are tried again. Beyond a
bound, responses are dropped, and the journal is requested again when the store works: its
backlog has them. Until all of them are stored, ``behind`` says so. The store does not wait for
locks of other processes: a lock counts as such a failure, which is logged only if it lasts.
"""

from __future__ import annotations

import os
import syslog
import time
from collections.abc import Callable, Sequence
from errno import ENODATA, EPERM, EPROTO
from math import inf
from typing import NamedTuple

from eventstore.errors import Busy, Gone, LogGone, StoreError
from eventstore.ingest.counts import Counts
from eventstore.ingest.unit_of_work import Participant
from eventstore.storage.connection import Store
from joblist.callback_guard import unforeseen
from joblist.journal.batches import Batches, Source
from joblist.journal.follower_states import (
    ABLE,
    PLACE,
    STORING,
    WITH_JOURNAL,
    Do,
    Event,
    Machine,
    Place,
    Storing,
)
from joblist.journal.pending_lines import (
    LIMITS,
    Limits,
    PendingLines,
    is_sentinel,
    stands_alone,
)
from joblist.ports import Bus, Journal

COLLECT = 0.05
"""Seconds for which lines are collected."""
DELAYS = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
"""Seconds between attempts to store, or to request the journal; the last one is repeated."""

SOON = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
"""Seconds between attempts to store after Busy or Gone, where an attempt costs little."""
LEAVE = 0.5
"""Seconds for storing a backlog when the module is removed; the next one has the rest."""

_FINAL = frozenset((EPERM, EPROTO))  # another request would be refused, too
_UNFINISHED = "not stored to its end"


class Behind(NamedTuple):
    """That responses are missing in the store, and so in all answers.

    ``since``: seconds since the epoch; ``responses`` and ``bytes``: size of the pending queue;
    ``dropped``: the queue overflowed, and the dropped responses are requested again.
    """

    since: float
    reason: str
    responses: int
    bytes: int
    dropped: bool


class Follower:
    """Stores the responses of the journal.

    ``participants`` take part in each batch, in this order. Each of ``ready`` is called when
    the backlog is complete, and when the store fails: answers then come from the events that
    are stored. ``held`` are lines that came before, and are to be stored first. ``reopen`` is
    called when the store's files are not those on the disk any more (LogGone).
    """

    def __init__(
        self,
        bus: Bus,
        store: Store,
        source: Source,
        participants: Sequence[Participant],
        *,
        ready: Sequence[Callable[[], None]] = (),
        limits: Limits = LIMITS,
        held: Sequence[bytes] = (),
        reopen: Callable[[], None] = lambda: None,
    ) -> None:
        self._bus = bus
        self._reopen = reopen
        self._source = source
        self._ready = ready
        self._pending = PendingLines(limits)
        for line in held:
            self._pending.add(line)
        self._batches = Batches(bus, store, source, participants)
        self._journal: Journal | None = None
        self._outcome = _UNFINISHED  # of the source, once its journal has ended
        self._failure: tuple[float, str] | None = None  # since when, and why
        self._told: type[StoreError] | None = None  # what the log has of that
        self._attempts = 0  # at storing, since that last worked
        self._delays_to_store: Sequence[float] = DELAYS
        self._delays = 0  # before requests, since a backlog was last complete
        self._collecting = bus.timer(self._collect)
        self._retrying = bus.timer(self._retry)
        self._asking = bus.timer(self.start)
        actions = {
            Do.ASK_IF_DUE: self._ask_if_due,
            Do.ASK_LATER: self._ask_later,
            Do.ASK_SOON_AGAIN: self._ask_soon_again,
            Do.LEAVE_JOURNAL: self._leave_journal,
            Do.DROP: self._drop,
            Do.READY: self._tell_ready,
            Do.STOP: self._stop,
            Do.RETRY_LATER: self._retry_later,
            Do.RETRY_NOW: lambda: self._retrying.start(0.0),
            Do.HOLD: self._retrying.stop,
            Do.COLLECT: self._collect_soon,
            Do.STORE_ALL: self.flush,
        }
        self._place = Machine(PLACE, Place.CONNECTING, lambda action: actions[action]())
        self._storing = Machine(STORING, Storing.WORKING, lambda action: actions[action]())

    @property
    def total(self) -> Counts:
        """The counts of all sources together."""
        return self._batches.total

    @property
    def state(self) -> tuple[Place, Storing]:
        """The states of the two machines."""
        return self._place.state, self._storing.state

    @property
    def behind(self) -> Behind | None:
        """What is missing in the store; None if nothing is."""
        if self._failure is None:
            return None
        pending = self._pending
        return Behind(*self._failure, len(pending), pending.size, pending.dropped)

    # -- what others do

    def start(self) -> None:
        """Request the journal, again and again if the store fails.

        Raises StoreError, or OSError, if the source is one that is not requested again.
        """
        self._place.fire(Event.DELAY_OVER)

    def take(self, line: bytes) -> None:
        """Take a response of the journal, or the payload of a purge event."""
        if self._place.state not in WITH_JOURNAL and not stands_alone(line):
            return
        pending = self._pending
        first = not len(pending)
        pending.add(line)
        if not self._able:
            if pending.overflows:
                self._place.fire(Event.OVERFLOW)
            return
        if pending.fills_a_batch:
            self._store_some()
        if first:
            self._collect_soon()

    def flush(self) -> None:
        """Store the pending queue; while the store fails, it has to wait."""
        while self._able and self._store_some():
            pass

    def pause(self) -> None:
        """Store nothing for now."""
        self._storing.fire(Event.PAUSE)

    def unpause(self) -> None:
        """Store the responses that arrived meanwhile, and go on."""
        self._storing.fire(Event.UNPAUSE)

    def close(self, outcome: str = "done") -> None:
        """Store the pending queue, and end the source."""
        for timer in (self._collecting, self._retrying, self._asking):
            timer.stop()
        self._storing.fire(Event.CLOSE)
        end = time.monotonic() + LEAVE if self._place.state is Place.BACKLOG else inf
        while self._able and time.monotonic() < end and self._store_some():
            pass
        self._place.fire(Event.CLOSE)
        if self._pending:
            text = f"closed: {len(self._pending)} responses are not stored"
            self._bus.log(syslog.LOG_ERR, text)
        self._batches.end(_UNFINISHED if self._pending else outcome)

    def hand_over(self) -> list[bytes]:
        """Stop, storing nothing; returns the lines that another Follower has to store.

        Sentinels are not among them: that one has a backlog of its own.
        """
        for timer in (self._collecting, self._retrying, self._asking):
            timer.stop()
        self._place.fire(Event.CLOSE)
        self._storing.fire(Event.CLOSE)
        self._batches.end(_UNFINISHED)
        return self._pending.lines()

    # -- the journal

    def _ask_if_due(self) -> None:
        if self.state == (Place.DUE, Storing.WORKING):
            self.flush()
        if self.state == (Place.DUE, Storing.WORKING):  # storing did not fail
            self._ask()

    def _ask(self) -> None:
        try:
            self._batches.begin(self._outcome)
            self._outcome = _UNFINISHED
            self._journal = self._bus.journal(self.take, self._ended)
        except (StoreError, OSError) as error:
            self._batches.end("not asked for")
            if not self._source.reconnect:
                raise
            self._bus.log(syslog.LOG_ERR, f"journal: not followed, behind: {error}")
            self._told = StoreError
            self._fall_behind(str(error))
            self._place.fire(Event.NOT_ASKED)
        else:
            self._place.fire(Event.ASKED)

    def _ask_later(self) -> None:
        self._asking.start(_delay(self._delays))
        self._delays += 1

    def _ask_soon_again(self) -> None:
        self._delays = 0

    def _ended(self, errno: int, text: str) -> None:
        """Take note that the journal ended."""
        reason = "end of stream" if errno == ENODATA else text or os.strerror(errno)
        self._journal = None
        self.flush()
        self._outcome = reason
        if not self._pending:
            self._batches.end(reason)
        if errno in _FINAL or not self._source.reconnect:
            level = syslog.LOG_INFO if errno == ENODATA else syslog.LOG_ERR
            left = f"{len(self._pending) or 'no'} responses are not stored yet"
            self._bus.log(level, f"journal: {reason}: leaving; {left}")
            self._place.fire(Event.JOURNAL_REFUSED)
            return
        delay = _delay(self._delays)
        self._bus.log(syslog.LOG_WARNING, f"journal: {reason}: asking again in {delay:g} s")
        self._place.fire(Event.JOURNAL_ENDED)

    def _leave_journal(self) -> None:
        journal, self._journal = self._journal, None
        if journal is not None:
            journal.stop()

    def _stop(self) -> None:
        self._bus.stop(failed=self._outcome != "end of stream")

    # -- storing

    @property
    def _able(self) -> bool:
        return self._storing.state in ABLE and self._batches.begun

    def _store_some(self) -> bool:
        """Store a batch of the queue; returns whether there was one, and it is stored."""
        lines = self._pending.batch()
        if not lines:
            return False
        failure: StoreError | None = None
        complete = False
        try:
            for stored in self._batches.store(lines):
                self._pending.remove(len(stored))
                complete = complete or any(map(is_sentinel, stored))
        except StoreError as error:
            failure = error
        except Exception as error:  # noqa: BLE001 - the lines must be tried again
            unforeseen(self._bus, "storing")
            failure = StoreError(f"a fault of this program: {error!r:.500}")
        if failure is not None:
            self._fail(failure)
        if complete:
            self._pending.dropped = False
            # Only now: the requests that waited for this are answered, which calls `flush`.
            self._place.fire(Event.COMPLETE)
        self._catch_up()
        return failure is None

    def _collect(self) -> None:
        """Store one batch, so that other callbacks have a turn before the next one."""
        try:
            if self._able:
                self._store_some()
        finally:  # whatever is raised, the other lines must be stored
            self._collect_soon(0.0)

    def _collect_soon(self, after: float = COLLECT) -> None:
        if self._able and self._pending:
            self._collecting.start(after)

    def _fail(self, error: StoreError) -> None:
        busy = isinstance(error, Busy) and self._attempts < len(SOON) - 1
        if not busy and self._told is not type(error):
            self._told = type(error)
            self._bus.log(syslog.LOG_ERR, f"behind: not stored, to be tried again: {error}")
        self._fall_behind(str(error))
        self._delays_to_store = SOON if isinstance(error, Busy | Gone) else DELAYS
        self._storing.fire(Event.STORE_BUSY if busy else Event.STORE_FAILED)
        if isinstance(error, LogGone):
            self._reopen()

    def _retry_later(self) -> None:
        self._retrying.start(_delay(self._attempts, self._delays_to_store))
        self._attempts += 1

    def _retry(self) -> None:
        """Try again to store; goes on only if that works."""
        if self._pending and self._batches.begun and not self._store_some():
            return
        self._attempts = 0
        self._storing.fire(Event.STORED)

    # -- being behind

    def _fall_behind(self, reason: str) -> None:
        since = time.time() if self._failure is None else self._failure[0]
        self._failure = since, reason

    def _catch_up(self) -> None:
        """See whether all responses are stored again."""
        pending = self._pending
        complete = self._place.state not in {Place.DUE, Place.BACKLOG}
        if self._failure is not None and complete and not (pending or pending.dropped):
            told, self._failure, self._told = self._told, None, None
            if told is not None:
                text = "no longer behind: all responses are stored again"
                self._bus.log(syslog.LOG_NOTICE, text)

    def _drop(self) -> None:
        text = "too much to keep in memory: the journal is left until it can be stored"
        self._bus.log(syslog.LOG_ERR, text)
        if self._failure is None:
            self._fall_behind("the pending queue overflowed while nothing could be stored")
        self._told = self._told or StoreError
        self._pending.drop()

    def _tell_ready(self) -> None:
        for callback in self._ready:
            callback()


def _delay(attempts: int, delays: Sequence[float] = DELAYS) -> float:
    return delays[min(attempts, len(delays) - 1)]
