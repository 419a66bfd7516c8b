# SPDX-License-Identifier: LGPL-3.0
"""From a constraint to SQL over the inactive list: pure.

Two things follow from a constraint. A *filter*: SQL that every job that matches satisfies,
and that is exact where all of the constraint can be said in SQL (hosts and ranks cannot:
what is found is looked at again). And a *drive*: which index leads to the candidates. An
"and" needs one of its children's, the cheapest; an "or" needs one for each child.

Negations are pushed down to the leaves first, so that a filter that leaves out what SQL
cannot say always lets too much pass, and never too little.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple, TypeAlias

from . import spans
from .constraint import (
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
    fold,
)
from .job import CANCELED, COMPLETED, FAILED, INACTIVE, TIMEOUT, USERID_UNKNOWN

Binding: TypeAlias = "str | int | float"

_RESULTS = (COMPLETED, FAILED, CANCELED, TIMEOUT)
# SQLite limits the depth of an expression (1000) and the bindings of a statement (32766).
_DEEPEST = 200
_MOST_BINDINGS = 8_000
_MOST_STREAMS = 200


class Equal(NamedTuple):
    """Jobs whose ``column`` has this value, in the order of the list."""

    column: str
    value: Binding


class Window(NamedTuple):
    """Jobs that lived at some time between these, both included."""

    after: float
    before: float


class Spans(NamedTuple):
    """Jobs that have an interval that overlaps one of these."""

    spans: tuple[spans.Span, ...]


Drive: TypeAlias = "Equal | Window | Spans"
Cost: TypeAlias = Callable[[Drive], int]
"""How many candidates a drive has, or as many as one cares to count."""

_ALWAYS = Window(float("-inf"), float("inf"))


class Side(NamedTuple):
    """What follows from a constraint, or from its negation.

    ``drives`` together lead to all candidates; None: nothing leads there but the whole list.
    """

    where: str
    bindings: tuple[Binding, ...] = ()
    exact: bool = True
    drives: tuple[Drive, ...] | None = None
    window: Window = _ALWAYS
    depth: int = 1


class _Both(NamedTuple):
    true: Side
    false: Side


_TRUE = Side("1")
_FALSE = Side("0", drives=())
_UNSAYABLE = Side("1", exact=False)


def plan(constraint: Constraint, cost: Cost) -> Side:
    """Return filter and drives for the inactive jobs that match."""
    both: _Both = fold(constraint, partial(_visit, cost))
    return both.true


def _visit(cost: Cost, node: Constraint, children: tuple[_Both, ...]) -> _Both:
    if isinstance(node, And | Not):
        every = _all([child.true for child in children], cost)
        none = _any([child.false for child in children])
        return _Both(none, every) if isinstance(node, Not) else _Both(every, none)
    if isinstance(node, Or):
        if not children:  # RFC 31 has it true, where a logician would not
            return _constant(True)
        return _Both(
            _any([child.true for child in children]),
            _all([child.false for child in children], cost),
        )
    return _leaf(node)


def _leaf(node: Constraint) -> _Both:  # noqa: PLR0911 - a return an operator
    if isinstance(node, Userid):
        anyone = USERID_UNKNOWN in node.values
        return _constant(True) if anyone else _one_of("userid", node.values)
    if isinstance(node, Name | Queue):
        return _one_of(type(node).__name__.lower(), node.values)
    if isinstance(node, States):
        return _constant(bool(node.mask & INACTIVE))
    if isinstance(node, Results):
        wanted = tuple(result for result in _RESULTS if result & node.mask)
        others = tuple(result for result in _RESULTS if not result & node.mask)
        return _Both(_one_of("result", wanted).true, _one_of("result", others).true)
    if isinstance(node, Timestamp):
        return _timestamp(node)
    if isinstance(node, Hostlist):
        unnamed = spans.span(spans.UNNAMED, 0, 0)
        return _overlap((*spans.host_spans(node.hosts), unnamed))
    if isinstance(node, Ranks):
        return _overlap(tuple(spans.rank_spans(node.ids)))
    return _constant(True)


def _constant(value: bool) -> _Both:
    return _Both(_TRUE, _FALSE) if value else _Both(_FALSE, _TRUE)


def _overlap(wanted: tuple[spans.Span, ...]) -> _Both:
    return _Both(_UNSAYABLE._replace(drives=(Spans(wanted),)), _UNSAYABLE)


def _one_of(column: str, values: tuple[Binding, ...]) -> _Both:
    if not values:
        return _constant(False)
    if len(values) > _MOST_BINDINGS:
        return _Both(_UNSAYABLE, _UNSAYABLE)
    listed = f"{column} IN ({', '.join('?' * len(values))})"
    drives = tuple(Equal(column, value) for value in dict.fromkeys(values))
    return _Both(
        Side(listed, values, drives=drives if len(drives) <= _MOST_STREAMS else None),
        # A job may have no name, or no queue.
        Side(f"({column} IS NULL OR NOT {listed})", values),
    )


def _timestamp(node: Timestamp) -> _Both:
    if node.value != node.value:  # NaN: no time compares to it
        return _constant(False)
    compared = f"{node.attr} {node.op} ?"
    if node.op.startswith(">"):
        window = Window(node.value, float("inf"))
    else:
        window = Window(float("-inf"), node.value)
    return _Both(
        Side(compared, (node.value,), drives=(window,), window=window),
        Side(f"({node.attr} IS NULL OR NOT {compared})", (node.value,)),
    )


def _all(sides: list[Side], cost: Cost) -> Side:
    if not sides:
        return _TRUE
    if len(sides) == 1:
        return sides[0]
    window = Window(
        max(side.window.after for side in sides), min(side.window.before for side in sides)
    )
    # Bounds on times narrow each other, so that together they are one drive.
    ways = [side.drives for side in sides if side.drives not in {None, (side.window,)}]
    if window != _ALWAYS:
        ways.append((window,))
    best = ways[0] if len(ways) == 1 else min(ways, key=partial(_total, cost), default=None)
    return _joined(" AND ", sides)._replace(drives=best, window=window)


def _total(cost: Cost, drives: tuple[Drive, ...] | None) -> int:
    return sum(map(cost, drives or ()))


def _any(sides: list[Side]) -> Side:
    if not sides:
        return _FALSE
    if len(sides) == 1:
        return sides[0]
    drives: list[Drive] | None = []
    for side in sides:
        if side.drives is None or drives is None:
            drives = None
        else:
            drives += side.drives
    if drives is not None and len(drives) > _MOST_STREAMS:
        drives = None
    unique = None if drives is None else tuple(dict.fromkeys(drives))
    return _joined(" OR ", sides)._replace(drives=unique)


def _joined(word: str, sides: list[Side]) -> Side:
    depth = 1 + max(side.depth for side in sides)
    bindings = tuple(value for side in sides for value in side.bindings)
    exact = all(side.exact for side in sides)
    if depth > _DEEPEST or len(bindings) > _MOST_BINDINGS or len(sides) > _MOST_BINDINGS:
        return _UNSAYABLE
    # SQLite nests a chain of n terms n deep: a balanced tree stays flat.
    where = _balanced(word, [side.where for side in sides])
    return Side(where, bindings, exact, depth=depth + len(sides).bit_length())


def _balanced(word: str, terms: list[str]) -> str:
    if len(terms) == 1:
        return terms[0]
    half = len(terms) // 2
    return f"({_balanced(word, terms[:half])}{word}{_balanced(word, terms[half:])})"
