# SPDX-License-Identifier: LGPL-3.0
"""Jobspecs (RFC 14, 25) and resource sets (RFC 20) for tests: usual, unusual and wrong ones."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import strategies as st


def vertex(kind: Any, count: Any, *inner: Any, **more: Any) -> dict[str, Any]:
    found = {"type": kind, "count": count, **more}
    return found | {"with": list(inner)} if inner else found


CORE = vertex("core", 2)
SLOT = vertex("slot", 3, CORE, label="task")
RESOURCES: tuple[Any, ...] = (
    [SLOT],
    [vertex("slot", 2, vertex("core", 4), vertex("gpu", 1))],
    [vertex("node", 2, SLOT)],
    [vertex("node", 4, SLOT, exclusive=True)],
    [vertex("node", 4, SLOT, exclusive=False)],
    [vertex("slot", 1, vertex("node", 3, CORE))],
    [vertex("rack", 2, vertex("node", 5, SLOT))],
    [vertex("slot", 1, vertex("node", 2, vertex("socket", 2, CORE), exclusive=True))],
    [vertex("slot", 6, CORE, exclusive=True)],
    [vertex("slot", 4, vertex("core", 1))],
)
ODD_RESOURCES: tuple[Any, ...] = (
    None,
    [],
    {},
    [SLOT, vertex("node", 2)],
    [vertex("node", 2, exclusive=True), vertex("node", 3, SLOT)],
    [vertex("slot", 2, CORE), vertex("slot", 5, vertex("core", 7))],
    [CORE],
    [vertex("slot", 2)],
    [vertex("slot", 0, CORE)],
    [vertex("slot", -1, CORE)],
    [vertex("slot", 2, vertex("core", 0))],
    [vertex("slot", 2.0, CORE)],
    [vertex("slot", True, CORE)],
    [vertex("slot", {"min": 1, "max": 2}, CORE)],
    [vertex(None, 2, CORE)],
    [{"type": "slot", "with": [CORE]}],
    [{"count": 2, "with": [CORE]}],
    [{**SLOT, "with": None}],
    [{**SLOT, "with": CORE}],
    [{**SLOT, "exclusive": 1}],
    [{**SLOT, "exclusive": None}],
    [vertex("node", 2, SLOT, exclusive="true")],
    [vertex("node\0x", 2, SLOT)],
    [vertex("slot", 2**31, CORE)],
    [vertex("slot", 2**31 + 5, CORE)],
    [vertex("slot", 2**32 + 2, CORE)],
    [vertex("slot", 2**16, vertex("core", 2**15))],
    [vertex("node", 2**16, vertex("slot", 2**15, CORE))],
    [5],
    [[SLOT]],
)
TASK = {"command": ["/bin/app", "x"], "slot": "task", "count": {"per_slot": 1}}
TASKS: tuple[Any, ...] = (
    [TASK],
    [{**TASK, "count": {"total": 9}}],
    [{**TASK, "command": ["app"]}, TASK],
    [{**TASK, "command": ["dir/"]}],
    [{**TASK, "command": ["/"]}],
    [{**TASK, "command": [""]}],
    [{**TASK, "command": ["./ä/ö\0/u"]}],
)
ODD_TASKS: tuple[Any, ...] = (
    None,
    {},
    [],
    [5],
    [{"slot": "task"}],
    [{**TASK, "command": "app"}],
    [{**TASK, "command": []}],
    [{**TASK, "command": [5]}],
    [{**TASK, "command": ["app", 5]}],
    [{**TASK, "count": 5}],
    [{**TASK, "count": {}}],
    [{"command": ["app"]}],
    [{**TASK, "count": {"total": "9"}}],
    [{**TASK, "count": {"total": -9}}],
    [{**TASK, "count": {"total": 2**31}}],
    [{**TASK, "count": {"total": 2**32 + 9}}],
    [{**TASK, "count": {"total": 9, "per_slot": "x"}}],
)
SYSTEM: dict[str, tuple[Any, ...]] = {
    "cwd": ("/tmp", "", "a\\b", 'a"b'),
    "queue": ("batch", "debug", "ü"),
    "project": ("p",),
    "bank": ("A",),
    "job": ({"name": "named"}, {"name": ""}, {"name": "cut\0off"}, {}, {"other": 1}),
    "environment": ({},),
}
PER_RESOURCE: tuple[Any, ...] = (
    {"type": "node", "count": 2},
    {"type": "node"},
    {"type": "core"},
    {"type": "core", "count": 3},
    {"type": "gpu", "count": 2},
)
ODD_PER_RESOURCE: tuple[Any, ...] = (
    None,
    {},
    {"type": 1},
    {"type": "node", "count": 0},
    {"type": "core", "count": -1},
    {"type": "core", "count": 1.5},
    {"type": "gpu", "count": 0},
    {"type": "node\0", "count": 2},
)
ODD_MEMBERS: tuple[Any, ...] = (None, 5, [], {}, True)


def spec(**changes: Any) -> dict[str, Any]:
    """A jobspec; ``changes`` are members of ``attributes.system``, or of the jobspec itself."""
    top = {k: changes.pop(k) for k in ("version", "resources", "tasks") if k in changes}
    system = {"duration": 60, **changes}
    system = {key: value for key, value in system.items() if value is not ...}
    found = {
        "version": 1,
        "resources": [SLOT],
        "tasks": [TASK],
        "attributes": {"system": system},
        **top,
    }
    return {key: value for key, value in found.items() if value is not ...}


def per(option: Any, **changes: Any) -> dict[str, Any]:
    return spec(shell={"options": {"per-resource": option}}, **changes)


def _with_attributes(attributes: Any) -> dict[str, Any]:
    return spec() | {"attributes": attributes}


JOBSPECS: list[Any] = [
    *[spec(resources=found) for found in RESOURCES],
    *[spec(tasks=found) for found in TASKS],
    *[spec(**{key: value}) for key, values in SYSTEM.items() for value in values],
    *[per(option) for option in PER_RESOURCE],
    *[per(option, resources=RESOURCES[2]) for option in PER_RESOURCE],
    *[per(option, resources=RESOURCES[3]) for option in PER_RESOURCE],
    spec(duration=0),
    spec(duration=0.25),
    spec(duration=-1),
    spec(version=2),
]
ODD_JOBSPECS: list[Any] = [
    *[spec(resources=found) for found in ODD_RESOURCES],
    *[spec(tasks=found) for found in ODD_TASKS],
    *[spec(tasks=found, job={"name": "n"}) for found in ODD_TASKS],
    *[spec(**{key: odd}) for key in (*SYSTEM, "shell") for odd in ODD_MEMBERS],
    *[spec(job={"name": odd}) for odd in ODD_MEMBERS],
    *[spec(shell={"options": odd}) for odd in ODD_MEMBERS],
    *[per(option) for option in ODD_PER_RESOURCE],
    *[per(option, resources=RESOURCES[2]) for option in ODD_PER_RESOURCE],
    *[spec(duration=odd) for odd in (..., None, "1", True, {})],
    *[spec(version=odd) for odd in (..., None, "1", 1.0, True, -1)],
    *[_with_attributes(odd) for odd in (*ODD_MEMBERS, {"system": None}, {"system": {}})],
    spec(resources=...),
    spec(tasks=...),
    {key: value for key, value in spec().items() if key != "attributes"},
    *ODD_MEMBERS,
]


@st.composite
def specs(draw: st.DrawFn, *, legal: bool) -> Any:
    """A jobspec with a mixture of all that one may have; ``legal``: as job-ingest takes it."""
    if not legal and draw(st.booleans()):
        return draw(st.sampled_from(ODD_JOBSPECS))
    chosen = {key: draw(st.sampled_from((..., *values))) for key, values in SYSTEM.items()}
    found = spec(
        resources=draw(st.sampled_from(RESOURCES)), tasks=draw(st.sampled_from(TASKS)), **chosen
    )
    if draw(st.integers(0, 4)) == 0:
        option = draw(st.sampled_from(PER_RESOURCE))
        found["attributes"]["system"]["shell"] = {"options": {"per-resource": option}}
    return copy.deepcopy(found)


def entry(rank: Any, **children: Any) -> dict[str, Any]:
    return {"rank": rank, "children": children}


def resource_set(lite: Any, nodelist: Any = ..., **changes: Any) -> dict[str, Any]:
    """An R; ``changes`` are members of ``execution``, ``...`` leaves one out."""
    version = changes.pop("version", 1)
    execution = {"R_lite": lite, "nodelist": nodelist, "starttime": 1.0, "expiration": 9.5}
    execution |= changes
    execution = {key: value for key, value in execution.items() if value is not ...}
    return {"version": version, "execution": execution}


ONE = [entry("0", core="0-1")]
RESOURCE_SETS: list[Any] = [
    resource_set(ONE, ["node0"]),
    resource_set([entry("2-5", core="0-3", gpu="0")], ["n[2-3,5]", "other"]),
    resource_set([entry("7", core="1"), entry("0-1", core="0-2,5")], ["a[09-10]", "b"]),
    resource_set([entry("0-1", core="0"), entry("1", core="2-3")], ["x", "y"]),
    resource_set([entry("0,2,4-5", core="0")], ["n[0,2,4-5]"], expiration=0),
    resource_set([entry("0-1")], ["n[1-2]"], expiration=...),
    resource_set(ONE, ["n1"], properties={"gpu": "0"}, nslots=2, expiration=7),
]
ODD_RESOURCE_SETS: list[Any] = [
    resource_set(ONE),
    resource_set([]),
    resource_set([], []),
    resource_set([], ["node0"]),
    resource_set(None, ["node0"]),
    resource_set({}, []),
    resource_set(ONE, None),
    resource_set(ONE, "node0"),
    resource_set(ONE, []),
    resource_set(ONE, ["n[0-1]"]),
    resource_set(ONE, ["n["]),
    resource_set(ONE, [5]),
    resource_set(ONE, [5, "node0", None]),
    resource_set([entry("0-1", core="0"), entry("1", core="0")], ["x", "y"]),
    resource_set([entry("0", core="0", gpu="0"), entry("0", core="1", gpu="0")], ["x"]),
    resource_set([entry("0", core="0", gpu="0"), entry("0", core="1", gpu="1")], ["x"]),
    resource_set([{"rank": "0", "children": 5}], ["x"]),
    resource_set([{"rank": "0", "children": {"core": 5}}], ["x"]),
    resource_set([{"rank": "0"}], ["x"]),
    resource_set([{"children": {}}], ["x"]),
    resource_set([entry(0, core="0")], ["x"]),
    resource_set([entry("1-0", core="0")], ["x"]),
    resource_set([entry("", core="0")], []),
    resource_set([entry("[0-1]", core="[0]")], ["n[0-1]"]),
    resource_set([entry("0,,1", core="0")], ["n[0-1]"]),
    resource_set([entry("00", core="0")], ["x"]),
    resource_set([entry("0", gpu="a")], ["x"]),
    resource_set(["0"], ["x"]),
    *[resource_set(ONE, ["x"], properties=odd) for odd in (None, [], {"p": 0}, {"p": "1"})],
    *[resource_set(ONE, ["x"], properties=odd) for odd in ({"p^": "0"}, {"p": "x"}, {"p": ""})],
    *[resource_set(ONE, ["x"], properties={"p": "0", "q": "0-1"})],
    *[resource_set(ONE, ["x"], expiration=odd) for odd in (None, "1", True, -1, -0.5)],
    *[resource_set(ONE, ["x"], starttime=odd) for odd in (None, "1", True)],
    *[resource_set(ONE, ["x"], nslots=odd) for odd in (None, "1", 1.5)],
    *[resource_set(ONE, ["x"], version=odd) for odd in (0, 2, None, "1", 1.0, True)],
    resource_set(..., ["x"]),
    {"version": 1},
    {"version": 1, "execution": None},
    {"execution": {"R_lite": ONE, "nodelist": ["x"]}},
    *ODD_MEMBERS,
]
