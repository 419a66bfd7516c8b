# SPDX-License-Identifier: LGPL-3.0
"""Strategies for whole lives of jobs: as a job manager has them, and in any other order.

An event is (name, context, payload): ``context`` None stands for none, ``payload`` holds the
jobspec or R that comes with it.
"""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from tests.support.payloads import JOBSPECS, RESOURCE_SETS, specs
from tests.support.strategies import json_values

Step = tuple[str, Any, dict[str, Any]]

URGENCIES = (0, 16, 31)  # hold, default, expedite
PRIORITIES = (0, 1, 16, 5000, 4294967295)

UPDATES: tuple[Any, ...] = (
    {"attributes.system.queue": "debug"},
    {"attributes.system.queue": "batch", "attributes.system.bank": "B"},
    {"attributes.system.duration": 7},
    {"attributes.system.duration": 0.5, "attributes.system.project": "p2"},
    {"attributes.system.job": {"name": "renamed"}},
    {"attributes.system.job": {}},
    {"attributes.system.cwd": "/home/é"},
    {"resources": [{"type": "slot", "count": 5, "with": [{"type": "core", "count": 3}]}]},
    {"tasks": [{"command": ["/opt/x/other"], "slot": "task", "count": {"total": 12}}]},
    {"attributes.system.shell.options.per-resource": {"type": "core", "count": 2}},
    {"attributes.user.x.y": 1},
)
ODD_UPDATES: tuple[Any, ...] = (
    {"attributes.system.duration": "long", "attributes.system.queue": "late"},
    {"attributes.system.queue": 5, "attributes.system.cwd": "/first"},
    {"attributes.system": {}},
    {"attributes.system": None},
    {"attributes": {}},
    {"attributes.system.job": 3},
    {"attributes.system.queue.deeper": 1},
    {"attributes..x": 1, "attributes.system.bank": "C"},
    {"version": 9, "attributesx": 1, "resource.x": 1, "": 1},
    {"resources": []},
    {"tasks": 1},
    {},
)
MEMOS: tuple[Any, ...] = (
    {"m": 1},
    {"m": None},
    {"m": {"k": 2, "gone": None}},
    {"m": {"k": None}},
    {"n": [None, {}], "m": "text"},
    {"deep": {"er": {"est": None}}, "n": None},
    {},
)
ANNOTATIONS: tuple[Any, ...] = (
    None,
    {},
    {"sched": {"resource_summary": "rank0/core[0-1]", "t_estimate": 1.5}},
    {"sched": {"a": None}, "user": {"m": 0}},
    {"user": {"n": {"x": 1}}},
)
ODD_ANNOTATIONS: tuple[Any, ...] = ([1], "text", 0, False, {"user": 5, "a": None})
EXPIRATIONS = (0, 12, 17.25, 4e9)
ODD_EXPIRATIONS = (None, "soon", -1, True, {})
DEPENDENCIES = ("after=1", "begin-time=2", "é\0hidden")
STATUSES = (0, 256, 9, 15, 32512)
TYPES = ("cancel", "timeout", "exec", "alloc", "cancel\0ed")


def _one_of(name: str, key: str, values: Any) -> list[Step]:
    return [(name, {key: value}, {}) for value in values]


def _whole(name: str, values: Any) -> list[Step]:
    return [(name, value, {}) for value in values]


def _exceptions(severities: Any) -> list[Step]:
    return [
        ("exception", {"type": kind, "severity": severity, "note": note, "userid": 5}, {})
        for kind in TYPES
        for severity in severities
        for note in ("", "why")
    ]


DEPENDENCY = _one_of("dependency-add", "description", DEPENDENCIES) + _one_of(
    "dependency-remove", "description", DEPENDENCIES
)
MEMO = _whole("memo", MEMOS)
HARMLESS: list[Step] = [
    *MEMO,
    *_exceptions((1, 3, 7)),
    ("set-flags", {"flags": ["debug"]}, {}),
    ("debug.free-request", None, {}),
    ("site.event", {"any": [1, {"status": 0}]}, {}),
]
ANNOTATING = _one_of("annotations", "annotations", ANNOTATIONS)
ODD_ANNOTATING = _one_of("annotations", "annotations", ODD_ANNOTATIONS)
UPDATING = _whole("jobspec-update", (*UPDATES, *ODD_UPDATES))
REVERTING: list[Step] = [
    *_one_of("urgency", "urgency", URGENCIES),
    *_whole("jobspec-update", UPDATES),
    ("flux-restart", None, {}),
]
PRIORITY = _one_of("priority", "priority", PRIORITIES)
FATAL = _exceptions((0,))
AT_RUN: list[Step] = [
    *HARMLESS,
    *ANNOTATING,
    *_one_of("resource-update", "expiration", EXPIRATIONS),
    *_whole("jobspec-update", UPDATES[2:4]),
    ("prolog-start", {"description": "p"}, {}),
    ("start", None, {}),
    ("start", {}, {}),
]
AT_CLEANUP: list[Step] = [
    *HARMLESS,
    *ANNOTATING,
    *FATAL,
    ("release", {"ranks": "all", "final": True}, {}),
    ("epilog-start", {"description": "e"}, {}),
    ("free", None, {}),
]


def some(steps: list[Step], most: int = 2) -> st.SearchStrategy[list[Step]]:
    return st.lists(st.sampled_from(steps), max_size=most)


def submits(*, version: int = 1) -> st.SearchStrategy[Step]:
    users = st.sampled_from((0, 1000, 4294967294))
    context = st.fixed_dictionaries(
        {"userid": users, "urgency": st.sampled_from(URGENCIES), "flags": st.just(0)}
    ).map(lambda found: found | {"version": version})
    return st.tuples(
        st.just("submit"), context, st.fixed_dictionaries({"jobspec": specs(legal=True)})
    )


