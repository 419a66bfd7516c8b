# SPDX-License-Identifier: LGPL-3.0
"""Plans to the letter: predicate, bindings, residual check, access paths of all trees."""

from __future__ import annotations

import json
from math import inf
from typing import Any

import pytest

from projections.constraints import interval_index
from projections.constraints.access_paths import AccessPath, InList, Overlaps, TimeRange
from projections.constraints.sql_plan import Plan, listed, plan
from projections.constraints.tree import parse
from projections.formats import hostlist

ALL_TIME = TimeRange(-inf, inf)
TRUE, FALSE = Plan("1"), Plan("0", access_paths=())
CHECKED = Plan("1", residual_check=True)
UNNAMED = interval_index.interval_of(interval_index.UNNAMED, 0, 0)


def cost(path: AccessPath) -> int:
    """Values and intervals by their number, times by their length."""
    if isinstance(path, InList):
        return 10 * len(path.values)
    if isinstance(path, Overlaps):
        return 20 * len(path.intervals)
    return int(min(path.before - path.after, 1000))


def planned(obj: Any) -> Plan:
    return plan(parse(obj, max_hosts=10**6), cost)


def rank(lo: int, hi: int) -> interval_index.Interval:
    return interval_index.interval_of(interval_index.RANKS, lo, hi)


def hosts(text: str) -> tuple[interval_index.Interval, ...]:
    return interval_index.host_intervals(hostlist.decode(text))


def times(attr: str, op: str, value: float) -> Plan:
    found = TimeRange(value, inf) if op.startswith(">") else TimeRange(-inf, value)
    return Plan(f"{attr} {op} ?", (value,), access_paths=(found,), time_range=found)


U5 = Plan("userid IN (?)", (5,), access_paths=(InList("userid", (5,)),))
GOOD, BAD = ("COMPLETED", "CANCELED"), ("FAILED", "TIMEOUT")
ALL = ("COMPLETED", "FAILED", "CANCELED", "TIMEOUT")
N = Plan("name IN (?)", ("a",), access_paths=(InList("name", ("a",)),))
LEAVES: list[tuple[Any, Plan, Plan]] = [
    # What is asked, its plan, and that of its negation.
    ({}, TRUE, FALSE),
    ({"and": []}, TRUE, FALSE),
    ({"or": []}, TRUE, FALSE),
    ({"userid": []}, FALSE, TRUE),
    ({"userid": [5]}, U5, Plan("(userid IS NULL OR NOT userid IN (?))", (5,))),
    ({"userid": [5, -1]}, TRUE, FALSE),
    (
        {"userid": [5, 7, 5]},
        Plan("userid IN (?, ?, ?)", (5, 7, 5), access_paths=(InList("userid", (5, 7)),)),
        Plan("(userid IS NULL OR NOT userid IN (?, ?, ?))", (5, 7, 5)),
    ),
    ({"name": ["a"]}, N, Plan("(name IS NULL OR NOT name IN (?))", ("a",))),
    (
        {"queue": ["q"]},
        Plan("queue IN (?)", ("q",), access_paths=(InList("queue", ("q",)),)),
        Plan("(queue IS NULL OR NOT queue IN (?))", ("q",)),
    ),
    ({"states": ["inactive", "run"]}, TRUE, FALSE),
    ({"states": ["active"]}, FALSE, TRUE),
    ({"states": []}, FALSE, TRUE),
    (
        {"results": ["failed", "timeout"]},
        Plan("result IN (?, ?)", BAD, access_paths=(InList("result", BAD),)),
        Plan("result IN (?, ?)", GOOD, access_paths=(InList("result", GOOD),)),
    ),
    (
        {"results": []},
        FALSE,
        Plan("result IN (?, ?, ?, ?)", ALL,
             access_paths=(InList("result", ALL),)),
    ),
    ({"t_submit": [">5"]}, times("t_submit", ">", 5.0), times("t_submit", "<=", 5.0)),
    ({"t_submit": [">=5"]}, times("t_submit", ">=", 5.0), times("t_submit", "<", 5.0)),
    ({"t_inactive": ["<5"]}, times("t_inactive", "<", 5.0), times("t_inactive", ">=", 5.0)),
    ({"t_inactive": ["<=5"]}, times("t_inactive", "<=", 5.0), times("t_inactive", ">", 5.0)),
    *(
        ({name: ["<5"]}, times(name, "<", 5.0),
         Plan(f"({name} IS NULL OR NOT {name} < ?)", (5.0,)))
        for name in ("t_depend", "t_priority", "t_sched", "t_run", "t_cleanup")
    ),
    ({"t_run": [">nan"]}, FALSE, TRUE),
    (
        {"ranks": ["1-3,7"]},
        CHECKED._replace(access_paths=(Overlaps((rank(1, 3), rank(7, 7))),)),
        CHECKED,
    ),
    (
        {"hostlist": ["n[1-3]"]},
        CHECKED._replace(access_paths=(Overlaps((*hosts("n[1-3]"), UNNAMED)),)),
        CHECKED,
    ),
    ({"hostlist": ["n[1-5000]x"]}, CHECKED, CHECKED),  # more intervals than are searched for
]  # fmt: skip


