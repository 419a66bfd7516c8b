# SPDX-License-Identifier: LGPL-3.0
"""Listing jobs: those that match a constraint, in job-list's order.

Active jobs are few and in memory, or in one small table: each is compared with the constraint.
Inactive jobs are found by indexes, as constraints/sql_plan.py decides and candidates.py does.
Access rights are no matter here: a caller adds them to the constraint.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator
from itertools import islice
from typing import TypeAlias

import apsw

from eventstore.storage.sql import fetch, value
from projections.constraints.evaluate import Matcher
from projections.constraints.possible_states import possible_states
from projections.constraints.sql_plan import Plan, plan
from projections.constraints.tree import Constraint
from projections.engine.fold_batch import decode_state
from projections.job.packing import packed
from projections.job.state import INACTIVE, PENDING, RUNNING, Job
from projections.queries.candidates import Scope, candidates, compared, cost_of
from projections.queries.render import Renderer

Pack: TypeAlias = Callable[[Job], str]
"""Encodes all values of a job, as `projections.job.packing.packed` does."""


def active_jobs(db: apsw.Connection) -> list[Job]:
    """Return all active jobs."""
    sql = "SELECT data FROM active JOIN fold USING (job)"
    return [decode_state(data) for (data,) in fetch(db, sql)]


def unfinished_keys(db: apsw.Connection) -> frozenset[int]:
    """Return the keys of all jobs that are not inactive, NEW ones included."""
    return frozenset(key for (key,) in fetch(db, "SELECT job FROM fold"))


def last_key(db: apsw.Connection) -> int:
    """Return the key of the newest job, 0 if there is none."""
    key: int = value(db, "SELECT coalesce(max(key), 0) FROM job")
    return key


def unpurged(db: apsw.Connection) -> list[int]:
    """Return the keys of the inactive jobs that the job manager has not purged."""
    sql = "SELECT job FROM inactive WHERE t_purged IS NULL"
    return [key for (key,) in fetch(db, sql)]


def listing(
    db: apsw.Connection,
    constraint: Constraint,
    renderer: Renderer,
    *,
    active: Callable[[], Iterable[Job]],
    scope: Scope,
    max_comparisons: int = 0,
    pack: Pack = packed,
    hidden: Container[int] = (),
) -> Iterator[bytes]:
    """Yield the jobs that match, as JSON text: pending, running, then inactive ones.

    Pending jobs are in the order of priority (highest first) and id, running ones by
    ``t_run`` and inactive ones by ``t_inactive`` (latest first) and id. Each of the three lists
    is skipped where no job in it can match, as job-list does (flux-core, state_match.c).

    ``active`` returns the active jobs, and ``pack`` encodes their values. With
    ``max_comparisons``, all jobs are compared in the order of the list as job-list does, and
    TooManyComparisonsError is raised beyond that number; indexes are not used then.

    ``hidden`` has keys of jobs that do not count as inactive.

    For a job that was read and does not match, an empty text is yielded, so that a caller that
    takes turns with others can pause there.
    """
    matcher = Matcher(constraint, max_comparisons)
    states = possible_states(constraint)
    pending, running = states & PENDING, states & RUNNING
    if pending or running:
        jobs = list(active())

        def rendered(job: Job) -> bytes:
            return renderer.text(job.id, pack(job))

        if pending:
            yield from _active(jobs, PENDING, _pending_order, matcher, rendered)
        if running:
            yield from _active(jobs, RUNNING, _running_order, matcher, rendered)
    if not states & INACTIVE:
        return
    chosen = _COMPARE_ALL if max_comparisons else plan(constraint, cost_of(db))
    rows = candidates(db, chosen, scope)
    if hidden:
        rows = (row for row in rows if row[2] not in hidden)
    if not chosen.residual_check:
        for _, jobid, _, values in islice(rows, _CACHED):
            yield renderer.text(jobid, values)
        for _, jobid, _, values in rows:
            yield renderer.uncached(jobid, values)
        return
    for row in rows:
        _, jobid, _, values, *_ = row
        yield renderer.text(jobid, values) if matcher.matches(compared(row)) else b""


_COMPARE_ALL = Plan("1", residual_check=True)
_CACHED = 4000
"""Jobs of a list whose texts are looked for among the last rendered ones: of more, the first
would have been dropped when the list is asked for again."""


def _active(
    jobs: Iterable[Job],
    states: int,
    order: Callable[[Job], tuple[float, float]],
    matcher: Matcher,
    rendered: Callable[[Job], bytes],
) -> Iterator[bytes]:
    for job in sorted((job for job in jobs if job.state & states), key=order):
        yield rendered(job) if matcher.matches(job) else b""


def _pending_order(job: Job) -> tuple[float, float]:
    return -job.priority, job.id


def _running_order(job: Job) -> tuple[float, float]:
    # Of equal times, the one that came last is in front (flux-core, job_state.c).
    return -job.t_run, -job.entered
