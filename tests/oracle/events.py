# SPDX-License-Identifier: LGPL-3.0
"""Events (RFC 18, RFC 21), and which of them job-list can make anything of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple


class _Absent:
    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Any = _Absent()
"""Stands for a member that is not there, which is something else than null."""


class Event(NamedTuple):
    """One event of a job, and the jobspec or R that came with it.

    ``seq`` says when it came, among the events of all jobs.
    """

    time: float
    name: str
    context: Any = ABSENT
    jobspec: Any = ABSENT
    R: Any = ABSENT
    seq: int = 0


class Boot(NamedTuple):
    """The broker started again. ``memos`` are the contexts that its job manager still has."""

    memos: tuple[Any, ...] = ()
    time: float = 0.0


Moment = Event | Boot
History = Sequence[Moment]


def integer(value: Any) -> bool:
    """Whether it is an integer to jansson: of 64 bits, and neither true nor 1.0."""
    return type(value) is int and -(2**63) <= value < 2**63


def string(value: Any) -> bool:
    return type(value) is str


def c_int(value: int) -> int:
    """What is left of an integer that is assigned to a C ``int``."""
    return ((value & 0xFFFFFFFF) ^ 0x80000000) - 0x80000000


def c_string(text: str) -> str:
    """What is left of a text that is used as a C string."""
    return text.partition("\0")[0]


Check = Callable[[Any], bool]

# What job_state.c unpacks from the contexts. A "?" marks what may be absent.
FORMS: dict[str, dict[str, Check]] = {
    "submit": {"urgency": integer, "userid": integer, "version?": integer},
    "priority": {"priority": integer},
    "urgency": {"urgency": lambda value: integer(value) and 0 <= c_int(value) <= 31},
    "finish": {"status": integer},
    "exception": {"type": string, "severity": integer, "note": string},
    "annotations": {"annotations": lambda _: True},
    "dependency-add": {"description": string},
    "dependency-remove": {"description": string},
    "memo": {},
    "jobspec-update": {},
    "resource-update": {},
}


def well_formed(event: Event) -> bool:
    """Whether the context has what job-list needs; it gives up at one that has not."""
    form = FORMS.get(event.name)
    if form is None:
        return True
    if not isinstance(event.context, dict) or not readable(event.context):
        return False
    for key, check in form.items():
        value = event.context.get(key.rstrip("?"), ABSENT)
        if value is ABSENT:
            if not key.endswith("?"):
                return False
        elif not check(value):
            return False
    return True


def readable(value: Any) -> bool:
    """Whether jansson can read it: its integers are of 64 bits."""
    if isinstance(value, (dict, list)):
        return all(map(readable, value.values() if isinstance(value, dict) else value))
    return not isinstance(value, int) or -(2**63) <= value < 2**63


def life(history: History) -> list[Moment]:
    """The events of the job that exists now: from its ``submit``, after any ``invalidate``.

    Empty where there is no job.
    """
    names = [moment.name if isinstance(moment, Event) else "" for moment in history]
    since = len(names) - names[::-1].index("invalidate") if "invalidate" in names else 0
    for index in range(since, len(history)):
        moment = history[index]
        if isinstance(moment, Event) and moment.name == "submit" and well_formed(moment):
            return list(history[index:])
    return []


def heard(moments: History) -> list[Event]:
    """The events that change something, in their order."""
    return [m for m in moments if isinstance(m, Event) and well_formed(m)]


def named(events: Sequence[Event], *names: str) -> list[Event]:
    return [event for event in events if event.name in names]