@pytest.mark.parametrize(("obj", "expected", "negated"), LEAVES)
def test_a_leaf_and_its_negation(obj: Any, expected: Plan, negated: Plan) -> None:
    assert expected == planned(obj)
    assert negated == planned({"not": [obj]})
    assert expected == planned({"not": [{"not": [obj]}]})
    for op in ("and", "or"):
        assert expected == planned({op: [obj]})
    assert expected == planned({"and": [{}, obj, {}]})
    assert expected == planned({"or": [{"userid": []}, obj, {"states": ["run"]}]})
    assert FALSE == planned({"and": [obj, {"userid": []}]})
    assert TRUE == planned({"or": [obj, {}]})


RUN, END = {"t_run": [">=10"]}, {"t_inactive": ["<30"]}
RANK, USER, NAME = {"ranks": ["1"]}, {"userid": [5]}, {"name": ["a"]}
FEW = {"userid": [5, 6, 7]}
BY_RANK = Overlaps((rank(1, 1),))
BY_FEW = InList("userid", (5, 6, 7))
IN_FEW = "userid IN (?, ?, ?)"


@pytest.mark.parametrize(
    ("tree", "expected"),
    [
        # The cheapest access path of several; the first of several that cost the same.
        ([USER, NAME], Plan("(userid IN (?) AND name IN (?))", (5, "a"), depth=4,
                            access_paths=(InList("userid", (5,)),))),
        ([NAME, USER], Plan("(name IN (?) AND userid IN (?))", ("a", 5), depth=4,
                            access_paths=(InList("name", ("a",)),))),
        ([FEW, NAME], Plan(f"({IN_FEW} AND name IN (?))", (5, 6, 7, "a"), depth=4,
                           access_paths=(InList("name", ("a",)),))),
        # Ranks are not in the predicate.
        ([RANK, FEW], Plan(IN_FEW, (5, 6, 7), True, (BY_RANK,), depth=3)),
        ([RANK, USER], Plan("userid IN (?)", (5,), True, U5.access_paths, depth=3)),
        ([RANK, {"ranks": ["2"]}], CHECKED._replace(access_paths=(BY_RANK,))),
        # Times narrow each other, and are one access path.
        ([RUN, END], Plan("(t_run >= ? AND t_inactive < ?)", (10.0, 30.0), depth=4,
                          access_paths=(TimeRange(10.0, 30.0),),
                          time_range=TimeRange(10.0, 30.0))),
        ([RUN, {"t_run": [">15"]}, END, {"t_inactive": ["<20"]}],
         Plan("((t_run >= ? AND t_run > ?) AND (t_inactive < ? AND t_inactive < ?))",
              (10.0, 15.0, 30.0, 20.0), depth=5, access_paths=(TimeRange(15.0, 20.0),),
              time_range=TimeRange(15.0, 20.0))),
        ([RUN, FEW], Plan(f"(t_run >= ? AND {IN_FEW})", (10.0, 5, 6, 7), depth=4,
                          access_paths=(BY_FEW,), time_range=TimeRange(10.0, inf))),
        ([RUN, END, FEW], Plan(f"(t_run >= ? AND (t_inactive < ? AND {IN_FEW}))",
                               (10.0, 30.0, 5, 6, 7), depth=4,
                               access_paths=(TimeRange(10.0, 30.0),),
                               time_range=TimeRange(10.0, 30.0))),
        # What has no access path takes that of another one.
        ([{"not": [NAME]}, FEW], Plan(f"((name IS NULL OR NOT name IN (?)) AND {IN_FEW})",
                                      ("a", 5, 6, 7), depth=4, access_paths=(BY_FEW,))),
        ([{"not": [NAME]}, {"not": [USER]}],
         Plan("((name IS NULL OR NOT name IN (?)) AND (userid IS NULL OR NOT userid IN (?)))",
              ("a", 5), depth=4)),
        ([{"not": [RANK]}, USER], Plan("userid IN (?)", (5,), True, U5.access_paths, depth=3)),
    ],
)  # fmt: skip
def test_and(tree: list[Any], expected: Plan) -> None:
    assert expected == planned({"and": tree})
    assert expected == planned({"not": [{"or": [{"not": [one]} for one in tree]}]})


