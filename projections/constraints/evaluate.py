# SPDX-License-Identifier: LGPL-3.0
"""Evaluating a constraint for a job, and counting the comparisons that this takes.

The rules are those of flux-core's job-list/match.c. It limits the number of comparisons of a
request, which makes the order of evaluation and the short circuits part of the behaviour.

A constraint is compiled into a list of *steps*: a test of a leaf, and the steps to go to if it
is true or false. Evaluation is a loop over steps, without recursion, so that the depth of a
constraint is not limited.
"""

import operator
from collections.abc import Callable
from math import inf
from typing import Any

from projections.constraints.tree import (
    Constraint,
    Everything,
    Hostlist,
    Junction,
    Name,
    Not,
    Or,
    Queue,
    Ranks,
    Results,
    States,
    Timestamp,
    Userid,
)
from projections.formats import hostlist, hostlist_runs, idset
from projections.job.attributes import ATTRIBUTES
from projections.job.state import INACTIVE, USERID_UNKNOWN, Job


class TooManyComparisonsError(Exception):
    """A request took more comparisons than allowed; the text is job-list's."""

    def __init__(self) -> None:
        super().__init__("Excessive comparisons made, limit search via states or since")


class Matcher:
    """A compiled constraint, with one count of comparisons over all jobs that it is put to."""

    def __init__(self, constraint: Constraint, max_comparisons: int = 0) -> None:
        """Compile `constraint`; a `max_comparisons` of 0 is no limit."""
        self.comparisons = 0
        self._max = max_comparisons
        self._steps = _compile(constraint)

    def matches(self, job: Job) -> bool:
        """Return whether `job` matches.

        Raises `TooManyComparisonsError` as soon as the limit is exceeded, whatever the result.
        """
        at = 0
        while at >= 0:
            test, if_true, if_false = self._steps[at]
            result, comparisons = test(job)
            self.comparisons += comparisons
            if self.comparisons > self._max > 0:
                raise TooManyComparisonsError
            at = if_true if result else if_false
        return at == _TRUE


def matches(constraint: Constraint, job: Job) -> bool:
    """Return whether one job matches; for many jobs, a `Matcher` is faster."""
    return Matcher(constraint).matches(job)


_Test = Callable[[Job], tuple[bool, int]]  # the result, and the comparisons made for it
_Step = tuple[_Test, int, int]  # a test, and the next step if it is true or false
_MOST_REMEMBERED = 2**20  # characters of hosts and ranks
_ENTRY = 64  # what a text counts besides its characters
_TRUE, _FALSE = -1, -2  # in place of a next step: the result of the constraint


_Compare = Callable[[str], tuple[bool, int]]  # with a text of the job


class _Memory:
    """Results of comparisons with a text, for a constraint: many jobs run on the same nodes.

    All its operators together keep texts of 2^20 characters, then they begin anew.
    """

    def __init__(self) -> None:
        self._results: dict[tuple[_Compare, str], tuple[bool, int]] = {}
        self._used = 0

    def of(self, compare: _Compare) -> _Compare:
        """Return the same function, with a memory."""

        def remembered(text: str) -> tuple[bool, int]:
            key = compare, text
            found = self._results.get(key)
            if found is None:
                found = compare(text)
                self._keep(key, found)
            return found

        return remembered

    def _keep(self, key: tuple[_Compare, str], found: tuple[bool, int]) -> None:
        self._used += len(key[1]) + _ENTRY
        if self._used > _MOST_REMEMBERED:
            self._results.clear()
            self._used = len(key[1]) + _ENTRY
        self._results[key] = found


