# SPDX-License-Identifier: LGPL-3.0
"""A fast path for jobspecs of the usual form (RFC 25): decoded at once into typed structs.

Its result equals that of ``jobspec.read``. Where a member is missing or has another type, or
where an option changes how tasks are counted, it returns False and ``jobspec.read`` decides.
"""

from __future__ import annotations

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType, field

from eventstore.events.json_values import MALFORMED
from projections.formats.json_text import c_string
from projections.job.state import Job

_INT31 = 2**31


class _Vertex(Struct, gc=False):
    type: str
    count: int
    inner: list[_Vertex] = field(name="with", default_factory=list)
    exclusive: bool = False


class _Named(Struct, gc=False):
    name: str


class _Options(Struct, gc=False):
    per_resource: Raw | UnsetType = field(name="per-resource", default=UNSET)


class _Shell(Struct, gc=False):
    options: _Options = field(default_factory=_Options)


class _System(Struct, gc=False):
    duration: float
    cwd: str | UnsetType = UNSET
    queue: str | UnsetType = UNSET
    project: str | UnsetType = UNSET
    bank: str | UnsetType = UNSET
    job: _Named | UnsetType = UNSET
    shell: _Shell = field(default_factory=_Shell)


class _Attributes(Struct, gc=False):
    system: _System


class _Task(Struct, gc=False):
    command: list[str]
    count: dict[str, int]


class _Jobspec(Struct, gc=False):
    version: int
    resources: list[_Vertex]
    tasks: list[_Task]
    attributes: _Attributes


_decode = msgspec.json.Decoder(_Jobspec).decode


def read_usual(job: Job, text: bytes) -> bool:
    """Set the members that follow from a jobspec; none of them may have been set before.

    Returns False, with nothing set, where it is unusual.
    """
    try:
        spec = _decode(text)
    except MALFORMED:
        return False
    system = spec.attributes.system
    counts = _count(spec.resources)
    if counts is None or not spec.tasks or not spec.tasks[0].command:
        return False
    task = spec.tasks[0]
    nodes, slots, cores = counts
    tasks = task.count.get("total", slots)
    if system.shell.options.per_resource is not UNSET or not 0 <= tasks < _INT31:
        return False
    program = c_string(task.command[0])
    named = system.job
    job.name = program.rpartition("/")[2] or program if named is UNSET else c_string(named.name)
    job.cwd, job.queue = _text(system.cwd), _text(system.queue)
    job.project, job.bank = _text(system.project), _text(system.bank)
    job.duration = system.duration
    job.nnodes, job.ntasks, job.ncores = nodes or -1, tasks, slots * cores
    return True


def _text(value: str | UnsetType) -> str | None:
    return None if value is UNSET else c_string(value)


def _count(resources: list[_Vertex]) -> tuple[int, int, int] | None:
    """Return nodes, slots and cores of a slot, for a chain of single vertices."""
    nodes = slots = cores = 0
    factor = 1
    while resources:
        if len(resources) != 1 or not 0 < resources[0].count < _INT31:
            return None
        vertex = resources[0]
        if "\0" in vertex.type:
            return None
        if vertex.type == "node":
            if vertex.exclusive:
                return None
            nodes = factor * vertex.count
        elif vertex.type == "slot":
            slots = vertex.count
        elif vertex.type == "core":
            cores = vertex.count
        factor *= vertex.count
        resources = vertex.inner
    slots *= nodes or 1
    if not 0 < slots * cores < _INT31 or factor >= _INT31:
        return None
    return nodes, slots, cores
