# SPDX-License-Identifier: LGPL-3.0
"""Ways to read candidates by an index, joined and compared; `sql_plan.py` chooses among them.

While a constraint is planned, the access paths of an "or" refer to those of the junctions below
it (`Nested`) instead of copying them, and costs are remembered, so that planning takes time and
memory in proportion to the constraint, however deep it is. `united` makes few of them at the
end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, TypeAlias

from projections.constraints import interval_index

Binding: TypeAlias = "str | int | float"
_MOST_RANGES = 200


class InList(NamedTuple):
    """The index of ``column``: jobs that have one of these values there."""

    column: str
    values: tuple[Binding, ...]


class TimeRange(NamedTuple):
    """The index of t_inactive, and lifetimes: jobs that were alive at some time in between.

    Both bounds are included; seconds since the epoch.
    """

    after: float
    before: float


class Overlaps(NamedTuple):
    """The interval index: jobs that have an interval that overlaps one of these."""

    intervals: tuple[interval_index.Interval, ...]


AccessPath: TypeAlias = "InList | TimeRange | Overlaps"
Cost: TypeAlias = Callable[[AccessPath], int]
"""Estimates how many candidates an access path leads to; it may stop counting at a limit."""


class Nested(NamedTuple):
    """All access paths of a junction below."""

    paths: Paths


Paths: TypeAlias = "tuple[AccessPath | Nested, ...]"
"""Access paths that together lead to all candidates."""


def either(several: list[Paths]) -> Paths:
    """Return access paths that lead to all that any of these lead to.

    Those of single leaves are united; those of nested terms are passed on in `Nested`, so that
    no value is copied at each level.
    """
    leaves: list[AccessPath] = []
    nested: list[Nested] = []
    for paths in several:
        match paths:
            case (InList() | TimeRange() | Overlaps() as leaf,):
                leaves.append(leaf)
            case _:
                nested.append(Nested(paths))
    few = _united(leaves)
    # In `Nested`, the next level does not take a single one for a leaf's and copy it again.
    return (*few, *nested) if nested else (Nested(few),)


def united(paths: Paths) -> tuple[AccessPath, ...]:
    """Return few access paths that lead to all that these lead to."""
    if any(isinstance(path, Nested) for path in paths):
        return _united(_flat(paths))
    return tuple(_flat(paths))


def _flat(paths: Paths) -> Iterator[AccessPath]:
    pending = [iter(paths)]
    while pending:
        path = next(pending[-1], None)
        if path is None:
            pending.pop()
        elif isinstance(path, Nested):
            pending.append(iter(path.paths))
        else:
            yield path


def _united(paths: Iterable[AccessPath]) -> tuple[AccessPath, ...]:
    values: dict[str, dict[Binding, None]] = {}
    ranges: list[TimeRange] = []
    wanted: dict[interval_index.Interval, None] = {}
    for path in paths:
        if isinstance(path, InList):
            values.setdefault(path.column, {}).update(dict.fromkeys(path.values))
        elif isinstance(path, TimeRange):
            ranges.append(path)
        else:
            wanted.update(dict.fromkeys(path.intervals))
    lists = [InList(column, tuple(found)) for column, found in values.items()]
    return (*lists, *_merged(ranges), *([Overlaps(tuple(wanted))] if wanted else []))


def _merged(ranges: list[TimeRange]) -> list[TimeRange]:
    """Join ranges that overlap; all of them, where more than 200 would be left."""
    merged: list[TimeRange] = []
    for after, before in sorted(ranges):
        if merged and after <= merged[-1].before:
            merged[-1] = TimeRange(merged[-1].after, max(merged[-1].before, before))
        else:
            merged.append(TimeRange(after, before))
    if len(merged) > _MOST_RANGES:
        return [TimeRange(merged[0].after, max(one.before for one in merged))]
    return merged


class Costs:
    """What access paths cost: the sum of what each of them leads to."""

    def __init__(self, cost: Cost) -> None:
        self._cost = cost
        # By id(). The paths are kept as well, so that Python gives their ids to no others.
        self._known: dict[int, tuple[Paths, int]] = {}

    def of(self, paths: Paths) -> int:
        """Return the cost; that of the same object is found once."""
        pending = [paths]
        while pending:
            top = pending[-1]
            if id(top) not in self._known:
                below = [path.paths for path in top if isinstance(path, Nested)]
                unknown = [one for one in below if id(one) not in self._known]
                if unknown:
                    pending += unknown
                    continue
                total = sum(self._known[id(one)][1] for one in below)
                total += sum(self._cost(path) for path in top if not isinstance(path, Nested))
                self._known[id(top)] = top, total
            pending.pop()
        return self._known[id(paths)][1]
