# SPDX-License-Identifier: LGPL-3.0
"""What job-list takes from a jobspec (RFC 14, RFC 25), as far as it comes.

It takes one member after the other and stops at the first that is not as it should be. So a
reading is a sequence of (attribute, value), which an `Unreadable` may cut short.

Two facts are no attributes: ``tasks per node`` and ``tasks per core`` wait for R.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from typing import Any

from tests.oracle.events import ABSENT, c_int, c_string, integer, string

Fact = tuple[str, Any]


class Unreadable(Exception):
    """Here job-list stops reading."""


def reading(spec: Any, facts: dict[str, Any]) -> Iterator[Fact]:
    """Yield what follows from a jobspec, to a job of which ``facts`` are known."""
    try:
        yield from _attributes(spec, facts.get("name"))
        yield from _counts(spec)
    except Unreadable:
        return


def updated(spec: Any, updates: dict[str, Any]) -> Any:
    """A jobspec after a ``jobspec-update``: paths outside of its three members are refused."""
    result = copy.deepcopy(spec)
    for path, value in updates.items():
        if path.partition(".")[0] in ("resources", "tasks", "attributes"):
            set_path(result, path.split("."), copy.deepcopy(value))
    return result


def set_path(target: Any, path: list[str], value: Any) -> None:
    """Set what a path names; give up where it leads through what is no object.

    The objects that were made on the way there stay.
    """
    if not path[0] or not isinstance(target, dict):
        return
    if len(path) == 1:
        target[path[0]] = value
    else:
        set_path(target.setdefault(path[0], {}), path[1:], value)


def need(value: Any, kind: Any) -> Any:
    """The value, if it is of that kind (a type, or a predicate); else `Unreadable`."""
    fits = isinstance(value, kind) if isinstance(kind, type) else kind(value)
    if not fits:
        raise Unreadable
    return value


def member(parent: Any, key: str, kind: Any) -> Any:
    """A member that has to be there, of that kind."""
    return need(need(parent, dict).get(key, ABSENT), kind)


def option(parent: Any, key: str, kind: Any) -> Any:
    """A member that may be absent, but not of another kind; nothing is in what is absent."""
    if parent is ABSENT or key not in need(parent, dict):
        return ABSENT
    return need(parent[key], kind)


def number(value: Any) -> bool:
    return integer(value) or type(value) is float


def _attributes(spec: Any, known: str | None) -> Iterator[Fact]:
    system = option(member(spec, "attributes", dict), "system", dict)
    job = option(system, "job", dict)
    if job is ABSENT:
        known = None
    given = option(job, "name", string)
    if given is not ABSENT:
        yield "name", c_string(given)
    elif known is None:
        yield "name", None
        yield "name", program_name(spec)
    yield "cwd", None
    yield "queue", None
    if system is ABSENT:
        return
    for key in ("cwd", "queue"):
        yield from _text(system, key)
    yield "duration", float(member(system, "duration", number))
    for key in ("project", "bank"):
        yield from _text(system, key)


def _text(system: Any, key: str) -> Iterator[Fact]:
    value = option(system, key, string)
    if value is not ABSENT:
        yield key, c_string(value)


def program_name(spec: Any) -> str:
    """The program's path without its directory; whole, where it ends with a slash."""
    tasks = member(spec, "tasks", list)
    command = member(need(tasks[0] if tasks else None, dict), "command", list)
    path = c_string(need(command[0] if command else None, string))
    return path if path.endswith("/") else path.split("/")[-1]


def _counts(spec: Any) -> Iterator[Fact]:
    member(spec, "version", integer)
    top = member(spec, "resources", lambda _: True)
    member(member(member(spec, "attributes", dict), "system", dict), "duration", number)
    vertices = list(walk(top, 1))
    nodes = last(factor * count for kind, count, factor, _ in vertices if kind == "node")
    slots = last(count for kind, count, _, _ in vertices if kind == "slot")
    cores = last(count for kind, count, _, _ in vertices if kind == "core")
    if not slots or not cores:
        raise Unreadable
    whole = any(exclusive for kind, _, _, exclusive in vertices if kind == "node")
    slots *= nodes or 1
    yield "nnodes", c_int(nodes) if nodes else -1
    yield from tasks(spec, nodes, slots, cores)
    yield "ncores", -1 if nodes and whole else c_int(slots * cores)


def walk(level: Any, factor: int) -> Iterator[tuple[str, int, int, bool]]:
    """Yield type, count, how many times it is there, and exclusiveness of each vertex."""
    for vertex in need(level, list):
        kind, count = member(vertex, "type", string), c_int(member(vertex, "count", integer))
        exclusive = option(vertex, "exclusive", bool) is True
        need(count, lambda value: value > 0)
        yield c_string(kind), count, factor, exclusive
        inner = vertex.get("with", ABSENT)
        if inner is not ABSENT:
            yield from walk(inner, factor * count)


def last(values: Iterable[int]) -> int:
    """The last of some numbers; 0 where there is none."""
    return ([0, *values])[-1]


def tasks(spec: Any, nodes: int, slots: int, cores: int) -> Iterator[Fact]:
    """The number of tasks; the shell's option ``per-resource`` may have it wait for R."""
    options = member(spec, "attributes", dict)
    for key in ("system", "shell", "options"):
        options = option(options, key, dict)
    per = option(options, "per-resource", dict)
    kind, times = None, 1
    if per is not ABSENT:
        kind = c_string(member(per, "type", string))
        given = option(per, "count", integer)
        times = need(1 if given is ABSENT else c_int(given), lambda value: value > 0)
    if kind == "node" and nodes:
        yield "ntasks", c_int(nodes * times)
    elif kind == "core" and not nodes:
        yield "ntasks", c_int(slots * cores * times)
    elif kind in {"node", "core"}:
        yield f"tasks per {kind}", times
        yield "ntasks", -1
    else:
        yield "ntasks", total_tasks(spec, slots)


def total_tasks(spec: Any, slots: int) -> int:
    """What the jobspec says of the first task, if it does; else one a slot."""
    try:
        listed = member(spec, "tasks", list)
        count = member(need(listed[0] if listed else None, dict), "count", dict)
        return c_int(member(count, "total", integer))
    except Unreadable:
        return c_int(slots)
