# SPDX-License-Identifier: LGPL-3.0
"""Constraints of a job listing: the tree, and the parser that makes it from decoded JSON.

A constraint is RFC 31's ``{"operator": [values]}`` with the operators of flux-core's job-list
module. Its match.c and match_util.c decide what is accepted, and the error texts are theirs.
The tree is immutable data with three readers: evaluate.py compares it with one job,
possible_states.py with a job state, and sql_plan.py turns it into SQL; the last two reduce it
with `fold_tree`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial, reduce
from operator import or_
from typing import Final, NamedTuple, TypeAlias, TypeVar

import msgspec

from projections.constraints.strtod import strtod
from projections.formats import hostlist, idset
from projections.formats.json_text import c_string
from projections.job import state

TIMESTAMPS: Final = (
    "t_submit",
    "t_depend",
    "t_priority",
    "t_sched",
    "t_run",
    "t_cleanup",
    "t_inactive",
)


class ConstraintError(ValueError):
    """The constraint is not acceptable.

    The text is job-list's own, without what job-list says before it ("invalid payload:
    constraint object invalid: ") and not yet cut to the length of a flux_error_t.
    """


class TooLargeError(Exception):
    """The constraint has more operators than allowed (``operators``), or more values."""

    def __init__(self, *, operators: bool) -> None:
        super().__init__("operators" if operators else "values")
        self.operators = operators


class _Node(msgspec.Struct, frozen=True, tag=True):
    """The base of all nodes: immutable, and encoded with a tag, the name of the class."""


class Everything(_Node, frozen=True):
    """``{}``, or no constraint at all: every job matches."""


class Userid(_Node, frozen=True):
    """The job's owner is one of `values`, or one of them is `USERID_UNKNOWN`, which is anyone.

    Values are 0 to 2^32 - 1.
    """

    values: tuple[int, ...]


class Name(_Node, frozen=True):
    """The job has a name, and it is one of `values`."""

    values: tuple[str, ...]


class Queue(_Node, frozen=True):
    """The job has a queue, and it is one of `values`."""

    values: tuple[str, ...]


class States(_Node, frozen=True):
    """The job is in one of the states of `mask`; a mask of 0 matches no job."""

    mask: int


class Results(_Node, frozen=True):
    """The job is inactive, and its result is in `mask`."""

    mask: int


class Hostlist(_Node, frozen=True):
    """The job's nodelist has one of `hosts`, kept in the request's order, with duplicates."""

    hosts: hostlist.Hostlist


class Ranks(_Node, frozen=True):
    """The job's ranks and `ids` intersect."""

    ids: idset.Ranges


class Timestamp(_Node, frozen=True):
    """The job has the timestamp `attr`, and ``timestamp op value`` is true.

    `attr` is one of TIMESTAMPS, `op` one of ``>=``, ``<=``, ``>`` and ``<``; `value` is in
    seconds since the epoch, >= 0.0. It may be infinite, or NaN: then no comparison is true.
    """

    attr: str
    op: str
    value: float


class And(_Node, frozen=True):
    """All of `children` match; true if there are none."""

    children: tuple[Constraint, ...]


class Or(_Node, frozen=True):
    """One of `children` matches; true if there are none, as RFC 31 has it."""

    children: tuple[Constraint, ...]


class Not(_Node, frozen=True):
    """Not all of `children` match; false if there are none."""

    children: tuple[Constraint, ...]


Leaf: TypeAlias = (
    Everything | Userid | Name | Queue | States | Results | Hostlist | Ranks | Timestamp
)
Junction: TypeAlias = And | Or | Not
Constraint: TypeAlias = Leaf | Junction

S = TypeVar("S")
T = TypeVar("T")
_Step: TypeAlias = tuple[Callable[[tuple[T, ...]], T], Sequence[S]]
"""A function from the results of an item's children to its own result, and the children."""


def fold_tree(constraint: Constraint, visit: Callable[[Constraint, tuple[T, ...]], T]) -> T:
    """Reduce a tree from the leaves up, however deep it is.

    `visit` is called with a node and what it returned for the children of that node.
    """

    def expand(node: Constraint) -> _Step[T, Constraint]:
        return partial(visit, node), node.children if isinstance(node, Junction) else ()

    return _bottom_up(constraint, expand)


_NO_LIMIT: Final = 2**63


class Most(NamedTuple):
    """How much a constraint may have.

    ``hosts``: of each ``hostlist``, and ranks of each ``ranks`` operator. job-list takes the
    size of the instance, but at least 1024. ``operators`` and ``values``: of all of it.
    """

    hosts: int
    operators: int = _NO_LIMIT
    values: int = _NO_LIMIT


def parse(
    obj: object = msgspec.UNSET, *, max_hosts: int = 1024, most: Most | None = None
) -> Constraint:
    """Return the tree for `obj`, a decoded JSON value; `Everything` if there is no value.

    Nesting is not limited. Raises `ConstraintError` for the first error in the order of the
    text, and `TooLargeError` where one of the bounds is exceeded before that.
    """
    if obj is msgspec.UNSET:
        return Everything()
    return _bottom_up(obj, _Reader(most or Most(max_hosts)).expand)


def _bottom_up(root: S, expand: Callable[[S], _Step[T, S]]) -> T:
    """Fold a tree without recursion, whose depth Python limits to some hundreds.

    `expand` is called depth first and from left to right.
    """
    pending = [root]
    order = []
    while pending:
        finish, children = expand(pending.pop())
        order.append((finish, len(children)))
        pending.extend(reversed(children))
    done: list[T] = []
    for finish, arity in reversed(order):
        done.append(finish(tuple(done.pop() for _ in range(arity))))
    return done.pop()


