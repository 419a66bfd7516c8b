# SPDX-License-Identifier: LGPL-3.0
"""``list-id`` requests that wait: for a job's first event, or for a state (idsync.c).

An id without any stored event is looked up in the KVS, as flux-core's module does it: if
there is no such job, the answer is ENOENT at once. No data of the job is read there.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from errno import ENOENT
from functools import partial
from itertools import count
from typing import NamedTuple

import apsw

from eventstore.events.records import Notice, Record
from joblist.live.answers import Answers
from joblist.live.open_requests import OpenRequests
from joblist.ports import Bus, Message
from joblist.protocol.requests import ListIdRequest
from projections.job.reducers import fold
from projections.job.state import INACTIVE, NEW, Job


class Waiter(NamedTuple):
    """A request that waits, and what it asked for."""

    message: Message
    wanted: ListIdRequest

    def satisfied_by(self, job: Job) -> bool:
        """Whether the job has been in the awaited state.

        An inactive job satisfies any awaited state: it enters no other one.
        """
        state = self.wanted.state
        return job.state == INACTIVE or (
            job.state != NEW and (not state or bool(state & job.states_mask))
        )


class Waiting:
    """All requests that wait.

    It takes part in each batch before the views do: ``before`` returns a job's state before
    the batch, by its key. ``lookups`` and ``waits`` are counted by stats-get.
    """

    def __init__(self, bus: Bus, answers: Answers, before: Callable[[int], Job | None]) -> None:
        self._bus = bus
        self._answers = answers
        self._before = before
        self._open = OpenRequests("max_waits")
        # Ids to be looked up, and how many of them the KVS was asked for.
        self._lookups: dict[int, Waiter] = {}
        self._numbers = count()
        self._queue: deque[int] = deque()
        self._asked = 0
        self._waits: dict[int, list[Waiter]] = {}
        self._batch = _Batch()

    @property
    def lookups(self) -> int:
        """How many ids are being looked up in the KVS."""
        return len(self._lookups)

    @property
    def waits(self) -> int:
        """How many ids are waited for."""
        return len(self._waits)

    def look_up(self, waiter: Waiter) -> None:
        """Wait for an id without any stored event, if there is such a job; raises RpcError."""
        self._open.enter(waiter.message, self._answers.budgets)
        number = next(self._numbers)
        self._lookups[number] = waiter
        self._queue.append(number)
        self._ask()

    def _ask(self) -> None:
        """Ask the KVS for some ids, so that others' requests come in between."""
        while self._queue and self._asked < self._answers.budgets.max_lookups:
            number = self._queue.popleft()
            if number in self._lookups:
                self._asked += 1
                jobid = self._lookups[number].wanted.id
                self._bus.job_exists(jobid, partial(self._looked_up, number))

    def _looked_up(self, number: int, errno: int) -> None:
        self._asked -= 1
        self._ask()
        waiter = self._lookups.pop(number, None)
        if waiter is None:
            return  # its client went away
        if errno:
            self._open.leave(waiter.message)
            self._answers.refuse(waiter.message, errno)
        else:
            self._wait(waiter)
            self._try_again([waiter.wanted.id])  # events may have come meanwhile

    def wait(self, waiter: Waiter) -> None:
        """Wait for a job's next event; raises RpcError."""
        self._open.enter(waiter.message, self._answers.budgets)
        self._wait(waiter)

    def _wait(self, waiter: Waiter) -> None:
        self._waits.setdefault(waiter.wanted.id, []).append(waiter)

    def try_all_again(self) -> None:
        """See for each request whether it can be answered now."""
        self._try_again(list(self._waits))

    def _try_again(self, jobids: Iterable[int]) -> None:
        for jobid in jobids:
            for waiter in self._waits.pop(jobid, []):
                if self._answers.try_job(waiter.message) is not None:
                    self._wait(waiter)
                else:
                    self._open.leave(waiter.message)

    # -- one batch of events

    def apply(self, _db: apsw.Connection, records: Sequence[Record | Notice]) -> None:
        """Look for what is waited for, event by event: a state may last for one only."""
        self._batch = _Batch()
        for record in records if self._waits else ():
            if isinstance(record, Record) and record.jobid in self._waits:
                if record.late:
                    self._batch.unclear.add(record.jobid)
                else:
                    self._see(record)

    def _see(self, record: Record) -> None:
        states = self._batch.states
        old = states[record.job] if record.job in states else self._before(record.job)
        job = states[record.job] = fold(old, [record])
        invalidated = old is not None and job is None
        for waiter in self._waits[record.jobid]:
            if not self._batch.has(waiter) and (
                invalidated or (job is not None and waiter.satisfied_by(job))
            ):
                self._batch.answered.append((waiter, job))

    def committed(self) -> None:
        """Answer the requests whose events are stored now."""
        batch, self._batch = self._batch, _Batch()
        for waiter, job in batch.answered:
            self._remove(waiter)
            if job is None:
                self._answers.refuse(waiter.message, ENOENT)
            else:
                self._answers.send_job(waiter.message, waiter.wanted, job)
        self._try_again(batch.unclear)

    def rolled_back(self) -> None:
        """Forget what the batch would have answered: its lines come again."""
        self._batch = _Batch()

    def _remove(self, waiter: Waiter) -> None:
        self._open.leave(waiter.message)
        waiters = self._waits[waiter.wanted.id]
        waiters.remove(waiter)
        if not waiters:
            del self._waits[waiter.wanted.id]

    # -- clients

    def drop(self, message: Message) -> None:
        """Forget the requests of a client that went away."""
        for number, waiter in list(self._lookups.items()):
            if waiter.message.dropped_by(message):
                del self._lookups[number]
                self._open.leave(waiter.message)
        for waiters in list(self._waits.values()):
            for waiter in [w for w in waiters if w.message.dropped_by(message)]:
                self._remove(waiter)

    def close(self, errno: int) -> None:
        """Answer all that still wait with an error."""
        waiters = [*(w for same in self._waits.values() for w in same), *self._lookups.values()]
        self._waits, self._lookups = {}, {}
        for waiter in waiters:
            self._open.leave(waiter.message)
            self._answers.refuse(waiter.message, errno)


class _Batch:
    """The answers that a batch gives to waiting requests; it is not committed yet."""

    def __init__(self) -> None:
        self.states: dict[int, Job | None] = {}  # of the jobs in this batch, by key
        self.answered: list[tuple[Waiter, Job | None]] = []  # None: the job was invalidated
        self.unclear: set[int] = set()  # ids with events that precede stored ones

    def has(self, waiter: Waiter) -> bool:
        """Whether a request is answered by this batch already."""
        return any(waiter is other for other, _ in self.answered)
