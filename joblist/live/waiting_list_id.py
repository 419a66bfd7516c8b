# SPDX-License-Identifier: LGPL-3.0
"""Requests for one job that wait: for its first event, or for a state (flux-core, idsync.c).

An id that was never seen is looked up in the KVS: where there is no such job, waiting would
be in vain. No job's data is read there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from errno import ENOENT
from functools import partial
from typing import NamedTuple

from eventstore.events.records import Notice, Record
from joblist.live.ports import Bus, Message
from joblist.protocol.requests import ListIdRequest
from projections.job.reducers import fold
from projections.job.state import INACTIVE, NEW, Job

Answer = Callable[["Waiter"], None]
"""Answers a request, or has it wait again."""
AnswerWith = Callable[["Waiter", Job], None]
"""Answers a request with the job as it is given."""


class Waiter(NamedTuple):
    """A request that waits, and what it is for."""

    message: Message
    wanted: ListIdRequest

    def fulfilled_by(self, job: Job) -> bool:
        """Whether the job is what was waited for.

        A job can miss a state: one that is over fulfills every wish.
        """
        wish = self.wanted.state
        return job.state == INACTIVE or (
            job.state != NEW and (not wish or bool(wish & job.states_mask))
        )


class Waiting:
    """All requests that wait. ``lookups`` and ``waits`` are counted by stats-get."""

    def __init__(self, bus: Bus, answer: Answer, answer_with: AnswerWith) -> None:
        self._bus = bus
        self._answer = answer
        self._answer_with = answer_with
        self._lookups: list[Waiter] = []
        self._waits: dict[int, list[Waiter]] = {}
        self._seen: dict[int, Job | None] = {}  # jobs of this batch, by their key
        self._met: list[tuple[Waiter, Job | None]] = []
        self._unclear: set[int] = set()  # ids with events that come before others

    @property
    def lookups(self) -> int:
        """How many are being looked up."""
        return len(self._lookups)

    @property
    def waits(self) -> int:
        """How many ids are waited for."""
        return len(self._waits)

    def look_up(self, waiter: Waiter) -> None:
        """Wait for an id that was never seen, if there is such a job."""
        self._lookups.append(waiter)
        self._bus.job_exists(waiter.wanted.id, partial(self._looked_up, waiter))

    def _looked_up(self, waiter: Waiter, errno: int) -> None:
        if waiter not in self._lookups:
            return  # its client went away
        self._lookups.remove(waiter)
        if errno:
            self._bus.respond_error(waiter.message, errno, None)
        else:
            self.wait(waiter)
            self.ask_again([waiter.wanted.id])  # it may have come meanwhile

    def wait(self, waiter: Waiter) -> None:
        """Wait for a job's next event."""
        self._waits.setdefault(waiter.wanted.id, []).append(waiter)

    def ask_again(self, jobids: Iterable[int] | None = None) -> None:
        """Put the requests for these ids once more, those for all ids if there are none."""
        for jobid in list(self._waits) if jobids is None else jobids:
            for waiter in self._waits.pop(jobid, []):
                self._answer(waiter)

    # -- one batch of events

    def see(
        self, records: Sequence[Record | Notice], before: Callable[[int], Job | None]
    ) -> None:
        """Look for what is waited for, event by event: a state may last for one only.

        ``before`` returns a job's state before these events, by its key.
        """
        self._seen, self._met, self._unclear = {}, [], set()
        for record in records if self._waits else ():
            if isinstance(record, Record) and record.jobid in self._waits:
                if record.late:
                    self._unclear.add(record.jobid)
                else:
                    self._see_event(record, before)

    def _see_event(self, record: Record, before: Callable[[int], Job | None]) -> None:
        old = self._seen[record.job] if record.job in self._seen else before(record.job)
        job = self._seen[record.job] = fold(old, [record])
        invalid = old is not None and job is None
        met = {id(waiter) for waiter, _ in self._met}
        for waiter in self._waits[record.jobid]:
            if id(waiter) not in met and (
                invalid or (job is not None and waiter.fulfilled_by(job))
            ):
                self._met.append((waiter, job))

    def respond(self) -> None:
        """Answer those that `see` found, after the batch was stored."""
        met, self._met = self._met, []
        for waiter, job in met:
            self._remove(waiter)
            if job is None:
                self._bus.respond_error(waiter.message, ENOENT, None)
            else:
                self._answer_with(waiter, job)
        self.ask_again(self._unclear)

    def _remove(self, waiter: Waiter) -> None:
        waiters = self._waits[waiter.wanted.id]
        waiters.remove(waiter)
        if not waiters:
            del self._waits[waiter.wanted.id]

    # -- clients

    def drop(self, message: Message) -> None:
        """Forget the requests of a client that went away."""
        self._lookups = [w for w in self._lookups if not w.message.dropped_by(message)]
        for waiters in list(self._waits.values()):
            for waiter in [w for w in waiters if w.message.dropped_by(message)]:
                self._remove(waiter)

    def close(self, errno: int) -> None:
        """Refuse all that still wait."""
        waiters = [w for same in self._waits.values() for w in same] + self._lookups
        self._waits, self._lookups = {}, []
        for waiter in waiters:
            self._bus.respond_error(waiter.message, errno, None)
