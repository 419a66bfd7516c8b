# SPDX-License-Identifier: LGPL-3.0
"""All attributes of one job, each a function of its whole history (flux-core, job_util.c)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from tests.oracle import jobspec, resource_set
from tests.oracle.annotations import annotations
from tests.oracle.events import (
    ABSENT,
    Boot,
    Event,
    History,
    Moment,
    c_int,
    c_string,
    heard,
    life,
    named,
    well_formed,
)
from tests.oracle.states import (
    CLEANUP,
    DEPEND,
    INACTIVE,
    PRIORITY,
    RUN,
    SCHED,
    first,
    first_time,
    states,
    was_in,
)

COMPLETED, FAILED, CANCELED, TIMEOUT = 1, 2, 4, 8


class Past(NamedTuple):
    """One job's history, in the forms in which it is looked at."""

    moments: list[Moment]  # all since its submit, restarts of the broker included
    events: list[Event]  # those of them that change something
    states: list[int]  # the state after each of these
    readings: list[dict[str, Any]]  # what was known after each reading of jobspec or R
    jobspec: Any  # with updates
    R: Any  # with updates

    @property
    def facts(self) -> dict[str, Any]:
        """What its jobspec and R say."""
        return self.readings[-1]

    def values(self, name: str, key: str) -> list[Any]:
        return [event.context[key] for event in named(self.events, name)]


Value = Callable[[Past], Any]


def past(history: History) -> Past | None:
    """Look at a history; None: there is no such job, or no more."""
    moments = life(history)
    if not moments:
        return None
    events = heard(moments)
    return Past(moments, events, states(events), *what_is_read(moments, events))


def what_is_read(
    moments: Sequence[Moment], events: list[Event]
) -> tuple[list[dict[str, Any]], Any, Any]:
    """Read jobspec and R at each event at which job-list does, one reading over the other."""
    readings: list[dict[str, Any]] = [{}]
    spec, R = events[0].jobspec, ABSENT  # noqa: N806 - Flux's name
    validated, allocated = first(events, DEPEND), first(events, RUN)
    for event in moments:
        if isinstance(event, Boot):
            continue
        if event is not events[0] and R is ABSENT:
            R = event.R  # noqa: N806 - it comes with an event, well formed or not
        if not well_formed(event):
            continue
        if event.name == "jobspec-update" and spec is not ABSENT:
            spec = jobspec.updated(spec, event.context)
        elif event.name == "resource-update" and R is not ABSENT:
            R = resource_set.updated(R, event.context)  # noqa: N806
        facts = readings[-1]
        if spec is not ABSENT and (event is validated or event.name == "jobspec-update"):
            readings.append(facts | dict(jobspec.reading(spec, facts)))
        elif R is not ABSENT and (event is allocated or event.name == "resource-update"):
            readings.append(facts | dict(resource_set.reading(R, facts)))
    return readings, spec, R


# -- what an attribute is; None: it is not shown


def when_in(state: int, value: Value) -> Value:
    """Shown once the job has been in a state."""
    return lambda it: value(it) if was_in(it.events, it.states, state) else None


def since(state: int) -> Value:
    def time(it: Past) -> float | None:
        event = first(it.events, state)
        return None if event is None else event.time

    return time


def read(name: str) -> Value:
    return lambda it: it.facts.get(name)


def counted(name: str) -> Value:
    """What is read and is a number, unless it is below zero: not known."""

    def count(it: Past) -> Any:
        found = it.facts.get(name, -1)
        return found if found >= 0 else None

    return count


def submitted(it: Past) -> Event:
    """The event that says who submitted and when."""
    return named(it.events, "submit")[-1]


def t_depend(it: Past) -> float | None:
    """Before version 1 of the eventlog there was no ``validate``."""
    if c_int(submitted(it).context.get("version", -1)) < 1:
        return submitted(it).time
    return since(DEPEND)(it)


def urgency(it: Past) -> int:
    return c_int(named(it.events, "submit", "urgency")[-1].context["urgency"])


def priority(it: Past) -> int:
    return ([0, *it.values("priority", "priority")])[-1]