EARLY, LATE = {"t_run": ["<10"]}, {"t_run": [">20"]}


@pytest.mark.parametrize(
    ("tree", "expected"),
    [
        ([USER, NAME], Plan("(userid IN (?) OR name IN (?))", (5, "a"), depth=4, access_paths=(
            InList("userid", (5,)), InList("name", ("a",))))),
        ([USER, {"userid": [7, 5]}],
         Plan("(userid IN (?) OR userid IN (?, ?))", (5, 7, 5), depth=4,
              access_paths=(InList("userid", (5, 7)),))),
        # Where one has no access path, they have none together.
        ([USER, {"not": [NAME]}],
         Plan("(userid IN (?) OR (name IS NULL OR NOT name IN (?)))", (5, "a"), depth=4)),
        # Where one is not in the predicate, nothing is.
        ([USER, RANK], CHECKED._replace(access_paths=(InList("userid", (5,)), BY_RANK))),
        ([RANK, {"ranks": ["2", "1"]}, {"ranks": ["1"]}],
         CHECKED._replace(access_paths=(Overlaps((rank(1, 1), rank(1, 2))),))),
        ([USER, {"not": [RANK]}], CHECKED),
        # Times that overlap are joined, others are not.
        ([LATE, EARLY], Plan("(t_run > ? OR t_run < ?)", (20.0, 10.0), depth=4, access_paths=(
            TimeRange(-inf, 10.0), TimeRange(20.0, inf)))),
        ([{"t_run": [">10"]}, {"t_run": ["<10"]}],
         Plan("(t_run > ? OR t_run < ?)", (10.0, 10.0), depth=4,
              access_paths=(TimeRange(-inf, inf),))),
        ([{"t_run": [">10"]}, LATE],
         Plan("(t_run > ? OR t_run > ?)", (10.0, 20.0), depth=4,
              access_paths=(TimeRange(10.0, inf),))),
        ([USER, EARLY, {"t_run": ["<5"]}],
         Plan("(userid IN (?) OR (t_run < ? OR t_run < ?))", (5, 10.0, 5.0), depth=4,
              access_paths=(InList("userid", (5,)), TimeRange(-inf, 10.0)))),
    ],
)  # fmt: skip
def test_or(tree: list[Any], expected: Plan) -> None:
    assert expected == planned({"or": tree})
    assert expected == planned({"not": [{"and": [{"not": [one]} for one in tree]}]})


def test_a_residual_check_of_one_is_that_of_all() -> None:
    mixed = {"and": [RANK, USER]}
    assert planned({"or": [mixed, NAME]}).residual_check
    assert planned({"and": [mixed, NAME]}).residual_check
    found = planned({"or": [mixed, NAME]})
    assert "(userid IN (?) OR name IN (?))" == found.predicate
    assert (InList("userid", (5,)), InList("name", ("a",))) == found.access_paths


