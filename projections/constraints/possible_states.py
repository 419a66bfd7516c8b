# SPDX-License-Identifier: LGPL-3.0
"""Whether a constraint may match a job in a given state, whatever its other attributes.

A listing skips a whole list of jobs (pending, running, inactive) where the result is False, so
that this decides about answers as well as about speed. The rules are those of flux-core's
job-list/state_match.c, which evaluates a constraint in three values: each leaf is true always,
maybe or never for jobs in the state; "and" is the least of these, "or" the greatest, and "not"
exchanges always and never. The NOT of a maybe is still a maybe.
"""

from functools import partial

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

# The truth values, in their order.
_NEVER, _MAYBE, _ALWAYS = range(3)

_SINGLE = tuple(state.mask for state in LISTED_STATES)
_COMBINED = tuple(state.mask for state in COMBINED_STATES)

# The first state in which a job may have the timestamp. A job that returns from SCHED to
# PRIORITY keeps t_sched. t_submit is there in every state.
_SINCE = dict(
    zip(TIMESTAMPS, (0, DEPEND, PRIORITY, PRIORITY, RUN, CLEANUP, INACTIVE), strict=True)
)


def may_match(constraint: Constraint, state: int) -> bool:
    """Return whether a job in `state` may match, as far as the state alone decides.

    `state` is one state, or PENDING, RUNNING or ACTIVE: True then if it is for one of their
    states. For NEW and any other number the result is False.

    States with an empty mask is taken as always true, as in job-list, although no job matches
    it; its negation, which every job matches, is never true by this.
    """
    if state in _COMBINED:
        return any(may_match(constraint, single) for single in _SINGLE if single & state)
    return state in _SINGLE and fold_tree(constraint, partial(_verdict, state)) != _NEVER


def _verdict(state: int, node: Constraint, children: tuple[int, ...]) -> int:
    match node:
        case And():
            verdict = min(children, default=_ALWAYS)
        case Or():
            verdict = max(children, default=_ALWAYS)
        case Not():
            verdict = _ALWAYS - min(children, default=_ALWAYS)
        case Everything() | States(0):
            verdict = _ALWAYS
        case States(mask):
            verdict = _ALWAYS if mask & state else _NEVER
        case Results():
            verdict = _MAYBE if state == INACTIVE else _NEVER
        case Timestamp(attr):
            verdict = _MAYBE if state >= _SINCE[attr] else _NEVER
        case _:
            verdict = _MAYBE
    return verdict
