# SPDX-License-Identifier: LGPL-3.0
"""Job statistics: how many jobs are in each state, and how they ended, by queue.

Now, they are read from sums. For a past moment, the sums by hour give all that ended in the
hours before, the list what ended in the hour itself, and the jobs alive then the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import apsw

from eventstore.storage.sql import fetch
from projections.definitions.builtin import hour
from projections.job.state import (
    CANCELED,
    COMPLETED,
    FAILED,
    INACTIVE,
    STATES,
    TIMEOUT,
    Job,
)
from projections.queries.as_of import jobs_at

_ENDINGS = {COMPLETED: "successful", FAILED: "failed", CANCELED: "canceled", TIMEOUT: "timeout"}
_NAMES = tuple(_ENDINGS.values())


@dataclass
class Stats:
    """Counts of jobs; ``purged`` is how many of the inactive ones are left out."""

    states: dict[str, int] = field(default_factory=lambda: dict.fromkeys(STATES, 0))
    endings: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_NAMES, 0))
    purged: int = 0

    def end(self, endings: Iterable[int], sign: int = 1) -> None:
        """Count jobs that ended: successful, failed, canceled, timeout."""
        for name, amount in zip(_NAMES, endings, strict=True):
            self.endings[name] += sign * amount
            self.states["inactive"] += sign * amount

    def purge(self, endings: Iterable[int]) -> None:
        """Leave out jobs that ended so and were purged."""
        amounts = tuple(endings)
        self.end(amounts, -1)
        self.purged += sum(amounts)

    def answer(self) -> dict[str, object]:
        """Return job-list's form of it (flux-core, stats.c)."""
        states = {**self.states, "total": sum(self.states.values())}
        return {"job_states": states, **self.endings, "inactive_purged": self.purged}


@dataclass
class AllStats:
    """Counts over all jobs, and by queue: every queue that a job was ever in."""

    total: Stats = field(default_factory=Stats)
    queues: dict[str, Stats] = field(default_factory=dict)

    def of(self, queue: str, all_queues: int) -> Stats:
        """Return the counts of a row's queue, or of all."""
        return self.total if all_queues else self.queues.setdefault(queue, Stats())

    def answer(self) -> dict[str, object]:
        """Return job-list's answer to ``job-stats``."""
        queues = [{**stats.answer(), "name": name} for name, stats in self.queues.items()]
        return {**self.total.answer(), "queues": queues}


def stats_now(db: apsw.Connection, *, follow: bool) -> AllStats:
    """Return the counts; with ``follow``, jobs that were purged are left out."""
    found = AllStats()
    for queue, all_queues, *counts in fetch(db, "SELECT * FROM stats ORDER BY queue"):
        stats = found.of(queue, all_queues)
        stats.states = dict(zip(STATES, counts, strict=False))
        stats.endings = dict(zip(_NAMES, counts[6:], strict=False))
        if follow:
            stats.purge(counts[10:14])
    for (queue,) in fetch(db, "SELECT DISTINCT queue FROM left_queue"):
        found.of(queue, 0)
    return found


def stats_at(db: apsw.Connection, time: float, *, follow: bool) -> AllStats:
    """Return the counts of a past moment."""
    found = AllStats()
    for job in jobs_at(db, time):
        for stats in _concerned(found, job.queue):
            stats.states[_state_name(job)] += 1
        for queue in job.queues:
            found.of(queue, 0)
    # Jobs that were alive have told of theirs.
    sql = "SELECT DISTINCT l.queue FROM left_queue l JOIN inactive USING (job)"
    for (queue,) in fetch(db, f"{sql} WHERE t_inactive <= ?", (time,)):
        found.of(queue, 0)
    _count(db, found, time, ("ended", "t_inactive"), Stats.end)
    if follow:
        _count(db, found, time, ("purged_by_hour", "t_purged"), Stats.purge)
    return found


def _count(
    db: apsw.Connection,
    found: AllStats,
    time: float,
    where: tuple[str, str],
    count: Callable[[Stats, Iterable[int]], None],
) -> None:
    """Count what the sums say of the hours before, and the list of this hour."""
    sums, column = where
    added = ", ".join(f"sum({name})" for name in _NAMES)
    for queue, all_queues, *endings in fetch(
        db,
        f"SELECT queue, all_queues, {added} FROM {sums} WHERE hour < ? GROUP BY 1, 2",
        (hour(time),),
    ):
        count(found.of(queue, all_queues), endings)
    for queue, result, amount in fetch(
        db,
        f"SELECT queue, result, count(*) FROM inactive WHERE {column} >= ? AND {column} <= ?"
        " GROUP BY queue, result",
        (hour(time) * 3600.0, time),
    ):
        for stats in _concerned(found, queue):
            count(stats, [amount if ending == result else 0 for ending in _ENDINGS])


def _concerned(found: AllStats, queue: str | None) -> list[Stats]:
    return [found.total] if queue is None else [found.total, found.of(queue, 0)]


def _state_name(job: Job) -> str:
    assert job.state != INACTIVE
    return next(name for name, state in STATES.items() if state == job.state)
