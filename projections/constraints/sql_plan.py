# SPDX-License-Identifier: LGPL-3.0
"""From a constraint to a plan that finds the inactive jobs that match it.

A plan has three parts:

* The *predicate*: SQL that is true for every job that matches. Conditions on hosts and ranks,
  which SQL cannot compare, and terms beyond SQLite's limits are left out of it.
* The *residual check*: whether the predicate may be true for jobs that do not match, so that
  each row that was found has to be evaluated (evaluate.py).
* The *access paths*: the indexes to read, which together lead to all candidates. An "and"
  takes the access paths of its cheapest child; an "or" needs those of all its children.

Negations are pushed down to the leaves: each node gets a plan and the plan of its negation. A
predicate that leaves something out is then always too weak, never too strong.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from projections.constraints import interval_index
from projections.constraints.access_paths import (
    AccessPath,
    Binding,
    Cost,
    Costs,
    InList,
    Overlaps,
    Paths,
    TimeRange,
    either,
    united,
)
from projections.constraints.tree import (
    And,
    Constraint,
    Hostlist,
    Name,
    Not,
    Or,
    Queue,
    Ranks,
    Results,
    States,
    Timestamp,
    Userid,
    fold_tree,
)
from projections.formats.json_text import dumps
from projections.job.state import INACTIVE, RESULTS, USERID_UNKNOWN

# SQLite limits the depth of an expression (1000) and the bindings of a statement (32766).
_DEEPEST = 200
_MOST_BINDINGS = 8_000
_MOST_LISTED = 200
_MOST_IN_PREDICATE = 1000
_MOST_PROBED = 64


ALL_TIME = TimeRange(float("-inf"), float("inf"))


class Plan(NamedTuple):
    """How the jobs that match a constraint, or its negation, are found in the inactive list.

    ``access_paths`` together lead to all candidates; None: only a scan of the whole list does.
    ``time_range`` bounds the lifetimes of all jobs that match. ``depth`` is that of the
    predicate as an expression of SQLite.
    """

    predicate: str
    bindings: tuple[Binding, ...] = ()
    residual_check: bool = False
    access_paths: tuple[AccessPath, ...] | None = None
    time_range: TimeRange = ALL_TIME
    depth: int = 1


class _Draft(NamedTuple):
    """A plan whose access paths are not united yet."""

    predicate: str
    bindings: tuple[Binding, ...] = ()
    residual_check: bool = False
    access_paths: Paths | None = None
    time_range: TimeRange = ALL_TIME
    depth: int = 1


class _PlanPair(NamedTuple):
    """The plan of a constraint, and that of its negation."""

    plan: _Draft
    negated: _Draft


_ANY = "1"  # a predicate that is true for every job
_TRUE = _Draft(_ANY)
_FALSE = _Draft("0", access_paths=())
_NOT_IN_SQL = _Draft(_ANY, residual_check=True)
_OPPOSITE = {">": "<=", ">=": "<", "<": ">=", "<=": ">"}


def plan(constraint: Constraint, cost: Cost) -> Plan:
    """Return the plan for the inactive jobs that match.

    Takes time and memory in proportion to the constraint.
    """
    pair: _PlanPair = fold_tree(constraint, partial(_visit, Costs(cost)))
    found = pair.plan
    return Plan(
        found.predicate,
        found.bindings,
        found.residual_check,
        None if found.access_paths is None else united(found.access_paths),
        found.time_range,
        found.depth,
    )


def _visit(costs: Costs, node: Constraint, children: tuple[_PlanPair, ...]) -> _PlanPair:
    if isinstance(node, And | Not):
        every = _all([child.plan for child in children], costs)
        none = _any([child.negated for child in children])
        return _PlanPair(none, every) if isinstance(node, Not) else _PlanPair(every, none)
    if isinstance(node, Or):
        if not children:  # true, by RFC 31
            return _constant(True)
        return _PlanPair(
            _any([child.plan for child in children]),
            _all([child.negated for child in children], costs),
        )
    return _leaf(node)


def _leaf(node: Constraint) -> _PlanPair:  # noqa: PLR0911 - a return an operator
    if isinstance(node, Userid):
        anyone = USERID_UNKNOWN in node.values
        return _constant(True) if anyone else _one_of("userid", node.values)
    if isinstance(node, Name | Queue):
        return _one_of(type(node).__name__.lower(), node.values)
    if isinstance(node, States):
        return _constant(bool(node.mask & INACTIVE))
    if isinstance(node, Results):
        wanted = tuple(result.name for result in RESULTS if result.mask & node.mask)
        others = tuple(result.name for result in RESULTS if not result.mask & node.mask)
        return _PlanPair(_one_of("result", wanted).plan, _one_of("result", others).plan)
    if isinstance(node, Timestamp):
        return _timestamp(node)
    if isinstance(node, Hostlist):
        return _hosts(interval_index.host_intervals(node.hosts))
    if isinstance(node, Ranks):
        return _overlap(tuple(interval_index.rank_intervals(node.ids)))
    return _constant(True)


def _constant(value: bool) -> _PlanPair:
    return _PlanPair(_TRUE, _FALSE) if value else _PlanPair(_FALSE, _TRUE)


def _hosts(wanted: tuple[interval_index.Interval, ...]) -> _PlanPair:
    unnamed = interval_index.interval_of(interval_index.UNNAMED, 0, 0)
    if unnamed in wanted:  # too many intervals to search for
        return _PlanPair(_NOT_IN_SQL, _NOT_IN_SQL)
    return _overlap((*wanted, unnamed))


def _overlap(wanted: tuple[interval_index.Interval, ...]) -> _PlanPair:
    return _PlanPair(_NOT_IN_SQL._replace(access_paths=(Overlaps(wanted),)), _NOT_IN_SQL)


def _one_of(column: str, values: tuple[Binding, ...]) -> _PlanPair:
    if not values:
        return _constant(False)
    paths = (InList(column, tuple(dict.fromkeys(values))),)
    if len(values) > _MOST_IN_PREDICATE:  # each index scan would read the list
        return _PlanPair(_NOT_IN_SQL._replace(access_paths=paths), _NOT_IN_SQL)
    among, bindings = listed(column, values)
    return _PlanPair(
        _Draft(among, bindings, access_paths=paths),
        # A job may have no name, or no queue.
        _Draft(f"({column} IS NULL OR NOT {among})", bindings),
    )


def listed(column: str, values: Sequence[Binding]) -> tuple[str, tuple[Binding, ...]]:
    """Return SQL that is true where ``column`` has one of ``values``, with its bindings."""
    if len(values) <= _MOST_LISTED:
        return f"{column} IN ({', '.join('?' * len(values))})", tuple(values)
    return f"{column} IN (SELECT value FROM json_each(?))", (dumps(values).decode(),)


def _timestamp(node: Timestamp) -> _PlanPair:
    if node.value != node.value:  # NaN: every comparison with it is false
        return _constant(False)
    compared = _compared(node.attr, node.op, node.value)
    if node.attr in {"t_submit", "t_inactive"}:  # never NULL
        return _PlanPair(compared, _compared(node.attr, _OPPOSITE[node.op], node.value))
    lacking = f"({node.attr} IS NULL OR NOT {compared.predicate})"
    return _PlanPair(compared, _Draft(lacking, compared.bindings))


def _compared(attr: str, op: str, value: float) -> _Draft:
    ends = (value, float("inf")) if op.startswith(">") else (float("-inf"), value)
    found = TimeRange(*ends)
    return _Draft(f"{attr} {op} ?", (value,), access_paths=(found,), time_range=found)


def _all(plans: list[_Draft], costs: Costs) -> _Draft:
    """Return the plan for jobs that match all of these: the cheapest one's access paths."""
    if _FALSE in plans:
        return _FALSE
    plans = [plan for plan in plans if plan != _TRUE]
    if len(plans) < 2:
        return plans[0] if plans else _TRUE
    common = TimeRange(
        max(plan.time_range.after for plan in plans),
        min(plan.time_range.before for plan in plans),
    )
    # Bounds on times narrow each other, so that together they are one access path.
    choices = [
        plan.access_paths for plan in plans
        if plan.access_paths is not None and plan.access_paths != (plan.time_range,)
    ][:_MOST_PROBED]  # fmt: skip
    if common != ALL_TIME:
        choices.append((common,))
    best = choices[0] if len(choices) == 1 else min(choices, key=costs.of, default=None)
    residual = any(plan.residual_check for plan in plans)
    said = [plan for plan in plans if plan.predicate != _ANY]
    joined = _joined(" AND ", said, residual_check=residual)
    return joined._replace(access_paths=best, time_range=common)


