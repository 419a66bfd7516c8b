# SPDX-License-Identifier: LGPL-3.0
"""What job-list reads from jobspecs, one rule at a time (flux-core, job_data.c and jj.c)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from eventstore.events.journal_line import Response, decode_line
from eventstore.events.records import Record
from projections.job.attributes import answer
from projections.job.jobspec import read_jobspec, update_jobspec
from projections.job.jobspec_fast import read_usual
from projections.job.reducers import fold
from projections.job.state import Job

CORE = {"type": "core", "count": 4}
SLOT = {"type": "slot", "count": 3, "label": "task", "with": [CORE]}
NODE = {"type": "node", "count": 2, "with": [SLOT]}


def jobspec(*resources: Any, tasks: Any = None, **system: Any) -> dict[str, Any]:
    """Return a jobspec of version 1; ``system`` is more of its attributes.system."""
    return {
        "version": 1,
        "resources": list(resources) or [SLOT],
        "tasks": tasks or [{"command": ["/bin/app"], "slot": "task"}],
        "attributes": {"system": {"duration": 60.0, **system}},
    }


def read(spec: Any) -> dict[str, Any]:
    """Return what is answered of a job with this jobspec: what a jobspec says."""
    job = Job(1, 1, 1, jobspec=json.dumps(spec).encode())
    read_jobspec(job)
    names = (
        "name",
        "cwd",
        "queue",
        "project",
        "bank",
        "ntasks",
        "ncores",
        "nnodes",
        "duration",
    )
    return answer(job, names)


def per(kind: str, count: int | None = None) -> dict[str, Any]:
    option: dict[str, Any] = {"type": kind} | ({} if count is None else {"count": count})
    return {"options": {"per-resource": option}}


def counts(*resources: Any, **more: Any) -> tuple[Any, Any, Any]:
    """Return nodes, tasks and cores."""
    found = read(jobspec(*resources, **more))
    return found.get("nnodes"), found.get("ntasks"), found.get("ncores")


def test_nodes_slots_and_cores_are_multiplied() -> None:
    assert (None, 3, 12) == counts(SLOT)
    assert (2, 6, 24) == counts(NODE)
    # jj.c: what is above a node counts for the nodes.
    assert (10, 30, 120) == counts({"type": "rack", "count": 5, "with": [NODE]})


def test_the_last_of_several_vertices_counts() -> None:
    other = {"type": "slot", "count": 5, "with": [{"type": "core", "count": 2}]}
    assert (None, 5, 10) == counts(SLOT, other)
    assert (None, 3, 12) == counts(other, SLOT)
    assert (4, 12, 48) == counts(NODE, NODE | {"count": 4})


def test_cores_of_an_exclusive_node_are_known_with_r() -> None:
    assert (2, 6, None) == counts(NODE | {"exclusive": True})
    assert (2, 6, 24) == counts(NODE | {"exclusive": False})
    # One that is exclusive is enough; and that of another vertex than a node says nothing.
    assert (4, 12, None) == counts(NODE | {"exclusive": True}, NODE | {"count": 4})
    assert (None, 3, 12) == counts(SLOT | {"exclusive": True})


@pytest.mark.parametrize(
    "wrong",
    [
        {"count": 0}, {"count": -1}, {"count": "1"}, {"count": True}, {"count": None},
        {"type": 5}, {"exclusive": 1}, {"with": None}, {"with": {}},
    ],
)  # fmt: skip
def test_one_wrong_vertex_and_nothing_is_counted(wrong: dict[str, Any]) -> None:
    """Also where its type says nothing to jj.c; what was read before stays."""
    gpu = {"type": "gpu", "count": 1}
    slot = SLOT | {"with": [CORE, gpu]}
    assert (None, 3, 12) == counts(slot)
    assert (None, None, None) == counts(SLOT | {"with": [CORE, gpu | wrong]})
    assert read(jobspec(SLOT | {"with": [CORE, gpu | wrong]}))["name"] == "app"


def test_slots_and_cores_must_be_there() -> None:
    assert (None, None, None) == counts(CORE)
    assert (None, None, None) == counts({"type": "slot", "count": 3})


def test_tasks_per_node_and_per_core() -> None:
    assert (2, 2, 24) == counts(NODE, shell=per("node"))
    assert (2, 14, 24) == counts(NODE, shell=per("node", 7))
    assert (None, 12, 12) == counts(SLOT, shell=per("core"))
    assert (None, 84, 12) == counts(SLOT, shell=per("core", 7))
    # Not known before R is.
    assert (None, None, 12) == counts(SLOT, shell=per("node", 7))
    assert (2, None, 24) == counts(NODE, shell=per("core", 7))
    # Any other type changes nothing.
    assert (2, 6, 24) == counts(NODE, shell=per("gpu", 7))


@pytest.mark.parametrize("count", [0, -1, "2", None, True, 1.0])
def test_a_wrong_option_per_resource_leaves_tasks_and_cores_unknown(count: Any) -> None:
    shell = {"options": {"per-resource": {"type": "node", "count": count}}}
    assert (2, None, None) == counts(NODE, shell=shell)


def test_the_first_task_counts() -> None:
    tasks = [
        {"command": ["one"], "slot": "task", "count": {"total": 5}},
        {"command": ["two"], "slot": "task", "count": {"total": 7}},
    ]
    for shell in ({}, per("gpu")):  # as most are, and one that is read member by member
        assert ("one", 5) == tuple(
            map(read(jobspec(SLOT, tasks=tasks, shell=shell)).get, ("name", "ntasks"))
        )


@pytest.mark.parametrize(
    ("command", "name"), [("/a/b", "b"), ("b", "b"), ("/a/b/", "/a/b/"), ("/", "/"), ("", "")]
)
def test_a_job_is_named_as_its_program(command: str, name: str) -> None:
    tasks = [{"command": [command, "x/y"]}]
    assert name == read(jobspec(tasks=tasks))["name"]
    assert "given" == read(jobspec(tasks=tasks, job={"name": "given"}))["name"]
    assert name == read(jobspec(tasks=tasks, job={}))["name"]


@pytest.mark.parametrize("tasks", [None, 5, "x", {}, {"a": 1}, [], [5], [{}], [None]])
def test_a_job_without_a_first_task_has_no_name_or_as_many_tasks_as_slots(tasks: Any) -> None:
    for spec in (jobspec(queue="q"), jobspec(job={"name": "n"})):
        spec["tasks"] = tasks
        named = "job" in spec["attributes"]["system"]
        found = read(spec)
        assert ({"id": 1} == found) == (not named)
        assert (3 if named else None) == found.get("ntasks")
        del spec["tasks"]
        assert found == read(spec)


@pytest.mark.parametrize("command", [None, 5, "x", {}, {"a": 1}, [], [5], [["a"]]])
def test_a_command_that_names_no_program(command: Any) -> None:
    assert {"id": 1} == read(jobspec(tasks=[{"command": command}]))


@pytest.mark.parametrize("member", ["version", "resources"])
@pytest.mark.parametrize("value", [None, "1", True, {}, 1.0])
def test_what_must_be_there_to_count(member: str, value: Any) -> None:
    spec = jobspec(shell={})
    for odd in (spec | {member: value}, {k: v for k, v in spec.items() if k != member}):
        found = read(odd)
        assert "app" == found["name"]
        assert not {"ntasks", "ncores", "nnodes"} & {*found}


def test_objects_that_are_none() -> None:
    """Each member that is read from must be an object: what follows is not read."""
    spec = jobspec()
    del spec["attributes"]
    assert {"id": 1} == read(spec)
    for odd in (None, 5, [], "x"):
        assert {"id": 1} == read(spec | {"attributes": odd})
        assert {"id": 1} == read(spec | {"attributes": {"system": odd}})
        assert {"id": 1} == read(jobspec(job=odd))
        for shell in (odd, {"options": odd}, {"options": {"per-resource": odd}}):
            found = read(jobspec(NODE, shell=shell))
            assert (2, "app") == (found["nnodes"], found["name"])
            assert not {"ntasks", "ncores"} & {*found}


def test_counts_wrap_as_those_of_c() -> None:
    def slots(number: int, cores: int) -> Any:
        core = {"type": "core", "count": cores}
        return counts({"type": "slot", "count": number, "with": [core]}, shell={})[2]

    assert 2**17 == slots(2**16 + 1, 2**17)  # of 2**33 + 2**17
    assert 0 == slots(2**17, 2**16)
    assert slots(2**16, 2**15) is None  # negative: not known
    assert 2**31 - 2**16 == slots(2**15 - 1, 2**16)


def test_without_a_duration_only_the_name_is_read() -> None:
    for system in (None, {}, {"job": {"name": "n"}}):
        spec = jobspec()
        spec["attributes"] = {} if system is None else {"system": system}
        assert {"id": 1, "name": "n" if system else "app"} == read(spec)
    late = jobspec(cwd="/", queue="q", project="p", bank="b")
    late["attributes"]["system"]["duration"] = "60"
    # In the order in which they are read.
    assert {"id": 1, "name": "app", "cwd": "/", "queue": "q"} == read(late)


DEEP = b'{"a":' * 100_000 + b"1" + b"}" * 100_000
NOT_JSON = [b"", b"{", b'{"version":1', b'{"a":"\xff"}', b'{"version":1,"a":"\xff"}', DEEP]


@pytest.mark.parametrize("text", NOT_JSON, ids=range(len(NOT_JSON)))
def test_a_jobspec_that_is_not_json_says_nothing(text: bytes) -> None:
    for job in (Job(1, 1, 1, jobspec=text), Job(1, 1, 1, jobspec=text, name="known")):
        before = answer(job)
        read_jobspec(job)
        update_jobspec(job, {"attributes.system.queue": "q"})
        assert (before, text) == (answer(job), job.jobspec)
        assert not read_usual(job, text)


def test_a_job_without_a_jobspec() -> None:
    job = Job(1, 1, 1)
    read_jobspec(job)
    update_jobspec(job, {"attributes.system.queue": "q"})
    assert Job(1, 1, 1) == job


def test_text_that_is_not_utf_8_is_not_read() -> None:
    tasks = [{"command": ["a"], "count": {"total": 1}}]
    assert read_usual(Job(1, 1, 1), json.dumps(jobspec(tasks=tasks, cwd="xyz")).encode())
    text = json.dumps(jobspec(tasks=tasks, cwd="xyz")).encode().replace(b"xyz", b"x\xffz")
    job = Job(1, 1, 1, jobspec=text)
    assert not read_usual(job, text)
    read_jobspec(job)
    assert {"id", "userid", "urgency", "state"} >= {*answer(job)} - {"t_submit", "t_depend"}


@pytest.mark.parametrize("text", [b"5", b"[]", b'"x"', b"null"])
def test_a_jobspec_that_is_no_object_says_nothing(text: bytes) -> None:
    job = Job(1, 1, 1, jobspec=text)
    read_jobspec(job)
    update_jobspec(job, {"attributes.system.queue": "q"})
    assert Job(1, 1, 1, jobspec=text) == job


def folded(spec: Any, *events: tuple[str, Any]) -> dict[str, Any]:
    records = []
    submit = {"userid": 7, "urgency": 16, "version": 1}
    for seq, (name, context) in enumerate([("submit", submit), *events], 1):
        event = {"timestamp": float(seq), "name": name}
        event |= {} if context is None else {"context": context}
        line = {"id": 5, "events": [event]} | ({"jobspec": spec} if seq == 1 else {})
        found = decode_line(json.dumps(line).encode())
        assert isinstance(found, Response)
        records.append(Record(seq, 5, 5, 1, False, None, found.entries[0], found.jobspec))
    job = fold(None, records)
    assert job is not None
    return answer(job)


def test_what_an_update_no_longer_names_stays_as_it_was_read() -> None:
    """job_data.c sets cwd and queue to NULL before it reads, and not project and bank.

    The job may be updated before it is validated.
    """
    tasks = [{"command": ["app"], "slot": "task", "count": {"per_slot": 1}}]
    spec = jobspec(tasks=tasks, cwd="/", queue="q", project="p", bank="b")
    read = ("jobspec-update", {"attributes.system.duration": 30.0})
    without = ("jobspec-update", {"attributes.system": {"duration": 5.0}})
    found = folded(spec, read, without, ("validate", None))
    assert (5.0, "p", "b") == (found["duration"], found["project"], found["bank"])
    assert not {"cwd", "queue"} & {*found}
    # Nothing was read before this update, so that nothing of it is left.
    assert not {"project", "bank"} & {*folded(spec, without, ("validate", None))}


def test_what_an_update_makes_unknown() -> None:
    """A name that is no longer given, and cores of nodes that are exclusive now."""
    spec = jobspec(NODE, job={"name": "n"})
    read = ("jobspec-update", {"attributes.system.duration": 30.0})
    unnamed = ("jobspec-update", {"attributes.system": {"duration": 5.0}})
    exclusive = ("jobspec-update", {"resources": [NODE | {"exclusive": True}]})
    found = folded(spec, read)
    assert ("n", 24) == (found["name"], found["ncores"])
    assert "app" == folded(spec, read, unnamed)["name"]
    assert "ncores" not in folded(spec, read, exclusive)


def test_an_update_of_another_path_changes_nothing() -> None:
    odd = {"version": 5, "attributes": 5, "x.y": 1, "attributesx.system.queue": "x"}
    del odd["attributes"]
    update = ("jobspec-update", odd | {"attributes.system.queue": "r"})
    assert folded(jobspec(queue="q"), update)["queue"] == "r"
    assert folded(jobspec(queue="q"), ("jobspec-update", odd))["queue"] == "q"