@st.composite
def legal(draw: st.DrawFn) -> list[Step]:
    """A life as the job manager gives it, up to any point of it."""
    steps = [draw(submits())]
    before = [*DEPENDENCY, *HARMLESS, *_whole("jobspec-update", UPDATES)]
    steps += draw(some(before))
    if draw(st.integers(0, 11)) == 0:
        return [*steps, ("invalidate", None, {})]
    steps.append(("validate", None, {}))
    steps += draw(some([*before, *DEPENDENCY, *ANNOTATING, *REVERTING], 3))
    canceled_in = draw(st.integers(0, 9))  # 0: DEPEND, 1: PRIORITY, 2: SCHED, 3: RUN
    if canceled_in > 0:
        steps += [("depend", None, {}), *draw(some([*HARMLESS, *ANNOTATING, *REVERTING]))]
    if canceled_in > 1:
        steps += draw(_scheduled())
    if canceled_in > 2:
        alloc = {"annotations": draw(st.sampled_from(ANNOTATIONS[1:]))}
        R = draw(st.sampled_from(RESOURCE_SETS))  # noqa: N806
        steps += [("alloc", alloc, {"R": R}), *draw(some(AT_RUN, 3))]
    if canceled_in < 4:
        steps.append(draw(st.sampled_from(FATAL)))
    if canceled_in > 2:
        steps.append(("finish", {"status": draw(st.sampled_from(STATUSES))}, {}))
    steps += [*draw(some(AT_CLEANUP, 3)), ("clean", None, {})]
    return steps[: draw(st.integers(1, len(steps)))] if draw(st.booleans()) else steps


@st.composite
def _scheduled(draw: st.DrawFn) -> list[Step]:
    """PRIORITY and SCHED, there and back any number of times, SCHED in the end."""
    steps: list[Step] = []
    for _ in range(draw(st.integers(0, 2))):
        steps += [draw(st.sampled_from(PRIORITY)), draw(st.sampled_from(REVERTING))]
        steps += draw(some([*HARMLESS, *ANNOTATING], 1))
    steps += [draw(st.sampled_from(PRIORITY)), *draw(some([*ANNOTATING, *PRIORITY]))]
    return steps


ANYTHING: list[Step] = [
    ("validate", None, {}),
    ("depend", None, {}),
    ("clean", None, {}),
    *PRIORITY,
    *REVERTING,
    *FATAL[:6],
    *AT_RUN,
    *DEPENDENCY,
    *_one_of("finish", "status", (*STATUSES, -1, 2**32)),
    *_one_of("resource-update", "expiration", ODD_EXPIRATIONS),
    *ODD_ANNOTATING,
    *UPDATING[len(UPDATES) :],
    *[("alloc", None, {"R": R}) for R in RESOURCE_SETS],
    ("alloc", None, {}),
    ("start", None, {"R": RESOURCE_SETS[0]}),
    ("dependency-x", {"description": "after=1"}, {}),
    ("resource-update", {"other": 1}, {}),
    ("flux-restart", {"unused": 1}, {}),
    ("exception", {"type": "cancel", "severity": -1, "note": ""}, {}),
    ("exception", {"type": "cancel", "severity": 0}, {}),
    ("urgency", {"urgency": 32}, {}),
    ("urgency", {"urgency": -1}, {}),
    ("priority", {"priority": -(2**63)}, {}),
    ("priority", {"priority": "1"}, {}),
]
NAMES = sorted({name for name, _, _ in ANYTHING} - {"start", "dependency-x"})


def broken() -> st.SearchStrategy[Step]:
    """An event of any name with a context of any form."""
    contexts = st.none() | st.dictionaries(
        st.sampled_from(["priority", "severity", "type", "note", "status", "description", "x"]),
        json_values,
        max_size=4,
    )
    return st.tuples(st.sampled_from(NAMES), contexts, st.just({}))


@st.composite
def illegal(draw: st.DrawFn, *, submitted_again: bool = True) -> list[Step]:
    """Events in any order, as often as may be, some of them broken."""
    first = draw(submits(version=draw(st.sampled_from((0, 1, 1, -5)))))
    odd = st.tuples(st.just("submit"), st.just(first[1]), st.just({"jobspec": 7}))
    begin = [draw(st.sampled_from([first, first, (*first[:2], {})]) | odd)]
    pool = st.sampled_from(ANYTHING)
    event = st.one_of(pool, pool, pool, pool, broken())
    order = ["validate", "depend", "priority", "alloc"][: draw(st.integers(0, 4))]
    begin += [next(step for step in ANYTHING if step[0] == name) for name in order]
    steps = draw(st.lists(event, max_size=14))
    if draw(st.integers(0, 5)) == 0:
        steps.insert(draw(st.integers(0, len(steps))), ("invalidate", None, {}))
        submitted_again = False
    if submitted_again and draw(st.integers(0, 3)) == 0:
        steps.insert(draw(st.integers(0, len(steps))), draw(submits(version=0)))
    return draw(st.permutations(begin)) + steps if draw(st.booleans()) else begin + steps


def text_of(jobid: int, time: float, step: Step) -> bytes:
    """A live line of the journal."""
    name, context, payload = step
    event: dict[str, Any] = {"timestamp": time, "name": name}
    if context is not None:
        event["context"] = context
    response = {"id": jobid, "events": [event], **payload}
    return json.dumps(response, separators=(",", ":"), ensure_ascii=False).encode()


__all__ = ["JOBSPECS", "RESOURCE_SETS", "Step", "illegal", "legal", "submits", "text_of"]
