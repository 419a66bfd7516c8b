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
from functools import lru_cache, partial
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
_TRUE, _FALSE = -1, -2  # in place of a next step: the result of the constraint


def _compile(constraint: Constraint) -> list[_Step]:
    """Return the steps of a tree; the first one is the start."""
    steps: dict[int, _Step] = {}
    planned = 1
    pending = [(constraint, 0, _TRUE, _FALSE)]
    while pending:
        node, here, if_true, if_false = pending.pop()
        if not isinstance(node, Junction):
            steps[here] = (partial(_TESTS[type(node)], node), if_true, if_false)
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


def _everything(_: Everything, __: Job) -> tuple[bool, int]:
    return True, 1


def _search(values: tuple[object, ...], wanted: tuple[object, ...]) -> tuple[bool, int]:
    """Compare one value after the other, up to the first that is wanted."""
    for comparisons, value in enumerate(values, start=1):
        if value in wanted:
            return True, comparisons
    return False, len(values)


def _userid(node: Userid, job: Job) -> tuple[bool, int]:
    return _search(node.values, (job.userid, USERID_UNKNOWN))


def _name(node: Name, job: Job) -> tuple[bool, int]:
    return _search(node.values, (job.name,))


def _queue(node: Queue, job: Job) -> tuple[bool, int]:
    return _search(node.values, (job.queue,))


def _states(node: States, job: Job) -> tuple[bool, int]:
    return bool(node.mask & job.state), 1


def _results(node: Results, job: Job) -> tuple[bool, int]:
    return job.state == INACTIVE and bool(node.mask & job.result), 1


def _hostlist(node: Hostlist, job: Job) -> tuple[bool, int]:
    return (False, 0) if job.nodelist is None else _compare_hosts(node.hosts, job.nodelist)


def _ranks(node: Ranks, job: Job) -> tuple[bool, int]:
    return (False, 0) if job.ranks is None else _compare_ranks(node.ids, job.ranks)


# Cached, since many jobs run on the same nodes.
@lru_cache(maxsize=1024)
def _compare_hosts(hosts: hostlist.Hostlist, nodelist: str) -> tuple[bool, int]:
    """Each host of the constraint is one comparison, up to the first that the job has."""
    offered = hostlist.decode_own(nodelist)
    if offered is None:
        return False, 0
    index = hostlist_runs.first_common_index(hosts, offered)
    return (False, hostlist.count(hosts)) if index is None else (True, index + 1)


@lru_cache(maxsize=1024)
def _compare_ranks(ids: idset.Ranges, ranks: str) -> tuple[bool, int]:
    """As many comparisons as the smaller of the two sets has members, whatever the answer."""
    try:
        others = idset.decode(ranks)
    except idset.IdsetError:
        return False, 0
    return idset.intersects(ids, others), min(idset.count(ids), idset.count(others))


_COMPARE = {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt}


def _timestamp(node: Timestamp, job: Job) -> tuple[bool, int]:
    """Compare a time that is part of what the job would be listed with."""
    time = ATTRIBUTES[node.attr](job)
    return time is not None and _COMPARE[node.op](time, node.value), 1


_TESTS: dict[type, Callable[[Any, Job], tuple[bool, int]]] = {
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
