# SPDX-License-Identifier: LGPL-3.0
"""All jobs of one Flux instance: what is listed, in which order, and counted how.

The rules are those of flux-core's list.c and stats.c. Restarts, purges and events that are
read late are where this project says more than job-list can (docs/design.md), so that its
own promises are written down here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from math import inf, nextafter
from typing import Any, NamedTuple

from tests.oracle.answer import (
    CANCELED,
    COMPLETED,
    FAILED,
    TIMEOUT,
    Past,
    attributes,
    past,
    priority,
    result,
)
from tests.oracle.events import Boot, Event, Moment
from tests.oracle.states import (
    CLEANUP,
    DEPEND,
    INACTIVE,
    NEW,
    PENDING,
    PRIORITY,
    RUN,
    RUNNING,
    SCHED,
    joined_running,
    was_in,
)

STATE_NAMES = ("depend", "priority", "sched", "run", "cleanup", "inactive")
ENDINGS = {
    "successful": COMPLETED,
    "failed": FAILED,
    "canceled": CANCELED,
    "timeout": TIMEOUT,
}


class Known(NamedTuple):
    """A job that was submitted, and what is made of it."""

    jobid: int
    it: Past
    state: int
    answer: dict[str, Any]


class Mark(NamedTuple):
    """Something that was told of a job from outside, when, and after which event."""

    jobid: int
    time: float
    seq: int


class Instance:
    """What an instance's journal told, and what follows from it."""

    def __init__(self) -> None:
        self.moments: dict[int, list[Moment]] = {}
        self.purges: list[Mark] = []
        self.losses: list[Mark] = []  # by a backlog that does not have the job
        self.latest = 0.0  # the time of the last event
        self._known: dict[int, Known | None] = {}
        self._seq = 0

    # -- what happens

    def take(self, jobid: int, event: Event, *, late: bool = False) -> None:
        """An event that is not known yet; ``late``: one that another reader missed.

        Late ones stand where their time says, others behind all.
        """
        self._seq += 1
        event = event._replace(seq=self._seq)
        self.latest = max(self.latest, event.time)
        moments = self.moments.setdefault(jobid, [])
        behind = [
            i for i, m in enumerate(moments) if isinstance(m, Event) and m.time > event.time
        ]
        moments.insert(behind[0] if late and behind else len(moments), event)
        self._known.pop(jobid, None)

    def boot(self, memos: dict[int, list[Any]], read_before: float) -> None:
        """The broker started again; its job manager has these memos, by job.

        That was after all events up to the time ``read_before``.
        """
        for jobid, moments in self.moments.items():
            moments.append(Boot(tuple(memos.get(jobid, ())), nextafter(read_before, inf)))
        self._known.clear()

    def purge(self, jobids: Iterable[int]) -> None:
        """Inactive jobs are forgotten by the job manager; others cannot be."""
        time = nextafter(self.latest, inf)
        self.purges += [
            Mark(jobid, time, self._seq) for jobid in jobids if self.state(jobid) == INACTIVE
        ]

    def lose(self, jobids: Iterable[int], read_before: float) -> None:
        """A complete backlog does not have these."""
        time = nextafter(read_before, inf)
        self.losses += [Mark(jobid, time, self._seq) for jobid in jobids]
        self._known.clear()

    def at(self, time: float) -> Instance:
        """The instance as it was: what came after the last event up to then had not been."""
        then = Instance()
        for jobid, moments in self.moments.items():
            ends = [
                i
                for i, m in enumerate(moments, start=1)
                if isinstance(m, Event) and m.time <= time
            ]
            kept = moments[: max(ends, default=0)]
            kept += [m for m in moments[len(kept) :] if isinstance(m, Boot)]
            then.moments[jobid] = [m for m in kept if isinstance(m, Event) or m.time <= time]
        then.purges = [mark for mark in self.purges if mark.time <= time]
        then.losses = [mark for mark in self.losses if mark.time <= time]
        return then

    # -- what follows

    def known(self, jobid: int) -> Known | None:
        if jobid not in self._known:
            it = past(self.moments.get(jobid, []))
            self._known[jobid] = None
            if it is not None:
                state = it.states[-1]
                self._known[jobid] = Known(jobid, it, state, attributes(it, jobid))
        return self._known[jobid]

    def _lost(self, jobid: int) -> bool:
        """Whether a backlog did not have the job, and nothing was heard of it since."""
        last = max((m.seq for m in self.moments[jobid] if isinstance(m, Event)), default=0)
        return any(mark.jobid == jobid and last <= mark.seq for mark in self.losses)

    def state(self, jobid: int) -> int:
        """The state of a job; 0: there is none, or none that is known of."""
        known = self.known(jobid)
        if known is None or (known.state != INACTIVE and self._lost(jobid)):
            return 0
        return known.state

    def purged(self, jobid: int) -> bool:
        """Whether an inactive job was forgotten by the job manager."""
        told = any(mark.jobid == jobid for mark in self.purges)
        return self.state(jobid) == INACTIVE and (told or self._lost(jobid))

    def one(self, jobid: int, *, follow: bool = False) -> dict[str, Any] | None:
        """The answer to ``list-id``; None: it waits, or there is no such job."""
        known = self.known(jobid)
        if known is None or self.state(jobid) in (0, NEW):
            return None
        return None if follow and self.purged(jobid) else known.answer

    def visited(self, jobid: int) -> set[int]:
        """The states for which ``list-id`` with a state does not wait; empty: for none."""
        known = self.known(jobid)
        if known is None or self.state(jobid) in (0, NEW):
            return set()
        every = (DEPEND, PRIORITY, SCHED, RUN, CLEANUP, INACTIVE)
        if known.state == INACTIVE:
            return set(every)
        return {state for state in every if was_in(known.it.events, known.it.states, state)}

    def _in(self, states: Iterable[int], *, follow: bool) -> list[Known]:
        found = []
        for jobid in self.moments:
            known = self.known(jobid)
            there = self.one(jobid, follow=follow) is not None
            if known is not None and there and known.state in states:
                found.append(known)
        return found

    def listed(self, *, follow: bool = False) -> list[dict[str, Any]]:
        """The answer to ``list``: pending, running, inactive jobs, each in its order."""
        pending = sorted(
            self._in(PENDING, follow=follow), key=lambda job: (-priority(job.it), job.jobid)
        )
        running = sorted(
            self._in(RUNNING, follow=follow),
            key=lambda job: (
                -job.answer.get("t_run", 0.0),
                -joined_running(job.it.events, job.it.states),
            ),
        )
        inactive = sorted(
            self._in([INACTIVE], follow=follow),
            key=lambda job: (-job.answer["t_inactive"], -job.jobid),
        )
        return [job.answer for job in (*pending, *running, *inactive)]

    # -- counts

    def stats(self, *, follow: bool = False) -> dict[str, Any]:
        """The answer to ``job-stats``, with the queues by name."""
        there = [known for known in map(self.known, self.moments) if known is not None]
        there = [known for known in there if self.state(known.jobid)]
        queues = {name for known in there for name in queues_of(known.it)}
        counts = self._counts(there, follow=follow)
        counts["queues"] = [
            {
                **self._counts(
                    [job for job in there if job.answer.get("queue") == name], follow=follow
                ),
                "name": name,
            }
            for name in sorted(queues)
        ]
        return counts

    def _counts(self, jobs: list[Known], *, follow: bool) -> dict[str, Any]:
        purged = [job for job in jobs if follow and self.purged(job.jobid)]
        left = [job for job in jobs if job not in purged and job.state != NEW]
        states = Counter(job.state for job in left)
        counts: dict[str, Any] = {
            "job_states": {name: states[2 << bit] for bit, name in enumerate(STATE_NAMES)}
        }
        counts["job_states"]["total"] = len(left)
        results = Counter(result(job.it) for job in left if job.state == INACTIVE)
        counts |= {name: results[ending] for name, ending in ENDINGS.items()}
        return counts | {"inactive_purged": len(purged)}


def queues_of(it: Past) -> set[str]:
    """Every queue that a job was in: it has one from the time that a jobspec was read."""
    return {facts["queue"] for facts in it.readings if facts.get("queue") is not None}
