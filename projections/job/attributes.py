# SPDX-License-Identifier: LGPL-3.0
"""A job's attributes as job-list answers them (flux-core, job_util.c).

An attribute that does not apply, or is not known, is None here and absent in an answer.
``ATTRIBUTES`` is in the order in which job-list answers ``all``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Any

from projections.job.state import CLEANUP, DEPEND, INACTIVE, RUN, SCHED, Job

_Value = Callable[[Job], Any]


def _known(name: str) -> _Value:
    """Return a function for this member, None if it is negative: not known."""

    def value(job: Job) -> Any:  # noqa: ANN401 - any JSON
        found = getattr(job, name)
        return None if found < 0 else found

    return value


def _since(state: int, name: str) -> _Value:
    """Return a function for this member, None before the job was in ``state``."""

    def value(job: Job) -> Any:  # noqa: ANN401 - any JSON
        return getattr(job, name) if job.states_mask & state else None

    return value


def _first(name: str) -> _Value:
    """Return a function for this time, which is kept when the state is entered again."""
    return lambda job: getattr(job, name) or None


_member = attrgetter


def _exception(name: str) -> _Value:
    def value(job: Job) -> Any:  # noqa: ANN401 - any JSON
        shown = job.states_mask & INACTIVE and job.exception_occurred
        return getattr(job, name) if shown else None

    return value


def t_depend(job: Job) -> float | None:
    """Return when DEPEND was entered.

    A job of flux-core before 0.41.1 (version of ``submit`` below 1) entered it at t_submit.
    """
    if job.submit_version < 1:
        return job.t_submit
    return job.t_depend if job.states_mask & DEPEND else None


def _expiration(job: Job) -> float | None:
    return job.expiration if job.states_mask & RUN and job.expiration >= 0 else None


# One more is also written in `_values_of_finished` and packing.py's `packed_usual`, in the same
# order. Its values go into stored rows, so the versions of `active` and `inactive` change, too.
ATTRIBUTES: dict[str, _Value] = {
    "userid": _member("userid"),
    "urgency": _member("urgency"),
    "priority": _since(SCHED, "priority"),
    "t_submit": _member("t_submit"),
    "t_depend": t_depend,
    "t_priority": _first("t_priority"),
    "t_sched": _first("t_sched"),
    "t_run": _since(RUN, "t_run"),
    "t_cleanup": _since(CLEANUP, "t_cleanup"),
    "t_inactive": _since(INACTIVE, "t_inactive"),
    "state": _member("state"),
    "name": _member("name"),
    "cwd": _member("cwd"),
    "queue": _member("queue"),
    "project": _member("project"),
    "bank": _member("bank"),
    "ntasks": _known("ntasks"),
    "ncores": _known("ncores"),
    "duration": _known("duration"),
    "nnodes": _known("nnodes"),
    "ranks": _since(RUN, "ranks"),
    "nodelist": _since(RUN, "nodelist"),
    "success": _since(INACTIVE, "success"),
    "exception_occurred": _since(INACTIVE, "exception_occurred"),
    "exception_type": _exception("exception_type"),
    "exception_severity": _exception("exception_severity"),
    "exception_note": _exception("exception_note"),
    "result": _since(INACTIVE, "result"),
    "expiration": _expiration,
    "annotations": _member("annotations"),
    "waitstatus": lambda job: None if job.wait_status < 0 else job.wait_status,
    "dependencies": _member("dependencies"),
}


def answer(job: Job, attributes: Iterable[str] = tuple(ATTRIBUTES)) -> dict[str, Any]:
    """Return the job as job-list answers it: ``id`` first, then the attributes asked for.

    Raises KeyError for an unknown attribute.
    """
    found: dict[str, Any] = {"id": job.id}
    for name in attributes:
        value = ATTRIBUTES[name](job)
        if value is not None:
            found[name] = value
    return found


_GETTERS = tuple(ATTRIBUTES.values())
_LIFE = DEPEND | SCHED | RUN | CLEANUP | INACTIVE
"""The states of which every job that ran and finished has the bits."""


def values_of(job: Job) -> list[Any]:
    """Return the values of all attributes in the order of ATTRIBUTES, None where absent."""
    if job.states_mask & _LIFE == _LIFE and job.submit_version >= 1:
        return _values_of_finished(job)
    return [get(job) for get in _GETTERS]


def _values_of_finished(job: Job) -> list[Any]:
    """Return the values of a job that ran and finished: most attributes are its members."""
    fault = job.exception_occurred
    return [
        job.userid, job.urgency, job.priority, job.t_submit, job.t_depend,
        job.t_priority or None, job.t_sched or None, job.t_run, job.t_cleanup, job.t_inactive,
        job.state, job.name, job.cwd, job.queue, job.project, job.bank,
        None if job.ntasks < 0 else job.ntasks,
        None if job.ncores < 0 else job.ncores,
        None if job.duration < 0 else job.duration,
        None if job.nnodes < 0 else job.nnodes,
        job.ranks, job.nodelist, job.success, fault,
        job.exception_type if fault else None,
        job.exception_severity if fault else None,
        job.exception_note if fault else None,
        job.result,
        job.expiration if job.expiration >= 0 else None,
        job.annotations,
        None if job.wait_status < 0 else job.wait_status,
        job.dependencies,
    ]  # fmt: skip
