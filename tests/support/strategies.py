# SPDX-License-Identifier: LGPL-3.0
"""Strategies: job lives, legal and not, interleaved as a journal has them."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

Line = tuple[int, dict[str, Any], dict[str, Any]]  # jobid, event, what came with it

_TEXT = st.text(alphabet='abcXYZ019-_./ "\\é☃\x00\x7f', max_size=6)
_SCALAR = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**66), 2**66),
    st.floats(allow_nan=False, allow_infinity=False),
    _TEXT,
)
json_values = st.recursive(
    _SCALAR,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=6,
)
_OBJECTS = st.dictionaries(_TEXT, json_values, max_size=3)

# Few characters, but all that matter; the first use of all of Unicode would take seconds.
_LETTERS = 'ab0"\\/\b\n\x01\x0b\x1f\x7f\x85é\u2028\ud7ff\ue000\uffff\U0001f600\U0010ffff'
_NAMES = st.text(_LETTERS, max_size=6)
_TEXTS = st.text(_LETTERS + "\0", max_size=12)
_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | _TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_NAMES, inner, max_size=4),
    max_leaves=10,
)
json_objects = st.dictionaries(_NAMES, _VALUES, max_size=4)
"""What jansson can read and write: integers of 64 bits, names without NUL."""

QUEUES = ("batch", "debug", "ü")
NAMES = ("a", "sleep", "naïve run", "")
USERS = (0, 1000, 1001, 4294967294)


@st.composite
def jobspecs(draw: st.DrawFn) -> Any:
    """A jobspec as job-ingest lets through, or any other JSON."""
    if draw(st.integers(0, 9)) == 0:
        return draw(json_values)
    system: dict[str, Any] = {"duration": draw(st.sampled_from([0, 60, 3600.5]))}
    for key, values in (("queue", QUEUES), ("cwd", ("/tmp",)), ("bank", ("A",))):
        if draw(st.booleans()):
            system[key] = draw(st.sampled_from(values))
    if draw(st.booleans()):
        system["job"] = {"name": draw(st.sampled_from(NAMES))}
    core = {"type": "core", "count": draw(st.integers(1, 4))}
    slot = {"type": "slot", "count": draw(st.integers(1, 3)), "label": "task", "with": [core]}
    node = {"type": "node", "count": 2, "exclusive": draw(st.booleans()), "with": [slot]}
    return {
        "version": 1,
        "resources": [node if draw(st.booleans()) else slot],
        "tasks": [{"command": ["/bin/app"], "slot": "task", "count": {"per_slot": 1}}],
        "attributes": {"system": system},
    }


@st.composite
def resources(draw: st.DrawFn) -> Any:
    """An R of a few of twenty nodes."""
    first = draw(st.integers(0, 18))
    last = draw(st.integers(first, 19))
    ranks = f"{first}-{last}" if last > first else str(first)
    prefix = draw(st.sampled_from(["node", "n0", "gpu-"]))
    hosts = f"{prefix}[{ranks}]"
    lite = [{"rank": ranks, "children": {"core": "0-1"}}]
    execution = {"R_lite": lite, "nodelist": [hosts], "starttime": 1.0, "expiration": 9.5}
    return {"version": 1, "execution": execution}


@st.composite
def lives(draw: st.DrawFn, jobid: int, *, legal: bool) -> list[Line]:
    """One job's events, in order, at increasing times; times are set by `journals`."""
    spec = draw(jobspecs())
    user = draw(st.sampled_from(USERS))
    submit = {"userid": user, "urgency": 16, "flags": 0, "version": 1}
    life: list[tuple[str, Any, dict[str, Any]]] = [("submit", submit, {"jobspec": spec})]
    life += [("validate", None, {}), ("depend", None, {}), ("priority", {"priority": 5}, {})]
    if draw(st.booleans()):
        life.append(("urgency", {"userid": 0, "urgency": draw(st.integers(0, 31))}, {}))
        life.append(("priority", {"priority": draw(st.integers(0, 9))}, {}))
    if draw(st.integers(0, 3)):
        life += [("alloc", {"annotations": {}}, {"R": draw(resources())}), ("start", None, {})]
        life.append(("finish", {"status": draw(st.sampled_from([0, 256, 9]))}, {}))
    kind = draw(st.sampled_from([None, "cancel", "timeout", "other"]))
    if kind is not None:
        severity = draw(st.sampled_from([0, 0, 3]))
        where = draw(st.integers(3, len(life)))
        context = {"type": kind, "severity": severity, "note": "x"}
        life.insert(where, ("exception", context, {}))
    life += [("free", None, {}), ("clean", None, {})]
    extra = st.sampled_from(
        [
            ("annotations", {"annotations": {"sched": {"a": 1}}}),
            ("annotations", {"annotations": None}),
            ("memo", {"m": 1, "n": None}),
            ("memo", {"m": {"k": 2}}),
            ("jobspec-update", {"attributes.system.queue": "debug"}),
            ("jobspec-update", {"attributes.system.duration": 7}),
            ("resource-update", {"expiration": 11.5}),
            ("dependency-add", {"description": "after=1"}),
            ("dependency-remove", {"description": "after=1"}),
            ("flux-restart", None),
            ("set-flags", {"flags": ["debug"]}),
            ("site-event", {"any": [1, 2]}),
        ]
    )
    for name, context in draw(st.lists(extra, max_size=3)):
        life.insert(draw(st.integers(1, len(life) - 1)), (name, context, {}))
    life = life[: draw(st.integers(1, len(life)))] if draw(st.booleans()) else life
    if not legal:
        life = draw(_broken(life))
    return [(jobid, _event(name, context), extra) for name, context, extra in life]


