# SPDX-License-Identifier: LGPL-3.0
"""Explains from a job's events what it is charged, or why it is not in the accounting feed.

Each figure is given with the event that last changed it. The charge is what flux-accounting
adds to a usage for the job (its job_usage_calculation.py): weighted resources times seconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from eventstore.events.records import Record
from projections.formats import idset
from projections.job.clock import Step, steps
from projections.job.reducers import fold
from projections.job.resource_set import gpus, parse_r
from projections.job.state import INACTIVE, LISTED_STATES, RUN, Job
from projections.queries.accounting_feed import requested

__all__ = ["Explanation", "Figure", "explain"]

_WEIGHTS = {"node": 1.0, "core": 0.0, "gpu": 0.0}
"""flux-accounting's defaults."""

_STATE_NAMES = {state.mask: state.name for state in LISTED_STATES}


class Figure(NamedTuple):
    """A fact about a job, and the event that last changed it; None: no event did."""

    name: str
    value: Any
    event: Record | None


class Explanation(NamedTuple):
    """``verdict`` in words; ``charge`` in weighted seconds, None where nothing is charged.

    ``steps``: where the clock was set, so that the times are not what they seem.
    """

    verdict: str
    charge: float | None
    figures: list[Figure]
    steps: list[Step]


def explain(
    records: Sequence[Record], *, gone: bool = False, weights: Mapping[str, float] | None = None
) -> Explanation:
    """Explain a job from its events, in their order.

    ``gone``: the job manager lost the job before it was inactive. ``weights``: those of
    "node", "core" and "gpu" that flux-accounting has configured.
    """
    job, events = _folded(records)
    facts = _facts(job)
    figures = [Figure(name, facts[name], events.get(name)) for name in facts]
    set_at = steps((record.entry.timestamp, record.entry.name) for record in records)
    reason = _why_not(job, records, gone=gone)
    if reason is not None or job is None:
        return Explanation(f"not in the feed: {reason}", None, figures, set_at)
    verdict, charge = _charge(job, facts, {**_WEIGHTS, **(weights or {})})
    return Explanation(verdict, charge, figures, set_at)


def _charge(job: Job, facts: dict[str, Any], weights: dict[str, float]) -> tuple[str, float]:
    seconds = job.t_inactive - job.t_run
    units = {name: facts[f"{name}s"] or 0 for name in weights}
    # Rounded as flux-accounting does it.
    charge = round(sum(units[name] * weights[name] for name in weights) * seconds, 5)
    counted = " + ".join(
        f"{units[name]} {name}{'s' * (units[name] != 1)} x {weight:g}"
        for name, weight in weights.items()
        if weight
    )
    owner = f"bank {facts['bank']}" if facts["bank"] else "no bank: no usage grows by it"
    return (
        f"charged {charge:.5f} = ({counted or 0}) x {seconds:.5f} s"
        f" to user {job.userid}, {owner}",
        charge,
    )


def _folded(records: Sequence[Record]) -> tuple[Job | None, dict[str, Record]]:
    """Fold a job event by event; return its state, and what event last changed each fact."""
    job: Job | None = None
    events: dict[str, Record] = {}
    before: dict[str, Any] = {}
    for record in records:
        job = fold(job, [record])
        facts = _facts(job)
        events |= {name: record for name in facts if facts[name] != before.get(name)}
        before = facts
    return job, events


def _facts(job: Job | None) -> dict[str, Any]:
    if job is None:
        return {}
    project, bank, duration = requested(job.jobspec)
    r = parse_r(job.R) if job.R is not None else None
    return {
        "state": _STATE_NAMES.get(job.state, "NEW"),
        "user": job.userid,
        "bank": bank,
        "project": project,
        "requested": duration,
        "submitted": job.t_submit,
        "started": job.t_run or None,
        "ended": job.t_inactive or None,
        "nodes": idset.count(r.ranks) if r is not None else None,
        "cores": r.cores if r is not None else None,
        "gpus": gpus(job.R) if job.R is not None and r is not None else None,
    }


def _why_not(job: Job | None, records: Sequence[Record], *, gone: bool) -> str | None:
    """Return why the feed has no row of the job; None where it has one."""
    if job is None:
        rejected = any(record.entry.name == "invalidate" for record in records)
        return "it was rejected" if rejected else "its submit event was not seen"
    if gone:
        return "the job manager lost it, and how it ended was not seen"
    if job.state != INACTIVE:
        return "it has not finished"
    if not job.states_mask & RUN:
        why = job.exception_note or job.exception_type
        return "it never ran" + (f" ({why})" if why else "")
    lacking = [name for name in ("ranks", "R", "jobspec") if getattr(job, name) is None]
    return f"not known of it: {', '.join(lacking)}" if lacking else None
