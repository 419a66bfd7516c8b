# SPDX-License-Identifier: LGPL-3.0
"""Whether a constraint leaves any hope for jobs of a certain state.

A listing skips whole lists of jobs (pending, running, inactive) by this question, so it decides
about answers as well as about speed. The authority is flux-core's job-list/state_match.c.
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

# The truth values, in their order: "and" is the least, "or" the greatest, "not" the opposite.
_NEVER, _MAYBE, _ALWAYS = range(3)

_SINGLE = tuple(state.mask for state in LISTED_STATES)
_COMBINED = tuple(state.mask for state in COMBINED_STATES)

# The first state in which a job may have the timestamp. A job may return from SCHED to PRIORITY
# and keeps t_sched then. Any state will do for t_submit.
_SINCE = dict(
    zip(TIMESTAMPS, (0, DEPEND, PRIORITY, PRIORITY, RUN, CLEANUP, INACTIVE), strict=True)
)


def may_match(constraint: Constraint, state: int) -> bool:
    """Whether a job in `state` may match, as far as can be told from the state alone.

    `state` is one state, or all of PENDING, RUNNING or ACTIVE, which are reachable if one of
    their states is; for NEW and any other number the answer is False.

    States with an empty mask counts as always true here, although no job matches it: so its
    negation, which every job matches, is never reachable.
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
