# SPDX-License-Identifier: LGPL-3.0
"""Updates of JSON objects: paths as jpath_set() takes them, and merges."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projections.formats.json_update import merged, put, without_nulls


@pytest.mark.parametrize(
    ("target", "path", "done", "after"),
    [
        ({}, "a", True, {"a": 1}),
        ({"a": 0, "b": 2}, "a", True, {"a": 1, "b": 2}),
        ({"a": {"x": 0}}, "a", True, {"a": 1}),
        ({}, "a.b.c", True, {"a": {"b": {"c": 1}}}),
        ({"a": {"b": {"d": 2}}}, "a.b.c", True, {"a": {"b": {"d": 2, "c": 1}}}),
        # A path with an empty part; what was created before that stays.
        ({"x": 0}, "", False, {"x": 0}),
        ({}, ".a", False, {}),
        ({}, "a.", False, {"a": {}}),
        ({}, "a..b", False, {"a": {}}),
        ({}, "a.b.", False, {"a": {"b": {}}}),
        # A path through what is no object.
        ({"a": 5}, "a.b", False, {"a": 5}),
        ({"a": []}, "a.b.c", False, {"a": []}),
        ({"a": None}, "a.b", False, {"a": None}),
        ({"a": {"b": "x"}}, "a.b.c", False, {"a": {"b": "x"}}),
    ],
)
def test_put(target: dict[str, Any], path: str, done: bool, after: dict[str, Any]) -> None:
    assert done is put(target, path, 1)
    assert after == target


def test_nothing_is_put_into_what_is_no_object() -> None:
    target: Any = [1]
    assert put(target, "a", 1) is False
    assert put(target, "a.b", 1) is False
    assert [1] == target


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ({}, {}, {}),
        ({"a": 1}, {}, {"a": 1}),
        ({"a": 1}, {"a": 2, "b": 3}, {"a": 2, "b": 3}),
        ({"a": {"x": 1, "y": 2}}, {"a": {"y": 3}}, {"a": {"x": 1, "y": 3}}),
        ({"a": {"x": 1}}, {"a": None}, {"a": None}),
        ({"a": 1}, {"a": {"x": None}}, {"a": {"x": None}}),
        ({"a": [1]}, {"a": [2]}, {"a": [2]}),
        (None, {"a": {"b": 1}}, {"a": {"b": 1}}),
        ([1], {"a": 1}, {"a": 1}),
    ],
)
def test_merged(old: Any, new: dict[str, Any], expected: dict[str, Any]) -> None:
    before = copy.deepcopy((old, new))
    assert expected == merged(old, new)
    assert before == (old, new)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({}, {}),
        (
            {"a": None, "b": 0, "c": False, "d": "", "e": []},
            {"b": 0, "c": False, "d": "", "e": []},
        ),
        ({"a": {}}, {}),
        ({"a": {"b": None}, "c": {"d": {"e": None}, "f": 1}}, {"c": {"f": 1}}),
        ({"a": [None, {"b": None}]}, {"a": [None, {"b": None}]}),
    ],
)
def test_without_nulls(value: dict[str, Any], expected: dict[str, Any]) -> None:
    before = copy.deepcopy(value)
    assert expected == without_nulls(value)
    assert before == value


OBJECTS: Any = st.recursive(
    st.none() | st.integers(0, 2) | st.just([None]),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=6,
).filter(lambda value: isinstance(value, dict))


def leaves(value: Any, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    """Return what stands at each path: objects with members are not leaves."""
    if not isinstance(value, dict):
        return {path: value}
    return {
        at: leaf
        for key, member in value.items()
        for at, leaf in leaves(member, (*path, key)).items()
    }


@given(OBJECTS)
def test_without_nulls_keeps_all_other_leaves(value: dict[str, Any]) -> None:
    expected = {at: leaf for at, leaf in leaves(value).items() if leaf is not None}
    assert expected == leaves(without_nulls(value))


FULL = OBJECTS.map(without_nulls)


@given(FULL, FULL)
def test_merged_has_the_new_leaves_and_those_old_ones_that_are_not_covered(
    old: dict[str, Any], new: dict[str, Any]
) -> None:
    found = leaves(merged(old, new))
    fresh = leaves(new)
    assert fresh.items() <= found.items()
    for at, leaf in leaves(old).items():
        covered = any(at[: len(other)] == other or other[: len(at)] == at for other in fresh)
        assert covered or found.get(at) == leaf
