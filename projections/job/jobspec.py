# SPDX-License-Identifier: LGPL-3.0
"""What job-list reads from a jobspec (RFC 14, RFC 25): name, queue, counts, duration.

The rules are those of flux-core's job_data.c and libjob/jj.c. job-list reads member by member
and stops at the first error; members that were read before that stay. The order of the
assignments below is therefore part of the behaviour.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from eventstore.events.encoding import to_json
from eventstore.events.json_values import MALFORMED
from projections.formats.json_text import c_string
from projections.formats.json_update import put
from projections.job.jobspec_fast import read_usual
from projections.job.state import Job

_UPDATABLE = ("resources", "tasks", "attributes")


class _NotReadable(Exception):  # noqa: N818 - never leaves this file
    """A member is missing or has another type: job-list stops reading here."""


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
    job.jobspec = to_json(spec)
    read(job, spec)


def apply_updates(spec: dict[str, Any], updates: dict[str, Any]) -> None:
    """Apply a ``jobspec-update`` in place: only paths below resources, tasks, attributes."""
    for path, value in updates.items():
        if path.split(".", 1)[0] in _UPDATABLE:
            put(spec, path, value)


def _decode(text: bytes | None) -> dict[str, Any] | None:
    if text is None:
        return None
    try:
        spec = msgspec.json.decode(text)
    except MALFORMED:
        return None
    return spec if isinstance(spec, dict) else None


def read(job: Job, spec: dict[str, Any]) -> None:
    """Set the members that follow from a decoded jobspec, up to the first error in it."""
    try:
        system = _system(spec)
        _read_attributes(job, spec, system)
        _read_counts(job, spec, _counts(spec))
    except _NotReadable:
        return  # the members that were set before that are listed, as in job-list


def _read_attributes(job: Job, spec: dict[str, Any], system: dict[str, Any]) -> None:
    named = _object(system, "job")
    if "job" not in system:
        job.name = None
    elif "name" in named:
        job.name = _string(named, "name")
    if job.name is None:
        job.name = _command_name(spec)
    job.cwd = job.queue = None
    if "cwd" in system:
        job.cwd = _string(system, "cwd")
    if "queue" in system:
        job.queue = _string(system, "queue")
    job.duration = _real(system, "duration")  # required: without it, nothing more is read
    if "project" in system:
        job.project = _string(system, "project")
    if "bank" in system:
        job.bank = _string(system, "bank")


def _command_name(spec: dict[str, Any]) -> str:
    """Return the name that a job has by default: its program, without the path."""
    tasks = spec.get("tasks")
    task = tasks[0] if isinstance(tasks, list) and tasks else None
    command = task.get("command") if isinstance(task, dict) else None
    program = command[0] if isinstance(command, list) and command else None
    if not isinstance(program, str):
        raise _NotReadable
    program = c_string(program)
    return program.rpartition("/")[2] or program


class _ResourceCounts(NamedTuple):
    """What the resource section requests; ``nodes`` is 0 if it names none."""

    nodes: int
    slots: int
    slot_size: int
    exclusive: bool


def _counts(spec: dict[str, Any]) -> _ResourceCounts:
    """Count what the resource section requests (flux-core, jj.c).

    Of several nodes, slots or cores in the tree, the last one of a walk in depth counts.
    """
    _integer(spec, "version")
    if not isinstance(spec.get("resources"), list):
        raise _NotReadable
    nodes = slots = slot_size = 0
    exclusive = False
    waiting: list[tuple[Any, int]] = [(vertex, 1) for vertex in reversed(spec["resources"])]
    while waiting:
        vertex, factor = waiting.pop()
        kind, count = _string(vertex, "type"), _integer(vertex, "count")
        alone = vertex.get("exclusive", False)
        if not isinstance(alone, bool) or count <= 0:
            raise _NotReadable
        if kind == "node":
            nodes = factor * count
            exclusive = exclusive or alone
        elif kind == "slot":
            slots = count
        elif kind == "core":
            slot_size = count
        if "with" in vertex:
            if not isinstance(vertex["with"], list):
                raise _NotReadable
            waiting.extend((inner, factor * count) for inner in reversed(vertex["with"]))
    if slots <= 0 or slot_size <= 0:
        raise _NotReadable
    return _ResourceCounts(nodes, slots * (nodes or 1), slot_size, exclusive)


def _read_counts(job: Job, spec: dict[str, Any], counts: _ResourceCounts) -> None:
    job.nnodes = _int32(counts.nodes) if counts.nodes else -1
    _read_ntasks(job, spec, counts)
    if counts.nodes and counts.exclusive:
        job.ncores = -1  # all cores of each node: known when R is
    else:
        job.ncores = _int32(counts.slots * counts.slot_size)


def _read_ntasks(job: Job, spec: dict[str, Any], counts: _ResourceCounts) -> None:
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
    """Return type and count of the shell option per-resource: tasks per node or core."""
    node: dict[str, Any] = _object(spec, "attributes")
    for part in ("system", "shell", "options"):
        node = _object(node, part)
    if "per-resource" not in node:
        return None, 1
    option = node["per-resource"]
    kind = _string(option, "type")
    count = _integer(option, "count") if "count" in option else 1
    if count < 1:
        raise _NotReadable
    return kind, count


def _total_tasks(spec: dict[str, Any], slots: int) -> int:
    try:
        return _integer(_object(spec["tasks"][0], "count"), "total")
    except (_NotReadable, LookupError, TypeError):
        return _int32(slots)


def _system(spec: dict[str, Any]) -> dict[str, Any]:
    if "attributes" not in spec:
        raise _NotReadable
    return _object(_object(spec, "attributes"), "system")


def _object(parent: Any, key: str) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    """Return an object member, {} where it is absent."""
    if not isinstance(parent, dict):
        raise _NotReadable
    value = parent.get(key, {})
    if not isinstance(value, dict):
        raise _NotReadable
    return value


def _string(parent: Any, key: str) -> str:  # noqa: ANN401
    value = parent.get(key) if isinstance(parent, dict) else None
    if not isinstance(value, str):
        raise _NotReadable
    return c_string(value)


def _integer(parent: Any, key: str) -> int:  # noqa: ANN401
    value = parent.get(key) if isinstance(parent, dict) else None
    if not isinstance(value, int) or isinstance(value, bool):
        raise _NotReadable
    return _int32(value)


def _real(parent: dict[str, Any], key: str) -> float:
    value = parent.get(key)
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise _NotReadable
    return float(value)


def _int32(value: int) -> int:
    """Return the value as a C int holds it."""
    return (value + 2**31) % 2**32 - 2**31
