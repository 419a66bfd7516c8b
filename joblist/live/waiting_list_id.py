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
from typing import NamedTuple

import apsw

from eventstore.events.records import Notice, Record
from joblist.live.answers import Answers
from joblist.live.open_requests import OpenRequests
from joblist.ports import Bus, Message
from joblist.protocol.requests import ListIdRequest
from projections.job.reducers import fold
from projections.job.state import INACTIVE, NEW, Job

_AT_ONCE = 64  # requests that are answered in one turn of the reactor


class Waiter(NamedTuple):
    """A request that waits, and what it asked for."""

    message: Message
    wanted: ListIdRequest

    @property
    def key(self) -> int:
        """What it is known by, as long as it waits."""
        return id(self.message)

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
        self._waiters: dict[int, Waiter] = {}  # all, by id() of their messages
        # Those whose ids are to be looked up, and how many of them the KVS was asked for.
        self._lookups: dict[int, Waiter] = {}
        self._queue: deque[Waiter] = deque()
        self._asked = 0
        self._waits: dict[int, dict[int, Waiter]] = {}  # by the job's id
        self._batch = _Batch()
        self._due: deque[tuple[Waiter, Job | None]] = deque()  # they can be answered
        self._timer = bus.timer(self._answer_some)

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
        self._enter(waiter)
        self._lookups[waiter.key] = waiter
        self._queue.append(waiter)
        self._ask()

    def _enter(self, waiter: Waiter) -> None:
        self._open.enter(waiter.message, self._answers.budgets)
        self._waiters[waiter.key] = waiter

    def _leave(self, waiter: Waiter) -> None:
        self._open.leave(waiter.message)
        del self._waiters[waiter.key]

    def _ask(self) -> None:
        """Ask the KVS for some ids, so that others' requests come in between."""
        while self._queue and self._asked < self._answers.budgets.max_lookups:
            waiter = self._queue.popleft()
            if waiter.key in self._lookups:
                self._asked += 1
                self._bus.job_exists(waiter.wanted.id, partial(self._looked_up, waiter))

    def _looked_up(self, waiter: Waiter, errno: int) -> None:
        self._asked -= 1
        self._ask()
        if self._lookups.pop(waiter.key, None) is None:
            return  # its client went away
        if errno:
            self._leave(waiter)
            self._answers.refuse(waiter.message, errno)
        else:
            self._wait(waiter)
            self._try_again([waiter.wanted.id])  # events may have come meanwhile

    def wait(self, waiter: Waiter) -> None:
        """Wait for a job's next event; raises RpcError."""
        self._enter(waiter)
        self._wait(waiter)

    def _wait(self, waiter: Waiter) -> None:
        self._waits.setdefault(waiter.wanted.id, {})[waiter.key] = waiter

    def try_all_again(self) -> None:
        """See for each request whether it can be answered now."""
        self._try_again(list(self._waits))

    def _try_again(self, jobids: Iterable[int]) -> None:
        for jobid in jobids:
            for waiter in self._waits.pop(jobid, {}).values():
                if self._answers.try_job(waiter.message) is not None:
                    self._wait(waiter)
                else:
                    self._leave(waiter)

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
        if old is not None and job is not None and _states(old) == _states(job):
            return  # whoever is content with that is answered already
        invalidated = old is not None and job is None
        answered = self._batch.answered
        for key, waiter in self._waits[record.jobid].items():
            if key not in answered and (
                invalidated or (job is not None and waiter.satisfied_by(job))
            ):
                answered[key] = waiter, job

    def committed(self) -> None:
        """Answer the requests whose events are stored now."""
        batch, self._batch = self._batch, _Batch()
        for waiter, job in batch.answered.values():
            self._no_more(waiter)
            self._due.append((waiter, job))
        self._answer_some()
        self._try_again(batch.unclear)

    def _answer_some(self) -> None:
        """Answer some of those that can be; others' requests come before the next ones."""
        for _ in range(min(_AT_ONCE, len(self._due))):
            waiter, job = self._due.popleft()
            if waiter.key not in self._waiters:
                continue  # its client went away
            self._leave(waiter)
            if job is None:
                self._answers.refuse(waiter.message, ENOENT)
            else:
                self._answers.send_job(waiter.message, waiter.wanted, job)
        if self._due:
            self._timer.start(0.0)

    def rolled_back(self) -> None:
        """Forget what the batch would have answered: its lines come again."""
        self._batch = _Batch()

    def _no_more(self, waiter: Waiter) -> None:
        """Have a request wait for events no longer, if it does."""
        waiters = self._waits.get(waiter.wanted.id, {})
        if waiters.pop(waiter.key, None) is not None and not waiters:
            del self._waits[waiter.wanted.id]

    # -- clients

    def drop(self, message: Message) -> None:
        """Forget the requests of a client that went away."""
        for one in self._open.dropped_by(message):
            waiter = self._waiters[id(one)]
            self._leave(waiter)
            self._no_more(waiter)
            self._lookups.pop(waiter.key, None)

    def close(self, errno: int) -> None:
        """Answer all that still wait with an error."""
        self._timer.stop()
        waiters = list(self._waiters.values())
        self._waits, self._lookups = {}, {}
        for waiter in waiters:
            self._leave(waiter)
            self._answers.refuse(waiter.message, errno)


class _Batch:
    """The answers that a batch gives to waiting requests; it is not committed yet."""

    def __init__(self) -> None:
        self.states: dict[int, Job | None] = {}  # of the jobs in this batch, by key
        self.answered: dict[int, tuple[Waiter, Job | None]] = {}  # None: it was invalidated
        self.unclear: set[int] = set()  # ids with events that precede stored ones


def _states(job: Job) -> tuple[int, int]:
    return job.state, job.states_mask