def test_an_or_with_an_and_of_times() -> None:
    window = {"and": [RUN, END]}
    found = planned({"or": [window, {"and": [{"t_run": [">=50"]}, {"t_inactive": ["<60"]}]}]})
    assert (TimeRange(10.0, 30.0), TimeRange(50.0, 60.0)) == found.access_paths
    assert ALL_TIME == found.time_range
    assert 7 == found.depth


def test_windows_are_joined_one_after_the_other() -> None:
    ends = [(0, 1), (3, 9), (4, 7), (8, 10), (10, 11), (20, 21)]
    some = [{"and": [{"t_run": [f">={a}"]}, {"t_run": [f"<{b}"]}]} for a, b in reversed(ends)]
    joined = (TimeRange(0.0, 1.0), TimeRange(3.0, 11.0), TimeRange(20.0, 21.0))
    assert joined == planned({"or": some}).access_paths


def test_a_window_counts_more_than_its_ends_where_costs_are_not_told_apart() -> None:
    """What estimates a cost may stop counting at a limit."""
    found = plan(parse({"and": [RUN, END]}), lambda _: 7)
    assert (TimeRange(10.0, 30.0),) == found.access_paths


def test_an_or_costs_what_it_reads() -> None:
    """Values that several have are read once, and times that several windows have."""
    users = {"or": [{"userid": [5, 6]}, {"userid": [6, 5]}]}
    times = {
        "or": [{"and": [{"t_run": [f">={n}"]}, {"t_run": [f"<{n + 14}"]}]} for n in (0, 1)]
    }
    names = {"name": ["a", "b", "c"]}
    for joined, path in ((users, InList("userid", (5, 6))), (times, TimeRange(0.0, 15.0))):
        assert (path,) == planned({"and": [joined, names]}).access_paths
        assert (path,) == planned({"and": [names, joined]}).access_paths


# -- limits


def test_more_than_200_values_are_bound_as_one() -> None:
    few, many = list(range(200)), list(range(201))
    assert (f"x IN ({', '.join('?' * 200)})", tuple(few)) == listed("x", few)
    text = json.dumps(many, separators=(",", ":"))
    assert ("x IN (SELECT value FROM json_each(?))", (text,)) == listed("x", many)


def windows(count: int) -> Any:
    some = (({"t_run": [f">={n}"]}, {"t_run": [f"<{n + 1}"]}) for n in range(0, 3 * count, 3))
    return {"or": [{"and": list(both)} for both in some]}


def test_more_than_200_windows_become_one() -> None:
    paths = planned(windows(200)).access_paths
    assert tuple(TimeRange(n, n + 1) for n in range(0, 600, 3)) == paths
    assert (TimeRange(0.0, 601.0),) == planned(windows(201)).access_paths


@pytest.mark.parametrize(("count", "fits"), [(40, True), (41, False)])
def test_at_most_8000_bindings(count: int, fits: bool) -> None:
    tree = {"or": [{"userid": [n] * 200} for n in range(count)]}
    found = planned(tree)
    assert (InList("userid", tuple(range(count))),) == found.access_paths
    assert fits is not found.residual_check
    assert (200 * count if fits else 0) == len(found.bindings)
    one_more = planned({"or": [*tree["or"], NAME]})
    assert one_more.residual_check


def ladder(threes: int, fours: int) -> Any:
    """Each of the first adds 3 to the depth of an expression, of the others 4."""
    tree: Any = {"name": ["a"]}
    for level in range(threes + fours):
        op = ("and", "or")[level % 2]
        others = [USER] if level < threes else [USER, {"queue": ["q"]}, {"name": ["b"]}]
        tree = {op: [*others, tree]}
    return tree


def test_the_deepest_expression_has_200_levels() -> None:
    found = planned(ladder(65, 1))
    assert (200, False) == (found.depth, found.residual_check)
    found = planned(ladder(64, 2))  # 201 levels
    assert ("1", (), True, 1) == (
        found.predicate, found.bindings, found.residual_check, found.depth,
    )  # fmt: skip
    assert found.access_paths is not None
