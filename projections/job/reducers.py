# SPDX-License-Identifier: LGPL-3.0
"""The reducers: how each event of RFC 21 changes a job's state.

`fold` is pure: it returns a new state and does not change the old one. The reducers of single
events assign to a private copy, so that folding many events makes one copy.

The rules are those of flux-core's job_state.c, in two parts. An event *requests* a state
(``states_events_mask``); most states are entered at the first request only. ``states_mask`` has
the states that the job is or was in, from which ``urgency``, ``jobspec-update`` and
``flux-restart`` take SCHED back.

An event whose context has not the form that its name asks for changes nothing here, where
flux-core's module would fail for good. Nor does an event of an unknown name (RFC 21).
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from eventstore.events.json_values import MALFORMED
from eventstore.events.records import Record
from projections.formats.json_text import c_string
from projections.formats.json_update import merged, without_nulls
from projections.job.integers import in_64_bits
from projections.job.jobspec import read_jobspec, update_jobspec
from projections.job.resource_set import read_r, update_r
from projections.job.state import (
    CANCELED,
    CLEANUP,
    COMPLETED,
    DEPEND,
    FAILED,
    INACTIVE,
    PRIORITY,
    RUN,
    RUNNING,
    SCHED,
    TIMEOUT,
    Job,
)

FOLD_VERSION = 5
"""Raised whenever the same events lead to another state; all views are rebuilt then."""


class _Submit(Struct, gc=False):
    urgency: int
    userid: int
    version: int = -1


class _Priority(Struct, gc=False):
    priority: int


class _Finish(Struct, gc=False):
    status: int


class _Urgency(Struct, gc=False):
    urgency: int


class _Exception(Struct, gc=False):
    type: str
    severity: int
    note: str


class _Dependency(Struct, gc=False):
    description: str


class _Annotations(Struct, gc=False):
    annotations: Any


class _Malformed(Exception):  # noqa: N818 - never leaves this file
    """The context is not of the form that RFC 21 has for the event."""


_T = TypeVar("_T")
_DECODERS: dict[type, Callable[[bytes], Any]] = {
    form: msgspec.json.Decoder(form).decode
    for form in (
        _Submit,
        _Priority,
        _Finish,
        _Urgency,
        _Exception,
        _Dependency,
        _Annotations,
        dict,
    )
}
_INT32 = range(-(2**31), 2**31)
_LONG = re.compile(rb"[0-9]{19}")  # digits of an integer that may exceed 64 bits


def fold(job: Job | None, records: Iterable[Record]) -> Job | None:
    """Apply a job's events, given in the job's order; None if there is no job.

    A job exists from its ``submit`` on, and no longer once it is ``invalidate``d.
    """
    state = copy.copy(job)
    for record in records:
        name = record.entry.name
        if state is None:
            if name == "submit":
                state = _submitted(record)
            continue
        if record.seq > state.seq:  # noqa: PLR1730 - max() takes twice the time
            state.seq = record.seq
        if state.R is None and record.R is not None:
            state.R, state.R_seq = record.R, record.seq
        if name == "invalidate":
            state = None
            continue
        reducer = _REDUCERS.get(name)
        if reducer is not None:
            try:
                reducer(state, record)
            except _Malformed:
                continue
    return state


def rebooted(job: Job, memos: Iterable[Record]) -> Job:
    """Return an active job after its broker was restarted: its annotations are lost.

    Those of ``memos``, the events of this name in the new backlog, are applied again.
    """
    state = copy.copy(job)
    state.annotations = None
    for record in memos:
        try:
            _memo(state, record)
        except _Malformed:
            continue
    return state


def purged(job: Job, time: float) -> Job:
    """Return an inactive job after the job manager purged it, at ``time``."""
    state = copy.copy(job)
    state.t_purged = time
    return state


def gone(job: Job, time: float) -> Job | None:
    """Return a job after a complete backlog, at ``time``, did not have it.

    An inactive job was purged then. Of any other job it is not known how it ended: None.
    """
    if job.state != INACTIVE:
        return None
    return job if job.t_purged else purged(job, time)


def _submitted(record: Record) -> Job | None:
    job = Job(record.job, record.jobid, record.stream, seq=record.seq)
    if record.jobspec is not None:
        job.jobspec, job.jobspec_seq = record.jobspec, record.seq
    if record.R is not None:
        job.R, job.R_seq = record.R, record.seq
    try:
        _submit(job, record)
    except _Malformed:
        return None
    return job


def _context(record: Record, form: type[_T]) -> _T:
    context = record.entry.context
    if context is None:
        raise _Malformed
    try:
        decoded: _T = _DECODERS[form](context)
        if (
            len(context) > 19
            and _LONG.search(context)
            and not in_64_bits(msgspec.json.decode(context))
        ):
            raise _Malformed
    except MALFORMED:
        raise _Malformed from None
    return decoded


# -- states (RFC 21)


def _enter(job: Job, record: Record, state: int) -> None:
    """Enter ``state``. PRIORITY and SCHED keep the time of the first entry."""
    time = record.entry.timestamp
    if state & RUNNING and not job.state & RUNNING:
        job.entered = record.seq
    job.state = state
    if state == DEPEND:
        job.t_depend = time
    elif state == PRIORITY:
        job.t_priority = job.t_priority or time
    elif state == SCHED:
        job.t_sched = job.t_sched or time
    elif state == RUN:
        job.t_run = time
    elif state == CLEANUP:
        job.t_cleanup = time
    else:
        job.t_inactive = time
    job.states_mask |= state
    _count_queue(job)


def _count_queue(job: Job) -> None:
    if job.queue is not None and job.queue not in job.queues:
        job.queues = (*job.queues, job.queue)


def _advance(job: Job, state: int) -> bool:
    """Note that an event requests ``state``; returns whether it is to be entered.

    It is not, if an event requested it before. (PRIORITY and SCHED can be entered again, and
    are requested without this.)
    """
    again = bool(state & job.states_events_mask)
    job.states_events_mask |= state
    return not again


def _revert(job: Job, record: Record) -> None:
    """Go back from SCHED to PRIORITY; in any other state, stay there."""
    job.states_events_mask |= PRIORITY
    if job.state == SCHED:
        job.states_mask &= ~(SCHED | PRIORITY)
        _enter(job, record, PRIORITY)


def _cleanup(job: Job, record: Record) -> None:
    if _advance(job, CLEANUP):
        _enter(job, record, CLEANUP)


# -- one reducer for each event


def _submit(job: Job, record: Record) -> None:
    context = _context(record, _Submit)
    numbers = _int32(context.userid), _int32(context.urgency), _int32(context.version)
    job.userid, job.urgency, job.submit_version = numbers
    job.userid &= 0xFFFFFFFF
    job.t_submit = record.entry.timestamp


def _validate(job: Job, record: Record) -> None:
    if _advance(job, DEPEND):
        read_jobspec(job)
        _enter(job, record, DEPEND)


def _depend(job: Job, record: Record) -> None:
    job.states_events_mask |= PRIORITY
    _enter(job, record, PRIORITY)


def _priority(job: Job, record: Record) -> None:
    job.priority = _context(record, _Priority).priority
    job.states_events_mask |= SCHED
    if job.state == PRIORITY:
        _enter(job, record, SCHED)


def _alloc(job: Job, record: Record) -> None:
    if _advance(job, RUN):
        read_r(job)
        _enter(job, record, RUN)


def _finish(job: Job, record: Record) -> None:
    job.wait_status = _int32(_context(record, _Finish).status)
    fatal = job.exception_occurred and job.exception_severity == 0
    if job.wait_status == 0 and not fatal:
        job.success = True
    _cleanup(job, record)


def _free(job: Job, record: Record) -> None:
    job.t_free = job.t_free or record.entry.timestamp


def _clean(job: Job, record: Record) -> None:
    if not _advance(job, INACTIVE):
        return
    if job.success:
        job.result = COMPLETED
    elif job.exception_occurred:
        # The type of the most severe exception, even where it was not fatal.
        job.result = {"cancel": CANCELED, "timeout": TIMEOUT}.get(job.exception_type, FAILED)
    # Else it failed, as is said of any job until it has ended.
    _enter(job, record, INACTIVE)


def _urgency(job: Job, record: Record) -> None:
    urgency = _int32(_context(record, _Urgency).urgency)
    if not 0 <= urgency <= 31:
        raise _Malformed
    job.urgency = urgency
    _revert(job, record)


def _exception(job: Job, record: Record) -> None:
    context = _context(record, _Exception)
    severity = _int32(context.severity)
    if not job.exception_occurred or severity < job.exception_severity:
        job.exception_occurred = True
        job.exception_severity = severity
        job.exception_type = c_string(context.type)
        job.exception_note = c_string(context.note)
    if severity == 0:
        _cleanup(job, record)


def _annotations(job: Job, record: Record) -> None:
    job.annotations = _context(record, _Annotations).annotations


def _memo(job: Job, record: Record) -> None:
    """Merge a memo into the member ``user`` of the annotations (RFC 21)."""
    context: dict[str, Any] = _context(record, dict)
    old = {} if job.annotations is None else job.annotations
    if not isinstance(old, dict):
        raise _Malformed
    user = old.get("user", {})
    if context and not isinstance(user, dict):
        raise _Malformed
    try:
        user = merged(user, context) if context else user
        job.annotations = without_nulls({**old, "user": user}) or None
    except RecursionError:
        raise _Malformed from None


def _jobspec_update(job: Job, record: Record) -> None:
    update_jobspec(job, _context(record, dict))
    job.jobspec_updates = (*job.jobspec_updates, bytes(record.entry.context or b""))
    _count_queue(job)
    _revert(job, record)


def _resource_update(job: Job, record: Record) -> None:
    update_r(job, _context(record, dict))


def _dependency_add(job: Job, record: Record) -> None:
    description = c_string(_context(record, _Dependency).description)
    if job.dependencies is None:
        job.dependencies = ()
    if description not in job.grudges:
        job.grudges = (*job.grudges, description)
        job.dependencies = (*job.dependencies, description)


def _dependency_remove(job: Job, record: Record) -> None:
    description = c_string(_context(record, _Dependency).description)
    if job.dependencies and description in job.dependencies:
        job.dependencies = tuple(d for d in job.dependencies if d != description)


_REDUCERS: dict[str, Callable[[Job, Record], None]] = {
    "submit": _submit,
    "validate": _validate,
    "depend": _depend,
    "priority": _priority,
    "alloc": _alloc,
    "finish": _finish,
    "free": _free,
    "clean": _clean,
    "urgency": _urgency,
    "exception": _exception,
    "annotations": _annotations,
    "memo": _memo,
    "jobspec-update": _jobspec_update,
    "resource-update": _resource_update,
    "dependency-add": _dependency_add,
    "dependency-remove": _dependency_remove,
    "flux-restart": _revert,
}


def _int32(value: int) -> int:
    """Return ``value``, of 64 bits at most, as a C int."""
    if value in _INT32:
        return value
    return (value + 2**31) % 2**32 - 2**31
