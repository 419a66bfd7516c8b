# SPDX-License-Identifier: LGPL-3.0
"""Whether a constraint may match a job in a given state, whatever its other attributes.

A listing skips a whole list of jobs (pending, running, inactive) where the result is False, so
that this decides about answers as well as about speed. The rules are those of flux-core's
job-list/state_match.c, which evaluates a constraint in three values: each leaf is true always,
maybe or never for jobs in the state; "and" is the least of these, "or" the greatest, and "not"
exchanges always and never. The NOT of a maybe is still a maybe. Here a constraint is evaluated
once for all states.
"""

from collections.abc import Iterable
from functools import reduce
from operator import and_, or_
from typing import NamedTuple

from projections.constraints.tree import (
    TIMESTAMPS,
    And,
    Constraint,
    Everything,
    Not,
    Or,
    Results,
    States,
    Timestamp,
    fold_tree,
)
from projections.job.state import (
    CLEANUP,
    COMBINED_STATES,
    DEPEND,
    INACTIVE,
    LISTED_STATES,
    PRIORITY,
    RUN,
)

_SINGLE = tuple(state.mask for state in LISTED_STATES)
_COMBINED = tuple(state.mask for state in COMBINED_STATES)
_ALL = sum(_SINGLE)

# The first state in which a job may have the timestamp. A job that returns from SCHED to
# PRIORITY keeps t_sched. t_submit is there in every state.
_SINCE = dict(
    zip(TIMESTAMPS, (0, DEPEND, PRIORITY, PRIORITY, RUN, CLEANUP, INACTIVE), strict=True)
)
_BEFORE = {attr: sum(one for one in _SINGLE if one < first) for attr, first in _SINCE.items()}


class Verdicts(NamedTuple):
    """Masks of the states where a constraint is never true, and of those where it always is."""

    never: int
    always: int


def possible_states(constraint: Constraint) -> int:
    """Return a mask of the states in which a job may match, as far as the state alone decides.

    States with an empty mask is taken as always true, as in job-list, although no job matches
    it; its negation, which every job matches, is never true by this.
    """
    return _ALL & ~fold_tree(constraint, _verdicts).never


def may_match(constraint: Constraint, state: int) -> bool:
    """Return whether a job in `state` may match.

    `state` is one state, or PENDING, RUNNING or ACTIVE: True then if it is for one of their
    states. For NEW and any other number the result is False.
    """
    known = state in _SINGLE or state in _COMBINED
    return known and bool(possible_states(constraint) & state)


def _verdicts(node: Constraint, children: tuple[Verdicts, ...]) -> Verdicts:
    never, always = [child.never for child in children], [child.always for child in children]
    match node:
        case And():
            found = Verdicts(_union(never), _common(always))
        case Or():  # true without children, as "and" is
            found = Verdicts(_common(never) if never else 0, _union(always) if always else _ALL)
        case Not():
            found = Verdicts(_common(always), _union(never))
        case Everything() | States(0):
            found = Verdicts(0, _ALL)
        case States(mask):
            found = Verdicts(_ALL & ~mask, _ALL & mask)
        case Results():
            found = Verdicts(_ALL & ~INACTIVE, 0)
        case Timestamp(attr):
            found = Verdicts(_BEFORE[attr], 0)
        case _:
            found = Verdicts(0, 0)
    return found


def _union(masks: Iterable[int]) -> int:
    return reduce(or_, masks, 0)


def _common(masks: Iterable[int]) -> int:
    return reduce(and_, masks, _ALL)
