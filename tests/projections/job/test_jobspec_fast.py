# SPDX-License-Identifier: LGPL-3.0
"""The short way through a jobspec says what the long way says."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from eventstore.events.journal_line import Response, decode_line
from projections.job.jobspec import read
from projections.job.jobspec_fast import read_usual
from projections.job.state import Job
from tests.support.recordings import recordings


def short_way(text: bytes) -> Job | None:
    job = Job(1, 1, 1)
    return job if read_usual(job, text) else None


def long_way(text: bytes) -> Job:
    job = Job(1, 1, 1)
    read(job, json.loads(text))
    return job


def test_recorded_jobspecs() -> None:
    seen = usual = 0
    for recording in recordings():
        for line in recording.lines("backlog"):
            found = decode_line(line)
            if isinstance(found, Response) and found.jobspec is not None:
                short = short_way(found.jobspec)
                assert short is None or short == long_way(found.jobspec)
                seen += 1
                usual += short is not None
    assert usual > seen / 2 > 100


USUAL: dict[str, Any] = {
    "version": 1,
    "resources": [{"type": "node", "count": 2, "exclusive": False, "with": [
        {"type": "slot", "count": 3, "label": "t", "with": [{"type": "core", "count": 4}]}]}],
    "tasks": [{"command": ["/bin/true"], "slot": "task", "count": {"per_slot": 1}}],
    "attributes": {"system": {"duration": 60, "cwd": "/", "queue": "a", "bank": "b", "project":
        "p", "job": {"name": "n"}, "shell": {"options": {"per-resource": {"type": "node"}}}}},
}  # fmt: skip


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    members = value.items() if isinstance(value, dict) else enumerate(value)
    return [
        found
        for key, member in members
        for found in [(*path, key), *(paths(member, (*path, key)) if _holds(member) else [])]
    ]


def _holds(value: object) -> bool:
    return isinstance(value, (dict, list))


ODD = st.sampled_from(
    [None, True, 0, 1, -1, 7, 2**31 - 1, 2**31, 2**63, 1.5, "", "x\0y", "a/b/", "node", "core",
     "slot", [], {}, [{"type": "core", "count": 1}], {"name": "m"}, {"total": 5}, ["c"]]
)  # fmt: skip


@given(st.lists(st.tuples(st.sampled_from(paths(USUAL)), ODD | st.just("delete")), max_size=4))
def test_changed_jobspecs(changes: list[tuple[tuple[Any, ...], Any]]) -> None:
    spec = json.loads(json.dumps(USUAL))
    if not changes or changes[0][1] != "delete":
        del spec["attributes"]["system"]["shell"]  # or nothing would be usual
    for path, value in changes:
        node = spec
        try:
            for key in path[:-1]:
                node = node[key]
            if value == "delete":
                del node[path[-1]]
            else:
                node[path[-1]] = json.loads(json.dumps(value))
        except (LookupError, TypeError):
            continue
    text = json.dumps(spec).encode()
    short = short_way(text)
    assert short is None or short == long_way(text)


def test_the_usual_is_usual() -> None:
    spec = json.loads(json.dumps(USUAL))
    del spec["attributes"]["system"]["shell"]
    assert short_way(json.dumps(spec).encode()) is not None
    assert short_way(json.dumps(USUAL).encode()) is None


EDGES = (0, 1, 2, 2**15, 2**16, 2**31 - 1, 2**31, 2**32 + 1)
CHAIN = ("rack", "node", "slot", "core", "pu")


def chain(counts: dict[str, int], **node: Any) -> list[dict[str, Any]]:
    """Return resources within one another, of the kinds that ``counts`` names."""
    inner: list[dict[str, Any]] = []
    for kind in reversed(CHAIN):
        if kind in counts:
            vertex = {"type": kind, "count": counts[kind]} | (node if kind == "node" else {})
            inner = [vertex | ({"with": inner} if inner else {})]
    return inner


def usual(**members: Any) -> dict[str, Any]:
    spec = json.loads(json.dumps(USUAL))
    del spec["attributes"]["system"]["shell"]
    found: dict[str, Any] = spec | members
    return found


@given(
    st.dictionaries(st.sampled_from(CHAIN), st.sampled_from(EDGES), min_size=2),
    st.sampled_from([{}, {"total": -1}, {"total": 0}, {"total": 2**31 - 1}, {"total": 2**31}]),
    st.booleans(),
)
@example({"slot": 2**16, "core": 2**15}, {}, False)
@example({"rack": 2**15, "node": 2**16, "slot": 1, "core": 1}, {}, False)
def test_edges_of_counts(counts: dict[str, int], task: dict[str, int], exclusive: bool) -> None:
    tasks = [{"command": ["a"], "slot": "task", "count": task}]
    resources = chain(counts, exclusive=exclusive)
    text = json.dumps(usual(resources=resources, tasks=tasks)).encode()
    short = short_way(text)
    assert short is None or short == long_way(text)


@pytest.mark.parametrize("kind", CHAIN)
@pytest.mark.parametrize("count", EDGES)
def test_one_edge(kind: str, count: int) -> None:
    """Where one number is odd, the short way says the same, or leaves it to the long one."""
    resources = chain(dict.fromkeys(CHAIN, 1) | {kind: count})
    text = json.dumps(usual(resources=resources)).encode()
    short = short_way(text)
    assert short is None or short == long_way(text)
    # What fits into a C int is taken by the short way, which is why it is there.
    assert (short is not None) == (0 < count < 2**31)


@pytest.mark.parametrize(("total", "short"), [(0, True), (1, True), (2**31 - 1, True),
                                              (2**31, False), (-1, False)])  # fmt: skip
def test_the_total_of_tasks(total: int, short: bool) -> None:
    tasks = [{"command": ["a"], "count": {"total": total}}]
    text = json.dumps(usual(tasks=tasks)).encode()
    assert short == (short_way(text) is not None)


def test_of_several_tasks_the_first_counts() -> None:
    one = {"command": ["/x/one"], "slot": "task", "count": {"total": 5}}
    others: list[dict[str, Any]] = [
        {"command": ["two"], "count": {"total": 7}},
        {"command": [], "count": {}},
    ]
    for other in others:
        text = json.dumps(usual(tasks=[one, other])).encode()
        short = short_way(text)
        assert short == long_way(text)
        assert short is not None
        assert (5, "n") == (short.ntasks, short.name)
        assert (
            short_way(json.dumps(usual(tasks=[other | {"command": []}, one])).encode()) is None
        )
    spec = usual(tasks=[one, {"command": ["two"], "count": {}}])
    del spec["attributes"]["system"]["job"]
    named = short_way(json.dumps(spec).encode())
    assert named is not None
    assert "one" == named.name
