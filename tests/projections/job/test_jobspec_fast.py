# SPDX-License-Identifier: LGPL-3.0
"""The short way through a jobspec says what the long way says."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
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