def _any(plans: list[_Draft]) -> _Draft:
    """Return the plan for jobs that match one of these: the access paths of all of them."""
    if _TRUE in plans:
        return _TRUE
    plans = [plan for plan in plans if plan != _FALSE]
    if len(plans) < 2:
        return plans[0] if plans else _FALSE
    known = [plan.access_paths for plan in plans if plan.access_paths is not None]
    paths = either(known) if len(known) == len(plans) else None
    residual = any(plan.residual_check for plan in plans)
    said = [] if any(plan.predicate == _ANY for plan in plans) else plans
    return _joined(" OR ", said, residual_check=residual)._replace(access_paths=paths)


def _joined(word: str, plans: list[_Draft], *, residual_check: bool) -> _Draft:
    """Join predicates; where that is too much for SQLite, the predicate is left out."""
    depth = 1 + max((plan.depth for plan in plans), default=0) + len(plans).bit_length()
    bound = sum(len(plan.bindings) for plan in plans)
    if not plans or depth > _DEEPEST or bound > _MOST_BINDINGS:
        return _NOT_IN_SQL
    bindings = tuple(value for plan in plans for value in plan.bindings)
    # SQLite nests a chain of n terms n deep; in a balanced tree the depth is log2(n).
    predicate = _balanced(word, [plan.predicate for plan in plans])
    return _Draft(predicate, bindings, residual_check, depth=depth)


def _balanced(word: str, terms: list[str]) -> str:
    if len(terms) == 1:
        return terms[0]
    half = len(terms) // 2
    return f"({_balanced(word, terms[:half])}{word}{_balanced(word, terms[half:])})"
