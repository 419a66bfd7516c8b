# SPDX-License-Identifier: LGPL-3.0
"""Job statistics: how many jobs are in each state, and how they ended, by queue.

For now, the sums of the projection ``stats`` are read. For a past moment three parts are added
up: the sums by hour give the jobs that ended in earlier hours; the inactive list gives those
that ended within the hour of that moment; and jobs that were active then are folded again
(see as_of.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import apsw

from eventstore.storage.sql import fetch
from projections.definitions.stats import hour
from projections.job.state import LISTED_STATES, RESULTS
from projections.queries.as_of import jobs_at

# Columns of the tables of sums (stats.sql), which are also the names in job-list's answer.
_STATES = tuple(state.key for state in LISTED_STATES)
_RESULTS = tuple(result.statistic for result in RESULTS)
_PURGED = tuple(f"purged_{name}" for name in _RESULTS)
_COLUMNS = ("queue", "all_queues", *_STATES, *_RESULTS, *_PURGED)
_STATE_KEYS = {state.mask: state.key for state in LISTED_STATES}


@dataclass
class StateCounts:
    """Numbers of jobs by state, and of the inactive ones by result (names of job-stats).

    ``purged`` is the number of inactive jobs that are left out of both.
    """

    states: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_STATES, 0))
    results: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_RESULTS, 0))
    purged: int = 0

    def add_ended(self, amounts: Iterable[int], sign: int = 1) -> None:
        """Add inactive jobs: a number for each result, in the order of RESULTS."""
        for name, amount in zip(_RESULTS, amounts, strict=True):
            self.results[name] += sign * amount
            self.states["inactive"] += sign * amount

    def take_purged(self, amounts: Iterable[int]) -> None:
        """Take out inactive jobs that were purged: a number for each result."""
        numbers = tuple(amounts)
        self.add_ended(numbers, -1)
        self.purged += sum(numbers)

    def answer(self) -> dict[str, object]:
        """Return job-list's form of the counts (flux-core, stats.c)."""
        states = {**self.states, "total": sum(self.states.values())}
        return {"job_states": states, **self.results, "inactive_purged": self.purged}


@dataclass
class JobStats:
    """Counts over all jobs, and by queue: every queue that a job was ever in."""

    total: StateCounts = field(default_factory=StateCounts)
    queues: dict[str, StateCounts] = field(default_factory=dict)

    def queue(self, name: str) -> StateCounts:
        """Return the counts of a queue, which is listed from now on."""
        return self.queues.setdefault(name, StateCounts())

    def of_job(self, queue: str | None) -> list[StateCounts]:
        """Return the counts that a job of this queue belongs to."""
        return [self.total] if queue is None else [self.total, self.queue(queue)]

    def of_row(self, queue: str, all_queues: int) -> StateCounts:
        """Return the counts that a row of a table of sums belongs to."""
        return self.total if all_queues else self.queue(queue)

    def answer(self) -> dict[str, object]:
        """Return job-list's answer to ``job-stats``."""
        queues = [{**counts.answer(), "name": name} for name, counts in self.queues.items()]
        return {**self.total.answer(), "queues": queues}


def stats_now(db: apsw.Connection, *, follow: bool) -> JobStats:
    """Return the counts; with ``follow``, jobs that were purged are left out."""
    found = JobStats()
    for row in fetch(db, f"SELECT {', '.join(_COLUMNS)} FROM stats ORDER BY queue"):
        sums = dict(zip(_COLUMNS, row, strict=True))
        counts = found.of_row(sums["queue"], sums["all_queues"])
        counts.states = {name: sums[name] for name in _STATES}
        counts.results = {name: sums[name] for name in _RESULTS}
        if follow:
            counts.take_purged(sums[name] for name in _PURGED)
    for (queue,) in fetch(db, "SELECT DISTINCT queue FROM left_queue"):
        found.queue(queue)
    return found


def stats_at(db: apsw.Connection, time: float, *, follow: bool) -> JobStats:
    """Return the counts of a past moment (seconds since the epoch)."""
    found = JobStats()
    for job in jobs_at(db, time):
        for counts in found.of_job(job.queue):
            counts.states[_STATE_KEYS[job.state]] += 1
        for queue in job.queues:
            found.queue(queue)
    # Queues that jobs had left by then: of jobs that were active, the loop above listed them.
    # CROSS JOIN: SQLite would begin with all jobs that have ended, and few have left a queue.
    sql = "SELECT DISTINCT left_queue.queue FROM left_queue CROSS JOIN inactive USING (job)"
    for (queue,) in fetch(db, f"{sql} WHERE t_inactive <= ?", (time,)):
        found.queue(queue)
    _add_past(db, found, time, ("ended", "t_inactive"), StateCounts.add_ended)
    if follow:
        _add_past(db, found, time, ("purged_by_hour", "t_purged"), StateCounts.take_purged)
    return found


def _add_past(
    db: apsw.Connection,
    found: JobStats,
    time: float,
    source: tuple[str, str],
    add: Callable[[StateCounts, Iterable[int]], None],
) -> None:
    """Add what happened up to ``time``: earlier hours from sums, its own hour from the list.

    ``source`` names the table of sums by hour and the column of the inactive list that says
    when it happened.
    """
    table, column = source
    sums = ", ".join(f"sum({name})" for name in _RESULTS)
    sql = f"SELECT queue, all_queues, {sums} FROM {table} WHERE hour < ? GROUP BY 1, 2"
    for queue, all_queues, *amounts in fetch(db, sql, (hour(time),)):
        add(found.of_row(queue, all_queues), amounts)
    within = f"{column} >= ? AND {column} <= ?"
    sql = f"SELECT queue, result, count(*) FROM inactive WHERE {within} GROUP BY queue, result"
    for queue, result, amount in fetch(db, sql, (hour(time) * 3600.0, time)):
        for counts in found.of_job(queue):
            add(counts, [amount if one.name == result else 0 for one in RESULTS])
