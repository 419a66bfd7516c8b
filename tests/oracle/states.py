# SPDX-License-Identifier: LGPL-3.0
"""When a job was in which state (RFC 21, with the liberties that job_state.c takes).

DEPEND, RUN, CLEANUP and INACTIVE are entered by the first event that asks for them, whatever
the state before. Each ``depend`` enters PRIORITY. Between PRIORITY and SCHED a job goes back
and forth: ``priority`` forward, ``urgency``, ``jobspec-update`` and ``flux-restart`` back.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from tests.oracle.events import Event, c_int

NEW, DEPEND, PRIORITY, SCHED, RUN, CLEANUP, INACTIVE = (1 << bit for bit in range(7))
PENDING = (DEPEND, PRIORITY, SCHED)
RUNNING = (RUN, CLEANUP)

BACK = ("urgency", "jobspec-update", "flux-restart")


def asks_for(event: Event) -> int:
    """The state that an event enters from any other; 0: none."""
    if event.name == "exception":
        return CLEANUP if c_int(event.context["severity"]) == 0 else 0
    asked = {"validate": DEPEND, "depend": PRIORITY, "alloc": RUN}
    return asked.get(event.name) or {"finish": CLEANUP, "clean": INACTIVE}.get(event.name, 0)


def first(events: Sequence[Event], state: int) -> Event | None:
    """The first event that asks for a state."""
    return next((event for event in events if asks_for(event) == state), None)


def landmarks(events: Sequence[Event]) -> list[tuple[int, int]]:
    """Indexes of the events that enter a state from any other, and the state."""
    asked = [asks_for(event) for event in events]
    first_at = {state: index for index, state in reversed(list(enumerate(asked)))}
    return [
        (index, state)
        for index, state in enumerate(asked)
        if state == PRIORITY or (state and first_at[state] == index)
    ]


def states(events: Sequence[Event]) -> list[int]:
    """The state after each event."""
    marks = dict(landmarks(events))
    swings = [event.name if event.name in {"priority", *BACK} else None for event in events]
    found = []
    for end in range(1, len(events) + 1):
        mark = max((index for index in marks if index < end), default=None)
        state = NEW if mark is None else marks[mark]
        if mark is not None and state == PRIORITY:
            since = [name for name in swings[mark + 1 : end] if name]
            state = SCHED if since and since[-1] == "priority" else PRIORITY
        found.append(state)
    return found


def was_in(events: Sequence[Event], passed: Sequence[int], state: int) -> bool:
    """Whether job-list has it that the job is or was in a state.

    It forgets SCHED when the job goes back to PRIORITY.
    """
    if state != SCHED:
        return first(events, state) is not None
    entered = [i for i, now in enumerate(passed) if now == SCHED]
    left = [
        i
        for i, (before, now) in enumerate(pairwise(passed), start=1)
        if before == SCHED != now and events[i].name in BACK
    ]
    return bool(entered) and max(entered) > max(left, default=-1)


def first_time(events: Sequence[Event], passed: Sequence[int], state: int) -> float | None:
    """When a job was in PRIORITY or SCHED first."""
    return events[passed.index(state)].time if state in passed else None


def joined_running(events: Sequence[Event], passed: Sequence[int]) -> int:
    """The ``seq`` of the event by which the job came to be running, the last time."""
    return max(
        event.seq
        for event, before, now in zip(events, [NEW, *passed], passed, strict=False)
        if now in RUNNING and before not in RUNNING
    )
