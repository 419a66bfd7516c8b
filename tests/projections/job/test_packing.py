# SPDX-License-Identifier: LGPL-3.0
"""Jobs packed in one pass are those packed attribute by attribute."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projections.formats.json_text import dumps
from projections.job.attributes import ATTRIBUTES, values_of
from projections.job.packing import SEPARATOR, annotations_in, pack, packed, packed_usual
from projections.job.state import CLEANUP, DEPEND, INACTIVE, NEW, PRIORITY, RUN, SCHED, Job

FINISHED: dict[str, Any] = {
    "userid": 1001, "urgency": 16, "priority": 16, "t_submit": 1790000000.25,
    "t_depend": 1790000000.5, "t_priority": 1790000000.75, "t_sched": 1790000001.5,
    "t_run": 1790000002.1, "t_cleanup": 1790000003.1, "t_inactive": 1790000004.1,
    "state": INACTIVE, "name": "sleep", "cwd": "/home/a", "queue": "batch", "project": "p",
    "bank": "b", "ntasks": 2, "ncores": 4, "nnodes": 1, "duration": 60.0, "ranks": "[0-1]",
    "nodelist": "node[1-2]", "expiration": 1790000062.1, "wait_status": 0, "success": True,
    "result": 1, "states_mask": 127, "states_events_mask": 127, "submit_version": 1,
}  # fmt: skip
TEXTS = st.sampled_from(
    ["", "x", "None", 'a"b', "a\\b", "\x1f", "\n", "\x7f", "é", "🚀", " y z "]
)
NAMES = ("name", "cwd", "queue", "project", "bank", "ranks", "nodelist")
REALS = st.sampled_from([-1.0, 0.0, 1.0, 5.5, 1e-7, 1e17, 1e300, 0.1, 1790000000.0])
CHANGES = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(NAMES, st.none() | TEXTS),
        **{name: REALS for name, value in FINISHED.items() if type(value) is float},
        **dict.fromkeys(("ntasks", "ncores", "nnodes", "wait_status"), st.integers(-1, 300)),
        "priority": st.integers(-5, 2**40),
        "userid": st.integers(0, 2**32 - 1),
        "states_mask": st.integers(1, 127),
        "submit_version": st.sampled_from([-1, 0, 1, 2]),
        "success": st.booleans(),
        "result": st.sampled_from([1, 2, 4, 8]),
        "exception_occurred": st.booleans(),
        "exception_note": TEXTS,
        "annotations": st.sampled_from([None, {}, {"a": 1.5, "b": ["\n", None]}, "x", 7]),
        "dependencies": st.sampled_from([None, (), ("after=1", 'q"')]),
    },
)  # fmt: skip


def one_by_one(job: Job) -> list[Any]:
    return [get(job) for get in ATTRIBUTES.values()]


def test_a_job_that_ran_is_usual() -> None:
    job = Job(1, 2, 3, **FINISHED)
    assert pack(one_by_one(job)) == packed_usual(job)


def packed_alike(changes: dict[str, Any]) -> bool:
    """Compare all ways to pack a job; returns whether it was packed in one pass."""
    job = Job(1, 2, 3, **{**FINISHED, **changes})
    values = one_by_one(job)
    assert values == values_of(job)
    assert list(map(type, values)) == list(map(type, values_of(job)))
    assert pack(values) == packed(job)
    assert packed_usual(job) in {None, packed(job)}
    return packed_usual(job) is not None


@given(CHANGES)
def test_any_other_job(changes: dict[str, Any]) -> None:
    packed_alike(changes)


USUAL: list[dict[str, Any]] = [
    {"ntasks": 0}, {"ncores": 0}, {"nnodes": 0}, {"duration": 0.0}, {"expiration": 0.0},
    {"duration": 0.5}, {"expiration": 0.5}, {"wait_status": -1}, {"wait_status": 1},
    {"queue": None}, {"project": None}, {"bank": None}, {"queue": None, "bank": None},
    {"queue": "", "project": "", "bank": ""}, {"ranks": "", "nodelist": ""}, {"name": "a'b"},
    {"annotations": {}}, {"annotations": {"user": "é"}}, {"submit_version": 2},
    {"success": False}, {"states_mask": 127 - NEW}, {"states_mask": 127 - PRIORITY},
    {"annotations": {"a": 1}, "wait_status": -1},
]  # fmt: skip
UNUSUAL: list[dict[str, Any]] = [
    {"ntasks": -1}, {"ncores": -1}, {"nnodes": -1}, {"duration": -1.0}, {"expiration": -1.0},
    {"duration": -0.5}, {"expiration": -0.5}, {"t_priority": 0.0}, {"t_sched": 0.0},
    {"name": None}, {"cwd": None}, {"ranks": None}, {"nodelist": None},
    {"dependencies": ()}, {"dependencies": ("after=1",)}, {"exception_occurred": True},
    {"submit_version": 0}, {"submit_version": -1},
    *({"states_mask": 127 - state} for state in (DEPEND, SCHED, RUN, CLEANUP, INACTIVE)),
    *({name: 1790000000.0} for name in FINISHED if name.startswith("t_")),
    {"t_submit": 1e17}, {"t_inactive": 1.5e-7}, {"t_run": 1.5e300, "t_cleanup": 1.0},
    *({name: text} for name in NAMES for text in ("é", 'a"b', "a\\b", "\n")),
]  # fmt: skip


@pytest.mark.parametrize("changes", USUAL, ids=str)
def test_what_is_packed_in_one_pass(changes: dict[str, Any]) -> None:
    assert packed_alike(changes)


@pytest.mark.parametrize("changes", UNUSUAL, ids=str)
def test_what_is_packed_attribute_by_attribute(changes: dict[str, Any]) -> None:
    assert not packed_alike(changes)


@pytest.mark.parametrize("member", ["ntasks", "ncores", "nnodes", "duration", "expiration",
                                    "wait_status"])  # fmt: skip
@pytest.mark.parametrize("value", [-2, -1, 0, 1])
def test_numbers_that_are_not_known_are_not_packed(member: str, value: int) -> None:
    """Nor where the job is unusual for another reason."""
    for more in ({}, {"exception_occurred": True, "dependencies": ("x",)}):
        packed_alike({member: type(FINISHED[member])(value), **more})


@pytest.mark.parametrize("annotations", [{}, "x", {"a": 1.5}, {"user": "é🚀\n"}, [None]])
@pytest.mark.parametrize("behind", [
    {"wait_status": -1}, {}, {"dependencies": ()}, {"wait_status": -1, "dependencies": ("d",)},
    {"wait_status": 256, "dependencies": ("d", "e")},
])  # fmt: skip
def test_annotations_are_found_in_packed_values(
    annotations: Any, behind: dict[str, Any]
) -> None:
    """As SQL's substr() takes a part of a text, whatever follows them."""
    for unusual in (False, True):
        changes = {"annotations": annotations, "exception_occurred": unusual, **behind}
        values = packed(Job(1, 2, 3, **{**FINISHED, **changes}))
        first, count = annotations_in(values)
        assert first is not None
        assert count is not None
        assert dumps(annotations).decode() == values[first - 1 : first - 1 + count]
        assert SEPARATOR == values[first - 2]


def test_without_annotations_there_is_no_place_of_them() -> None:
    for changes in ({}, {"dependencies": ("annotations",)}):
        values = packed(Job(1, 2, 3, **{**FINISHED, **changes}))
        assert (None, None) == annotations_in(values)


def test_values_of_each_type_are_packed_as_json() -> None:
    values: list[Any] = [
        1,
        None,
        1.5,
        True,
        False,
        "a",
        'a"b',
        "a\\b",
        "é",
        "\x1f",
        ["x"],
        {},
        2.0,
    ]
    rest = [None] * (len(ATTRIBUTES) - len(values))
    mask, *texts = pack([*values, *rest]).split(SEPARATOR)
    assert 0b1111111111101 == int(mask)
    assert [value for value in values if value is not None] == list(map(json.loads, texts))
    assert ["1", "1.5", "true", "false", '"a"'] == texts[:5]
    assert "2.0" == texts[-1]
    nothing: list[Any] = [None] * len(ATTRIBUTES)
    assert ["0", f"2{SEPARATOR}5"] == [pack(nothing), pack([None, 5, *nothing[2:]])]