def waitstatus(it: Past) -> int | None:
    status = c_int(([-1, *it.values("finish", "status")])[-1])
    return status if status >= 0 else None


def gravest(events: Sequence[Event]) -> Event | None:
    """The exception that counts: of those with the lowest severity, the first."""
    exceptions = named(events, "exception")
    return min(exceptions, key=lambda e: c_int(e.context["severity"]), default=None)


def success(events: Sequence[Event]) -> bool:
    """Whether the job finished with status 0, and without a fatal exception until then."""
    for index, event in enumerate(events):
        if event.name == "finish" and c_int(event.context["status"]) == 0:
            exception = gravest(events[:index])
            if exception is None or c_int(exception.context["severity"]) != 0:
                return True
    return False


def result(it: Past) -> int:
    """How the job ended, as it was told by then."""
    end = first(it.events, INACTIVE)
    assert end is not None
    until = it.events[: it.events.index(end)]
    if success(until):
        return COMPLETED
    exception = gravest(until)
    kind = "" if exception is None else c_string(exception.context["type"])
    return {"cancel": CANCELED, "timeout": TIMEOUT}.get(kind, FAILED)


def of_exception(key: str, form: Callable[[Any], Any]) -> Value:
    def value(it: Past) -> Any:
        exception = gravest(it.events)
        return None if exception is None else form(exception.context[key])

    return when_in(INACTIVE, value)


def all_annotations(it: Past) -> Any:
    end = first(it.events, INACTIVE)
    heard_ = [m for m in it.moments if isinstance(m, Boot) or well_formed(m)]
    return annotations(heard_, len(heard_) if end is None else heard_.index(end))


def dependencies(it: Past) -> list[str] | None:
    """Each that was added, if it was not removed after that: none comes back."""
    told = [
        (event.name, c_string(event.context["description"]))
        for event in named(it.events, "dependency-add", "dependency-remove")
    ]
    added = [text for name, text in told if name == "dependency-add"]
    if not added:
        return None
    kept = []
    for text in dict.fromkeys(added):
        after = told[told.index(("dependency-add", text)) :]
        if ("dependency-remove", text) not in after:
            kept.append(text)
    return kept


ATTRIBUTES: dict[str, Value] = {
    "userid": lambda it: submitted(it).context["userid"] & 0xFFFFFFFF,
    "urgency": urgency,
    "priority": when_in(SCHED, priority),
    "t_submit": lambda it: submitted(it).time,
    "t_depend": t_depend,
    "t_priority": lambda it: first_time(it.events, it.states, PRIORITY),
    "t_sched": lambda it: first_time(it.events, it.states, SCHED),
    "t_run": since(RUN),
    "t_cleanup": since(CLEANUP),
    "t_inactive": since(INACTIVE),
    "state": lambda it: it.states[-1],
    "name": read("name"),
    "cwd": read("cwd"),
    "queue": read("queue"),
    "project": read("project"),
    "bank": read("bank"),
    "ntasks": counted("ntasks"),
    "ncores": counted("ncores"),
    "duration": counted("duration"),
    "nnodes": counted("nnodes"),
    "ranks": when_in(RUN, read("ranks")),
    "nodelist": when_in(RUN, read("nodelist")),
    "success": when_in(INACTIVE, lambda it: success(it.events)),
    "exception_occurred": when_in(INACTIVE, lambda it: gravest(it.events) is not None),
    "exception_type": of_exception("type", c_string),
    "exception_severity": of_exception("severity", c_int),
    "exception_note": of_exception("note", c_string),
    "result": when_in(INACTIVE, result),
    "expiration": when_in(RUN, counted("expiration")),
    "annotations": all_annotations,
    "waitstatus": waitstatus,
    "dependencies": dependencies,
}


def attributes(it: Past, jobid: int) -> dict[str, Any]:
    """The answer to ``{"attrs":["all"]}``: id first, then in this order what is shown."""
    values = {name: value(it) for name, value in ATTRIBUTES.items()}
    return {"id": jobid} | {k: v for k, v in values.items() if v is not None}
