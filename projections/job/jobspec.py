# SPDX-License-Identifier: LGPL-3.0
"""What job-list reads from a jobspec (RFC 14, RFC 25): name, queue, counts, duration.

The rules are those of flux-core's job_data.c and jj.c. job-list reads member by member and
stops at the first that is wrong; what was read before stays. Hence the order of the
assignments below, which is part of the behaviour.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from projections.formats.json_text import c_string
from projections.formats.json_update import put
from projections.job.jobspec_fast import read_usual
from projections.job.state import Job

_UPDATABLE = ("resources", "tasks", "attributes")


class _Wrong(Exception):  # noqa: N818 - never leaves this file
    """The jobspec is not of the form that is read here."""


def read_jobspec(job: Job) -> None:
    """Set the members of ``job`` that follow from its jobspec, in place."""
    if job.name is None and job.jobspec is not None and read_usual(job, job.jobspec):
        return
    spec = _decode(job.jobspec)
    if spec is not None:
        read(job, spec)


def update_jobspec(job: Job, updates: dict[str, Any]) -> None:
    """Apply the context of a ``jobspec-update`` event (RFC 21), and read the jobspec again."""
    spec = _decode(job.jobspec)
    if spec is None:
        return
    apply_updates(spec, updates)
    job.jobspec = msgspec.json.encode(spec)
    read(job, spec)


def apply_updates(spec: dict[str, Any], updates: dict[str, Any]) -> None:
    """Set what the paths of a ``jobspec-update`` name, in place; others are not updated."""
    for path, value in updates.items():
        if path.split(".", 1)[0] in _UPDATABLE:
            put(spec, path, value)


def _decode(text: bytes | None) -> dict[str, Any] | None:
    if text is None:
        return None
    try:
        spec = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return spec if isinstance(spec, dict) else None


def read(job: Job, spec: dict[str, Any]) -> None:
    """Set what follows from any jobspec, as far as it can be read."""
    try:
        system = _system(spec)
        _read_attributes(job, spec, system)
        _read_counts(job, spec, _counts(spec, system))
    except _Wrong:
        # job-list lists what it could read, and so do we.
        return


def _read_attributes(job: Job, spec: dict[str, Any], system: dict[str, Any]) -> None:
    named = _object(system, "job")
    if "job" not in system:
        job.name = None
    elif "name" in named:
        job.name = _string(named, "name")
    if job.name is None:
        job.name = _command_name(spec)
    job.cwd = job.queue = None
    if not system:
        # An absent "system" is no error here, an empty one lacks its duration.
        if "system" in spec["attributes"]:
            raise _Wrong
        return
    if "cwd" in system:
        job.cwd = _string(system, "cwd")
    if "queue" in system:
        job.queue = _string(system, "queue")
    job.duration = _real(system, "duration")
    if "project" in system:
        job.project = _string(system, "project")
    if "bank" in system:
        job.bank = _string(system, "bank")


def _command_name(spec: dict[str, Any]) -> str:
    """Name a job after its program: the last part of the path, if there is one."""
    tasks = spec.get("tasks")
    task = tasks[0] if isinstance(tasks, list) and tasks else None
    command = task.get("command") if isinstance(task, dict) else None
    program = command[0] if isinstance(command, list) and command else None
    if not isinstance(program, str):
        raise _Wrong
    program = c_string(program)
    return program.rpartition("/")[2] or program


class _Counts(NamedTuple):
    nodes: int
    slots: int
    slot_size: int
    exclusive: bool


def _counts(spec: dict[str, Any], system: dict[str, Any]) -> _Counts:
    """Count what the resource section asks for (flux-core, jj.c).

    The last node, slot and core that a walk through the tree meets are the ones that count.
    """
    _integer(spec, "version")
    _real(system, "duration")
    if not isinstance(spec.get("resources"), list):
        raise _Wrong
    nodes = slots = slot_size = 0
    exclusive = False
    waiting: list[tuple[Any, int]] = [(vertex, 1) for vertex in reversed(spec["resources"])]
    while waiting:
        vertex, factor = waiting.pop()
        kind, count = _string(vertex, "type"), _integer(vertex, "count")
        shared = vertex.get("exclusive", False)
        if not isinstance(shared, bool) or count <= 0:
            raise _Wrong
        if kind == "node":
            nodes = factor * count
            exclusive = exclusive or shared
        elif kind == "slot":
            slots = count
        elif kind == "core":
            slot_size = count
        if "with" in vertex:
            if not isinstance(vertex["with"], list):
                raise _Wrong
            waiting.extend((inner, factor * count) for inner in reversed(vertex["with"]))
    if slots <= 0 or slot_size <= 0:
        raise _Wrong
    return _Counts(nodes, slots * (nodes or 1), slot_size, exclusive)


def _read_counts(job: Job, spec: dict[str, Any], counts: _Counts) -> None:
    job.nnodes = _int32(counts.nodes) if counts.nodes else -1
    _read_ntasks(job, spec, counts)
    if counts.nodes and counts.exclusive:
        job.ncores = -1  # all of each node's, known when R is
    else:
        job.ncores = _int32(counts.slots * counts.slot_size)


def _read_ntasks(job: Job, spec: dict[str, Any], counts: _Counts) -> None:
    kind, per = _per_resource(spec)
    if kind == "node":
        if counts.nodes:
            job.ntasks = _int32(counts.nodes * per)
        else:
            job.tasks_per_node, job.ntasks = per, -1
    elif kind == "core":
        if counts.nodes:
            job.tasks_per_core, job.ntasks = per, -1
        else:
            job.ntasks = _int32(counts.slots * counts.slot_size * per)
    else:
        job.ntasks = _total_tasks(spec, counts.slots)


def _per_resource(spec: dict[str, Any]) -> tuple[str | None, int]:
    """The shell option that asks for tasks per node or core (flux-shell's per-resource)."""
    node: dict[str, Any] = _object(spec, "attributes")
    for part in ("system", "shell", "options"):
        node = _object(node, part)
    if "per-resource" not in node:
        return None, 1
    option = node["per-resource"]
    kind = _string(option, "type")
    count = _integer(option, "count") if "count" in option else 1
    if count < 1:
        raise _Wrong
    return kind, count


def _total_tasks(spec: dict[str, Any], slots: int) -> int:
    try:
        return _integer(_object(spec["tasks"][0], "count"), "total")
    except (_Wrong, LookupError, TypeError):
        return _int32(slots)


def _system(spec: dict[str, Any]) -> dict[str, Any]:
    if "attributes" not in spec:
        raise _Wrong
    return _object(_object(spec, "attributes"), "system")


def _object(parent: Any, key: str) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    """Return an object member, {} where it is absent."""
    if not isinstance(parent, dict):
        raise _Wrong
    value = parent.get(key, {})
    if not isinstance(value, dict):
        raise _Wrong
    return value


def _string(parent: Any, key: str) -> str:  # noqa: ANN401
    value = parent.get(key) if isinstance(parent, dict) else None
    if not isinstance(value, str):
        raise _Wrong
    return c_string(value)


def _integer(parent: Any, key: str) -> int:  # noqa: ANN401
    value = parent.get(key) if isinstance(parent, dict) else None
    if not isinstance(value, int) or isinstance(value, bool):
        raise _Wrong
    return _int32(value)


def _real(parent: dict[str, Any], key: str) -> float:
    value = parent.get(key)
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise _Wrong
    return float(value)


def _int32(value: int) -> int:
    """As a C int holds it."""
    return (value + 2**31) % 2**32 - 2**31