@st.composite
def _broken(draw: st.DrawFn, life: list[Any]) -> list[Any]:
    """Move, repeat or remove some events, or replace their contexts."""
    names = [
        "submit",
        "validate",
        "alloc",
        "finish",
        "clean",
        "exception",
        "memo",
        "invalidate",
        "annotations",
    ]
    names += ["priority", "urgency", "jobspec-update", "dependency-x"]
    order = draw(st.permutations(life)) if draw(st.booleans()) else list(life)
    odd = st.tuples(st.sampled_from(names), _OBJECTS | st.none(), st.just({}))
    for event in draw(st.lists(odd, max_size=4)):
        order.insert(draw(st.integers(0, len(order))), event)
    return order[draw(st.integers(0, 2)) :]


def _event(name: str, context: Any) -> dict[str, Any]:
    return {"name": name} if context is None else {"name": name, "context": context}


@st.composite
def journals(draw: st.DrawFn, *, legal: bool = True, most_jobs: int = 5) -> list[bytes]:
    """The live lines of a journal: several jobs interleaved, one event each."""
    count = draw(st.integers(1, most_jobs))
    todo = [draw(lives(1000 + number, legal=legal)) for number in range(count)]
    lines: list[bytes] = []
    clock = 1000.0
    while any(todo):
        mine = todo[draw(st.integers(0, len(todo) - 1))]
        if mine:
            clock += draw(st.sampled_from([0.25, 1.0, 1800.0]))
            lines.append(line(*mine.pop(0), clock))
    return lines


def line(jobid: int, event: dict[str, Any], extra: dict[str, Any], time: float) -> bytes:
    """Write a live response as the job manager does: compact, members in its order."""
    response = {"id": jobid, "events": [{"timestamp": time, **event}], **extra}
    return json.dumps(response, separators=(",", ":"), ensure_ascii=False).encode()


def backlog_of(lines: list[bytes]) -> list[bytes]:
    """Return the backlog of these lines: a line a job, without live-only events."""
    jobs: dict[int, dict[str, Any]] = {}
    for text in lines:
        response = json.loads(text)
        (event,) = response["events"]
        if event["name"] in {"annotations", "invalidate"}:
            continue
        job = jobs.setdefault(response["id"], {"id": response["id"], "events": []})
        if event["name"] == "memo":  # the job manager merges later ones into it, in memory
            event = {**event, "context": {**event.get("context", {}), "later": True}}
        job["events"].append(event)
        for key in ("jobspec", "R"):
            if key in response:
                job[key] = response[key]
    made = [json.dumps(job, separators=(",", ":"), ensure_ascii=False) for job in jobs.values()]
    return [*(text.encode() for text in made), b'{"id":-1,"events":[]}']
