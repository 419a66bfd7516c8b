# SPDX-License-Identifier: LGPL-3.0
"""A job's attributes as job-list answers them (flux-core, job_util.c).

An attribute that does not apply, or is not known, is None here and absent in an answer.
``ATTRIBUTES`` is in the order in which job-list answers ``all``.

A job's values can also be *packed* into one text, from which an answer with any attributes is
joined without encoding a value again (projections/queries/render.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Any

from projections.formats.json_text import dumps, real
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
    """Return when DEPEND was entered: at the submission, before flux-core 0.41.1."""
    if job.submit_version < 1:
        return job.t_submit
    return job.t_depend if job.states_mask & DEPEND else None


def _expiration(job: Job) -> float | None:
    return job.expiration if job.states_mask & RUN and job.expiration >= 0 else None


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


SEPARATOR = "\x1f"
"""Separates packed values. It cannot occur in them: JSON escapes it."""


def _is_plain(text: str) -> bool:
    """Return whether a text needs no escapes in JSON."""
    return text.isascii() and text.isprintable() and '"' not in text and "\\" not in text


_GETTERS = tuple(ATTRIBUTES.values())


def values_of(job: Job) -> list[Any]:
    """Return the values of all attributes in the order of ATTRIBUTES, None where absent."""
    return [get(job) for get in _GETTERS]


def packed(job: Job) -> str:
    """Return the values of all attributes, packed: see `pack`."""
    return pack(values_of(job))


def pack(values: Iterable[Any]) -> str:
    """Pack what `values_of` returned: a mask, then each value as JSON text.

    Bit n of the mask (decimal) says whether the job has the n-th of ATTRIBUTES.
    """
    mask = 0
    texts = [""]
    for bit, value in enumerate(values):
        if value is None:
            continue
        mask |= 1 << bit
        kind = type(value)
        if kind is int:
            texts.append(str(value))
        elif kind is float:
            texts.append(real(value))
        elif kind is bool:
            texts.append("true" if value else "false")
        elif kind is str and _is_plain(value):
            texts.append(f'"{value}"')
        else:
            texts.append(dumps(value).decode())
    texts[0] = str(mask)
    return SEPARATOR.join(texts)


_ANNOTATIONS = 1 << list(ATTRIBUTES).index("annotations")


def annotations_in(values: str) -> tuple[int, int] | tuple[None, None]:
    """Return where the annotations are in packed values, as SQL's substr() wants it.

    That is: the number of their first character, counted from 1, and that of characters.
    """
    mask = int(values[: values.index(SEPARATOR)])
    if not mask & _ANNOTATIONS:
        return None, None
    behind = (mask // (2 * _ANNOTATIONS)).bit_count()
    before, text, *_ = values.rsplit(SEPARATOR, behind + 1)
    return len(before) + 2, len(text)