class _Reader:
    """Checks the objects of a constraint, one after the other."""

    def __init__(self, most: Most) -> None:
        self._hosts = most.hosts
        self._operators = most.operators
        self._values = most.values

    def expand(self, obj: object) -> _Step[Constraint, object]:
        """Check one object of a constraint; the children of a junction come later."""
        self._count_operator()
        if not isinstance(obj, dict):
            raise ConstraintError("constraint must be JSON object")
        if len(obj) > 1:
            raise ConstraintError("constraint must only contain 1 element")
        for op, values in obj.items():
            if not isinstance(values, list):
                raise ConstraintError(f"operator {op} values not an array")
            if op in _JUNCTIONS:
                return _JUNCTIONS[op], values
            if op not in _LEAVES:
                raise ConstraintError(f"unknown constraint operator: {op}")
            self._count_values(len(values))
            return partial(_childless, _LEAVES[op](values, self._hosts)), ()
        return partial(_childless, Everything()), ()

    def _count_operator(self) -> None:
        self._operators -= 1
        if self._operators < 0:
            raise TooLargeError(operators=True)

    def _count_values(self, count: int) -> None:
        self._values -= count
        if self._values < 0:
            raise TooLargeError(operators=False)


def _childless(leaf: Leaf, _: tuple[Constraint, ...]) -> Leaf:
    return leaf


def _uint32(value: object) -> int | None:
    """Return a JSON integer as C keeps it; None for anything else, true and false included."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value & 0xFFFFFFFF
    return None


def _userid(value: object) -> int:
    if (userid := _uint32(value)) is None:
        raise ConstraintError("userid value must be an integer")
    return userid


def _string(what: str, value: object) -> str:
    if not isinstance(value, str):
        raise ConstraintError(f"{what} value must be a string")
    return c_string(value)


def _words(named: Iterable[state.State | state.Result]) -> dict[str, int]:
    """Give each mask its name and abbreviation, in upper and in lower case, not mixed."""
    return {
        spelling: one.mask
        for one in named
        for name in (one.name, one.abbreviation)
        for spelling in (name, name.lower())
    }


_STATES = _words((*state.STATES, *state.COMBINED_STATES))
_RESULTS = _words(state.RESULTS)


def _mask(what: str, words: dict[str, int], values: list[object]) -> int:
    """Return the union of names and masks; a mask may only have bits that have a name."""
    valid = reduce(or_, words.values())
    mask = 0
    for value in values:
        if isinstance(value, str):
            word = c_string(value)
            if word not in words:
                raise ConstraintError(f"invalid {what} value '{word}' specified")
            number = words[word]
        elif (bits := _uint32(value)) is None:
            raise ConstraintError(f"{what} value invalid type")
        elif bits & ~valid:
            raise ConstraintError(f"invalid {what} value '{bits:X}h' specified")
        else:
            number = bits
        mask |= number
    return mask


def _hosts(values: list[object], max_hosts: int) -> Hostlist:
    lists = []
    for value in values:
        # "" is a valid hostlist without hosts, which job-list refuses here.
        if not (some := _decode_hosts(_string("host", value))):
            raise ConstraintError("host value not in valid Hostlist format")
        lists.append(some)
    hosts = hostlist.concat(*lists)
    if hostlist.count(hosts) > max_hosts:
        raise ConstraintError("too many hosts specified")
    return Hostlist(hosts)


def _decode_hosts(text: str) -> hostlist.Hostlist:
    try:
        return hostlist.decode(text)
    except hostlist.HostlistError:
        return ()


def _ranks(values: list[object], max_hosts: int) -> Ranks:
    sets = []
    for value in values:
        text = _string("ranks", value)
        try:
            sets.append(idset.decode(text))
        except idset.IdsetError as error:
            raise ConstraintError(f"ranks value '{text}': {error}") from error
    ids = idset.union(*sets)
    if idset.count(ids) > max_hosts:
        raise ConstraintError("too many ranks specified")
    return Ranks(ids)


def _time(text: str) -> float:
    try:
        return strtod(text)
    except ValueError:
        raise ConstraintError("Invalid timestamp value specified") from None


def _timestamp(attr: str, values: list[object], _: int) -> Timestamp:
    """Only the first value is read; others are ignored, whatever they are."""
    if not values:
        raise ConstraintError("timestamp value not specified")
    text = _string(attr, values[0])
    for op in (">=", "<=", ">", "<"):
        if text.startswith(op):
            value = _time(text[len(op) :])
            if value < 0.0:
                raise ConstraintError("timestamp value must be >= 0.0")
            return Timestamp(attr, op, value)
    raise ConstraintError("timestamp comparison operator not specified")


_JUNCTIONS: dict[str, Callable[[tuple[Constraint, ...]], Constraint]] = {
    "and": And,
    "or": Or,
    "not": Not,
}
_LEAVES: dict[str, Callable[[list[object], int], Leaf]] = {
    "userid": lambda values, _: Userid(tuple(map(_userid, values))),
    "name": lambda values, _: Name(tuple(map(partial(_string, "name"), values))),
    "queue": lambda values, _: Queue(tuple(map(partial(_string, "queue"), values))),
    "states": lambda values, _: States(_mask("states", _STATES, values)),
    "results": lambda values, _: Results(_mask("results", _RESULTS, values)),
    "hostlist": _hosts,
    "ranks": _ranks,
    **{attr: partial(_timestamp, attr) for attr in TIMESTAMPS},
}