def _compile(constraint: Constraint) -> list[_Step]:
    """Return the steps of a tree; the first one is the start."""
    steps: dict[int, _Step] = {}
    memory = _Memory()
    planned = 1
    pending = [(constraint, 0, _TRUE, _FALSE)]
    while pending:
        node, here, if_true, if_false = pending.pop()
        if not isinstance(node, Junction):
            steps[here] = (_TESTS[type(node)](node, memory), if_true, if_false)
            continue
        if isinstance(node, Not):
            if_true, if_false = if_false, if_true
        if not node.children:
            steps[here] = (_nothing, if_true, if_false)
            continue
        more = range(planned, planned + len(node.children) - 1)
        planned += len(more)
        if isinstance(node, Or):
            ways = [(if_true, step) for step in (*more, if_false)]
        else:
            ways = [(step, if_false) for step in (*more, if_true)]
        for child, step, way in zip(node.children, (here, *more), ways, strict=True):
            pending.append((child, step, *way))
    return [steps[index] for index in range(planned)]


def _nothing(_: Job) -> tuple[bool, int]:
    """Test a junction without children: true, without a comparison."""
    return True, 0


def _everything(_: Everything, __: _Memory) -> _Test:
    return lambda _: (True, 1)


class _Search:
    """Compares one value after the other, up to the first that is wanted: by an index."""

    def __init__(self, values: tuple[Any, ...]) -> None:
        self._count = len(values)
        # The last one that is entered for a value is the first one of the values.
        last = enumerate(reversed(values))
        self._places = {value: len(values) - place for place, value in last}

    def first(self, *wanted: object) -> tuple[bool, int]:
        """Return whether one of these is among the values, and how many were compared."""
        found = min(self._places.get(one, inf) for one in wanted)
        return (True, int(found)) if found <= self._count else (False, self._count)


def _userid(node: Userid, __: _Memory) -> _Test:
    search = _Search(node.values)
    return lambda job: search.first(job.userid, USERID_UNKNOWN)


def _name(node: Name, __: _Memory) -> _Test:
    search = _Search(node.values)
    return lambda job: search.first(job.name)


def _queue(node: Queue, __: _Memory) -> _Test:
    search = _Search(node.values)
    return lambda job: search.first(job.queue)


def _states(node: States, __: _Memory) -> _Test:
    return lambda job: (bool(node.mask & job.state), 1)


def _results(node: Results, __: _Memory) -> _Test:
    return lambda job: (job.state == INACTIVE and bool(node.mask & job.result), 1)


def _hostlist(node: Hostlist, memory: _Memory) -> _Test:
    """Each host of the constraint is one comparison, up to the first that the job has."""
    count = hostlist.count(node.hosts)
    wanted = hostlist_runs.Wanted(node.hosts)

    def compare(nodelist: str) -> tuple[bool, int]:
        offered = hostlist.decode_own(nodelist)
        if offered is None:
            return False, 0
        index = wanted.first_index(offered)
        return (False, count) if index is None else (True, index + 1)

    found = memory.of(compare)
    return lambda job: (False, 0) if job.nodelist is None else found(job.nodelist)


def _ranks(node: Ranks, memory: _Memory) -> _Test:
    """As many comparisons as the smaller of the two sets has members, whatever the answer."""
    count = idset.count(node.ids)

    def compare(ranks: str) -> tuple[bool, int]:
        try:
            others = idset.decode(ranks)
        except idset.IdsetError:
            return False, 0
        return idset.intersects(node.ids, others), min(count, idset.count(others))

    found = memory.of(compare)
    return lambda job: (False, 0) if job.ranks is None else found(job.ranks)


_COMPARE = {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt}


def _timestamp(node: Timestamp, __: _Memory) -> _Test:
    """Compare a time that is part of what the job would be listed with."""
    of, compare, value = ATTRIBUTES[node.attr], _COMPARE[node.op], node.value

    def test(job: Job) -> tuple[bool, int]:
        time = of(job)
        return time is not None and compare(time, value), 1

    return test


_TESTS: dict[type, Callable[[Any, _Memory], _Test]] = {
    Everything: _everything,
    Userid: _userid,
    Name: _name,
    Queue: _queue,
    States: _states,
    Results: _results,
    Hostlist: _hostlist,
    Ranks: _ranks,
    Timestamp: _timestamp,
}
