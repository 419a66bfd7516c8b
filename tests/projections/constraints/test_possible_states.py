# SPDX-License-Identifier: LGPL-3.0
"""Which states a constraint leaves any hope for.

The tables have the answers of flux-core's unit test job-list/test/state_match.c.
"""

import pytest

from projections.constraints.possible_states import may_match
from projections.constraints.tree import Everything, parse
from projections.job.state import (
    ACTIVE,
    CLEANUP,
    DEPEND,
    INACTIVE,
    NEW,
    PENDING,
    PRIORITY,
    RUN,
    RUNNING,
    SCHED,
)

ALL, NONE = "yyyyyyyyy", "nnnnnnnnn"
U42, FOO = {"userid": [42]}, {"name": ["foo"]}
STATE_D, STATE_P = {"states": ["depend"]}, {"states": ["priority"]}
STATE_PD, STATE_RU = {"states": ["pending"]}, {"states": ["running"]}
DONE, LATE = {"results": ["completed"]}, {"t_inactive": [">=100.0"]}
P_OR_42, DONE_OR_42 = {"or": [STATE_P, U42]}, {"or": [DONE, U42]}

# For D, P, S, R, C, I and then for pending, running, active
REACH: list[tuple[object, str]] = [
    ({}, ALL),
    ({"states": []}, ALL),
    ({"not": [{"states": []}]}, NONE),
    ({"and": []}, ALL),
    ({"or": []}, ALL),
    ({"not": []}, NONE),
    (STATE_PD, "yyynnnyny"),
    ({"and": [STATE_PD]}, "yyynnnyny"),
    ({"or": [STATE_PD]}, "yyynnnyny"),
    ({"not": [STATE_PD]}, "nnnyyynyy"),
    ({"states": ["new"]}, NONE),
    (DONE, "nnnnnynnn"),
    ({"not": [DONE]}, ALL),
    ({"t_submit": [">=100.0"]}, ALL),
    ({"t_depend": ["<=100.0"]}, ALL),
    ({"t_priority": [">100.0"]}, "nyyyyyyyy"),
    ({"t_sched": ["<100.0"]}, "nyyyyyyyy"),
    ({"t_run": [">100.0"]}, "nnnyyynyy"),
    ({"t_cleanup": [">=100.0"]}, "nnnnyynyy"),
    ({"t_inactive": ["<=100.0"]}, "nnnnnynnn"),
    ({"not": [{"t_run": ["<=500"]}]}, ALL),
    ({"and": [STATE_D, STATE_P]}, NONE),
    ({"not": [{"and": [STATE_D, STATE_P]}]}, ALL),
    ({"and": [{"not": [STATE_D]}, STATE_P]}, "nynnnnyny"),
    ({"or": [STATE_D, STATE_P]}, "yynnnnyny"),
    ({"not": [{"or": [STATE_D, STATE_P]}]}, "nnyyyyyyy"),
    ({"or": [{"not": [STATE_D]}, STATE_P]}, "nyyyyyyyy"),
    *(({"and": [STATE_D, late]}, NONE) for late in (DONE, LATE)),
    *(({"not": [{"and": [STATE_D, late]}]}, ALL) for late in (DONE, LATE)),
    *(({"and": [STATE_D, {"not": [late]}]}, "ynnnnnyny") for late in (DONE, LATE)),
    *(({"or": [STATE_D, late]}, "ynnnnyyny") for late in (DONE, LATE)),
    *(({"not": [{"or": [STATE_D, late]}]}, "nyyyyyyyy") for late in (DONE, LATE)),
    *(({"or": [STATE_D, {"not": [late]}]}, ALL) for late in (DONE, LATE)),
    *(({op: ["1"]}, ALL) for op in ("name", "queue", "hostlist", "ranks")),
    (U42, ALL),
    ({"not": [U42]}, ALL),
    ({"and": [U42, FOO]}, ALL),
    ({"and": [{"not": [U42]}, FOO]}, ALL),
    ({"or": [U42, FOO]}, ALL),
    ({"or": [{"not": [U42]}, FOO]}, ALL),
    ({"and": [STATE_RU, U42, FOO]}, "nnnyynnyy"),
    ({"and": [{"not": [STATE_RU]}, U42, FOO]}, "yyynnyyny"),
    ({"not": [{"and": [STATE_RU, U42, FOO]}]}, ALL),
    ({"or": [STATE_RU, U42, FOO]}, ALL),
    ({"or": [{"not": [STATE_RU]}, U42, FOO]}, ALL),
    ({"not": [{"or": [STATE_RU, U42, FOO]}]}, "yyynnyyny"),
    ({"and": [{"and": [STATE_P, U42]}, FOO]}, "nynnnnyny"),
    ({"and": [P_OR_42, FOO]}, ALL),
    ({"and": [{"and": [DONE, U42]}, FOO]}, "nnnnnynnn"),
    ({"and": [DONE_OR_42, FOO]}, ALL),
    ({"and": [STATE_D, P_OR_42, FOO]}, "ynnnnnyny"),
    ({"and": [{"not": [STATE_D]}, P_OR_42, FOO]}, "nyyyyyyyy"),
    ({"and": [STATE_D, {"not": [P_OR_42]}, FOO]}, "ynnnnnyny"),
    ({"and": [U42, FOO, {"hostlist": ["bar"]}, STATE_RU, DONE, LATE]}, NONE),
]


@pytest.mark.parametrize(("obj", "expected"), REACH)
def test_may_match(obj: object, expected: str) -> None:
    tree = parse(obj)
    states = (DEPEND, PRIORITY, SCHED, RUN, CLEANUP, INACTIVE, PENDING, RUNNING, ACTIVE)
    assert expected == "".join("ny"[may_match(tree, state)] for state in states)


def test_what_is_no_state_matches_nothing() -> None:
    no_states = (0, NEW, 128, -1, NEW | DEPEND, DEPEND | SCHED, ACTIVE | INACTIVE, 127, 2**40)
    assert [state for state in no_states if may_match(Everything(), state)] == []
