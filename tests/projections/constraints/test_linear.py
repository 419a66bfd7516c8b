# SPDX-License-Identifier: LGPL-3.0
"""Planning and matching take steps in proportion to the constraint, however deep it is.

Steps are counted, not timed: how often values are hashed, how often costs are asked for.
"""

from __future__ import annotations

from typing import Any

import pytest

from projections.constraints.access_paths import AccessPath, InList, TimeRange
from projections.constraints.evaluate import Matcher
from projections.constraints.sql_plan import Plan, plan
from projections.constraints.tree import And, Constraint, Name, Not, Or, Timestamp, Userid
from projections.job.state import INACTIVE, Job

MANY = 1100  # values: more than SQLite is told of


class Counted(str):
    """A name that counts how often any of them is hashed or compared."""

    steps = 0

    def __hash__(self) -> int:
        Counted.steps += 1
        return super().__hash__()

    def __eq__(self, other: object) -> bool:
        Counted.steps += 1
        return super().__eq__(other)


def names(count: int) -> Name:
    return Name(tuple(Counted(f"v{n}") for n in range(count)))


def tower(kind: str, height: int, inner: Constraint) -> Constraint:
    """Each level has a small child, and the next level."""
    found = inner
    for level in range(height):
        few = Userid((level,))
        if kind == "mixed":
            found = (And((found, few)), Or((found, few)), Not((found, few)))[level % 3]
        elif kind == "and-or":
            found = Or((few, And((found, Not((Name(("x",)),))))))
        else:
            found = {"and": And, "or": Or, "not": Not}[kind]((few, found))
    return found


def planned(constraint: Constraint) -> tuple[Plan, int, int]:
    """Return a plan, how often a name was hashed, and how many costs were asked for."""
    asked = 0

    def cost(path: AccessPath) -> int:
        nonlocal asked
        asked += 1
        return len(path.values) if isinstance(path, InList) else 500

    Counted.steps = 0
    found = plan(constraint, cost)
    return found, Counted.steps, asked


@pytest.mark.parametrize("kind", ["and", "or", "not", "mixed", "and-or"])
def test_a_value_is_not_touched_once_a_level(kind: str) -> None:
    for height in (1, 10, 1000):
        _, steps, asked = planned(tower(kind, height, names(MANY)))
        assert steps <= 8 * MANY
        assert asked <= 4 * height


@pytest.mark.parametrize("inner", [1, 2, 3])
def test_values_of_one_column_are_joined_once(inner: int) -> None:
    found: Constraint = Or(tuple(Name((Counted(f"v{n}"),)) for n in range(inner)))
    for level in range(400):
        found = Or((Name((Counted(f"l{level}"),)), found))
    result, steps, _ = planned(found)
    assert steps <= 30 * 400
    ((path),) = result.access_paths or ()
    assert isinstance(path, InList)
    assert len(path.values) == 400 + inner


def test_towers_keep_all_their_values() -> None:
    found, _, _ = planned(tower("or", 500, names(MANY)))
    assert found.access_paths is not None
    values = {path.column: path.values for path in found.access_paths}  # type: ignore[union-attr]
    assert {f"v{n}" for n in range(MANY)} == set(values["name"])
    assert set(range(500)) == set(values["userid"])


def test_a_cost_is_asked_for_once() -> None:
    """What was the cheapest at one level is compared again at the next one."""
    big = Or((Userid(tuple(range(50))), Name(("a",))))
    tree: Constraint = big
    for level in range(100):
        tree = And((tree, Userid(tuple(range(level, level + 90)))))
    _, _, asked = planned(tree)
    assert asked <= 103


def test_of_many_choices_some_are_asked_for() -> None:
    _, _, asked = planned(And(tuple(Userid((n,)) for n in range(5000))))
    assert asked == 64
    window = Timestamp("t_run", ">", 5.0)
    found, _, asked = planned(
        And((*(Userid(tuple(range(n, n + 600))) for n in range(99)), window))
    )
    assert asked == 65
    assert (TimeRange(5.0, float("inf")),) == found.access_paths


@pytest.mark.parametrize(("count", "said"), [(999, True), (1000, True), (1001, False)])
def test_sqlite_is_not_told_of_more_than_1000_values(count: int, said: bool) -> None:
    found, _, _ = planned(Name(tuple(f"v{n}" for n in range(count))))
    assert said is not found.residual_check
    assert said is (found.predicate != "1")
    assert found.access_paths is not None
    assert count == len(found.access_paths[0].values)  # type: ignore[union-attr]


def test_a_job_is_not_compared_with_each_value() -> None:
    matcher = Matcher(names(10_000))
    Counted.steps = 0
    for name in ("v0", "v9999", "none", "v17", None):
        matcher.matches(_job(name))
    assert Counted.steps <= 20
    assert 1 + 10_000 + 10_000 + 18 + 10_000 == matcher.comparisons


def _job(name: Any) -> Job:
    return Job(1, 1, 1, name=name, state=INACTIVE)
