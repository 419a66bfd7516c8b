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

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import NamedTuple, TypeAlias

from projections.constraints import interval_index
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
    fold,
)
from projections.formats.json_text import dumps
from projections.job.state import (
    CANCELED,
    COMPLETED,
    FAILED,
    INACTIVE,
    TIMEOUT,
    USERID_UNKNOWN,
)

Binding: TypeAlias = "str | int | float"

_RESULTS = (COMPLETED, FAILED, CANCELED, TIMEOUT)
# SQLite limits the depth of an expression (1000) and the bindings of a statement (32766).
_DEEPEST = 200
_MOST_BINDINGS = 8_000
_MOST_LISTED = 200
_MOST_WINDOWS = 200


class Among(NamedTuple):
    """Jobs whose ``column`` has one of these values."""

    column: str
    values: tuple[Binding, ...]


class Window(NamedTuple):
    """Jobs that lived at some time between these, both included."""

    after: float
    before: float


class Spans(NamedTuple):
    """Jobs that have an interval that overlaps one of these."""

    spans: tuple[interval_index.Span, ...]


Drive: TypeAlias = "Among | Window | Spans"
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


_ANY = "1"  # SQL that lets all pass
_TRUE = Side(_ANY)
_FALSE = Side("0", drives=())
_UNSAYABLE = Side(_ANY, exact=False)
_OPPOSITE = {">": "<=", ">=": "<", "<": ">=", "<=": ">"}


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
        return _hosts(interval_index.host_spans(node.hosts))
    if isinstance(node, Ranks):
        return _overlap(tuple(interval_index.rank_spans(node.ids)))
    return _constant(True)


def _constant(value: bool) -> _Both:
    return _Both(_TRUE, _FALSE) if value else _Both(_FALSE, _TRUE)


def _hosts(wanted: tuple[interval_index.Span, ...]) -> _Both:
    unnamed = interval_index.span(interval_index.UNNAMED, 0, 0)
    if unnamed in wanted:  # these are too many to be asked for by spans
        return _Both(_UNSAYABLE, _UNSAYABLE)
    return _overlap((*wanted, unnamed))


def _overlap(wanted: tuple[interval_index.Span, ...]) -> _Both:
    return _Both(_UNSAYABLE._replace(drives=(Spans(wanted),)), _UNSAYABLE)


def _one_of(column: str, values: tuple[Binding, ...]) -> _Both:
    if not values:
        return _constant(False)
    among, bindings = listed(column, values)
    return _Both(
        Side(among, bindings, drives=(Among(column, tuple(dict.fromkeys(values))),)),
        # A job may have no name, or no queue.
        Side(f"({column} IS NULL OR NOT {among})", bindings),
    )


def listed(column: str, values: Sequence[Binding]) -> tuple[str, tuple[Binding, ...]]:
    """Return as SQL, with its bindings, that ``column`` has one of ``values``."""
    if len(values) <= _MOST_LISTED:
        return f"{column} IN ({', '.join('?' * len(values))})", tuple(values)
    return f"{column} IN (SELECT value FROM json_each(?))", (dumps(values).decode(),)


def _timestamp(node: Timestamp) -> _Both:
    if node.value != node.value:  # NaN: no time compares to it
        return _constant(False)
    compared = _compared(node.attr, node.op, node.value)
    if node.attr in {"t_submit", "t_inactive"}:  # which every job has
        return _Both(compared, _compared(node.attr, _OPPOSITE[node.op], node.value))
    lacking = f"({node.attr} IS NULL OR NOT {compared.where})"
    return _Both(compared, Side(lacking, compared.bindings))


def _compared(attr: str, op: str, value: float) -> Side:
    ends = (value, float("inf")) if op.startswith(">") else (float("-inf"), value)
    window = Window(*ends)
    return Side(f"{attr} {op} ?", (value,), drives=(window,), window=window)


def _all(sides: list[Side], cost: Cost) -> Side:
    if _FALSE in sides:
        return _FALSE
    sides = [side for side in sides if side != _TRUE]
    if len(sides) < 2:
        return sides[0] if sides else _TRUE
    window = Window(
        max(side.window.after for side in sides), min(side.window.before for side in sides)
    )
    # Bounds on times narrow each other, so that together they are one drive.
    ways = [side.drives for side in sides if side.drives not in {None, (side.window,)}]
    if window != _ALWAYS:
        ways.append((window,))
    best = ways[0] if len(ways) == 1 else min(ways, key=partial(_total, cost), default=None)
    exact = all(side.exact for side in sides)
    said = [side for side in sides if side.where != _ANY]
    return _joined(" AND ", said, exact=exact)._replace(drives=best, window=window)


def _total(cost: Cost, drives: tuple[Drive, ...] | None) -> int:
    return sum(map(cost, drives or ()))


def _any(sides: list[Side]) -> Side:
    if _TRUE in sides:
        return _TRUE
    sides = [side for side in sides if side != _FALSE]
    if len(sides) < 2:
        return sides[0] if sides else _FALSE
    drives: tuple[Drive, ...] | None = None
    if all(side.drives is not None for side in sides):
        drives = _united(drive for side in sides for drive in side.drives or ())
    exact = all(side.exact for side in sides)
    said = [] if any(side.where == _ANY for side in sides) else sides
    return _joined(" OR ", said, exact=exact)._replace(drives=drives)


def _united(drives: Iterable[Drive]) -> tuple[Drive, ...]:
    """Return few drives that lead to all that these lead to."""
    values: dict[str, dict[Binding, None]] = {}
    windows: list[Window] = []
    wanted: dict[interval_index.Span, None] = {}
    for drive in drives:
        if isinstance(drive, Among):
            values.setdefault(drive.column, {}).update(dict.fromkeys(drive.values))
        elif isinstance(drive, Window):
            windows.append(drive)
        else:
            wanted.update(dict.fromkeys(drive.spans))
    among = [Among(column, tuple(found)) for column, found in values.items()]
    return (*among, *_merged(windows), *([Spans(tuple(wanted))] if wanted else []))


def _merged(windows: list[Window]) -> list[Window]:
    """Join windows that overlap; all of them, where they are very many."""
    merged: list[Window] = []
    for after, before in sorted(windows):
        if merged and after <= merged[-1].before:
            merged[-1] = Window(merged[-1].after, max(merged[-1].before, before))
        else:
            merged.append(Window(after, before))
    if len(merged) > _MOST_WINDOWS:
        return [Window(merged[0].after, max(window.before for window in merged))]
    return merged


def _joined(word: str, sides: list[Side], *, exact: bool) -> Side:
    """Join what is said in SQL; where that is too much for SQLite, nothing is said."""
    depth = 1 + max((side.depth for side in sides), default=0) + len(sides).bit_length()
    bindings = tuple(value for side in sides for value in side.bindings)
    if not sides or depth > _DEEPEST or len(bindings) > _MOST_BINDINGS:
        return _UNSAYABLE
    # SQLite nests a chain of n terms n deep: a balanced tree stays flat.
    where = _balanced(word, [side.where for side in sides])
    return Side(where, bindings, exact, depth=depth)


def _balanced(word: str, terms: list[str]) -> str:
    if len(terms) == 1:
        return terms[0]
    half = len(terms) // 2
    return f"({_balanced(word, terms[:half])}{word}{_balanced(word, terms[half:])})"
