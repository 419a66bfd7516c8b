# SPDX-License-Identifier: LGPL-3.0
"""Which jobs match a constraint, and how many comparisons that takes.

The tables have the answers of flux-core's unit test job-list/test/match.c.
"""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projections.constraints.evaluate import Matcher, TooManyComparisonsError, matches
from projections.constraints.possible_states import may_match
from projections.constraints.tree import TIMESTAMPS, fold_tree, parse
from projections.job.state import (
    CANCELED,
    CLEANUP,
    COMPLETED,
    DEPEND,
    FAILED,
    INACTIVE,
    NEW,
    PENDING,
    PRIORITY,
    RUN,
    RUNNING,
    SCHED,
    TIMEOUT,
    USERID_UNKNOWN,
    Job,
)

SINGLE_STATES = (DEPEND, PRIORITY, SCHED, RUN, CLEANUP, INACTIVE)


def job_with(**attrs: Any) -> Job:
    return Job(key=1, id=1, stream=1, **{"submit_version": 1, **attrs})


def job_in(state: int, **attrs: Any) -> Job:
    """Make a job that went through all states up to `state`."""
    return job_with(state=state, states_mask=2 * state - 1, **attrs)


# -- what matches ------------------------------------------------------------------------------

# A job in each of the states; its times are 10.0, 20.0, ... in the order of TIMESTAMPS.
TIMES = [
    job_in(state, **dict(zip(TIMESTAMPS, (10.0 * n for n in range(1, last + 1)), strict=False)))
    for last, state in enumerate(SINGLE_STATES, start=2)
]

TIME_ANSWERS = [
    ("t_submit", ">=0", "yyyyyy"),
    ("t_depend", ">=0.0", "yyyyyy"),
    ("t_depend", "<15.0", "nnnnnn"),
    ("t_priority", ">=0", "nyyyyy"),
    ("t_sched", ">=0", "nnyyyy"),
    ("t_run", ">=0", "nnnyyy"),
    ("t_cleanup", ">=0.0", "nnnnyy"),
    ("t_inactive", ">=0.0", "nnnnny"),
    ("t_inactive", "<100.0", "nnnnny"),
    ("t_inactive", "<=100.0", "nnnnny"),
    ("t_inactive", "<70.0", "nnnnnn"),
    ("t_inactive", "<=70.0", "nnnnny"),
    ("t_inactive", "<25.0", "nnnnnn"),
    ("t_inactive", "<=25.0", "nnnnnn"),
    ("t_inactive", ">100.0", "nnnnnn"),
    ("t_inactive", ">=100.0", "nnnnnn"),
    ("t_inactive", ">70.0", "nnnnnn"),
    ("t_inactive", ">=70.0", "nnnnny"),
    ("t_inactive", ">25.0", "nnnnny"),
    ("t_inactive", ">=25.0", "nnnnny"),
    ("t_inactive", "<inf", "nnnnny"),
    ("t_submit", "<nan", "nnnnnn"),
    ("t_submit", ">=nan", "nnnnnn"),
]


def answers(obj: object, jobs: list[Job]) -> str:
    """Write down for each job whether it matches: y or n."""
    return "".join("ny"[matches(parse(obj), job)] for job in jobs)


@pytest.mark.parametrize(("attr", "value", "expected"), TIME_ANSWERS)
def test_timestamps(attr: str, value: str, expected: str) -> None:
    assert expected == answers({attr: [value, ">bogus"]}, TIMES)


def test_before_validate_events_depend_time_is_submit_time() -> None:
    jobs = [job_with(submit_version=version, t_submit=10.0) for version in (-1, 0, 1)]
    assert answers({"t_depend": ["<15.0"]}, jobs) == "yyn"


def test_first_priority_time_stays_when_the_state_is_left() -> None:
    job = job_with(
        state=PRIORITY, states_mask=NEW | DEPEND | PRIORITY, t_priority=3.0, t_sched=4.0
    )
    assert answers({"and": [{"t_priority": ["<=3"]}, {"t_sched": [">=4"]}]}, [job]) == "y"


def users(*userids: int) -> list[Job]:
    return [job_with(userid=userid) for userid in userids]


NAMED = [job_with(name=name, queue=name) for name in (None, "foo", "bar", "baz")]
NODES = [
    job_with(nodelist=nodelist)
    for nodelist in (None, "foo1", "foo2", "foo[1-2]", "foo[2-3]", "foo[3-4]", "foo4", "x[", "")
]
RANKS = [
    job_with(ranks=ranks)
    for ranks in (None, "1", "2", "1-2", "[2-3]", "3-4", "4", "4-5", "x", "")
]
ENDED = [job_in(INACTIVE, result=result) for result in (COMPLETED, FAILED, CANCELED, TIMEOUT)]
PAIRS = [
    job_with(userid=userid, name=name)
    for userid, name in ((43, "bar"), (42, "bar"), (43, "foo"))
] + [job_with(userid=42, name="foo")]
U42, U43, FOO = {"userid": [42]}, {"userid": [43]}, {"name": ["foo"]}

MATCHES: list[tuple[object, list[Job], str]] = [
    ({}, [job_with()], "y"),
    ({"userid": []}, users(42, 0), "nn"),
    ({"t_submit": [">=0"]}, [job_with(t_submit=0.0)], "y"),
    (U42, users(42, 43, 0), "ynn"),
    ({"userid": [42, 43]}, users(42, 43, 44, 0), "yynn"),
    ({"userid": [-1]}, users(42, 0, 2**31 + 5, USERID_UNKNOWN), "yyyy"),
    ({"userid": [2**31 + 5]}, users(2**31 + 5, 5), "yn"),
    *(({op: []}, NAMED, "nnnn") for op in ("name", "queue")),
    *(({op: ["foo"]}, NAMED, "nynn") for op in ("name", "queue")),
    *(({op: ["foo", "bar"]}, NAMED, "nyyn") for op in ("name", "queue")),
    ({"states": []}, [*map(job_in, SINGLE_STATES)], "nnnnnn"),
    ({"states": [1]}, [job_with(), *map(job_in, SINGLE_STATES)], "ynnnnnn"),
    ({"states": ["sched"]}, [*map(job_in, SINGLE_STATES)], "nnynnn"),
    ({"states": ["sched", "RUN"]}, [*map(job_in, SINGLE_STATES)], "nnyynn"),
    ({"states": ["pending"]}, [*map(job_in, SINGLE_STATES)], "yyynnn"),
    ({"results": []}, ENDED, "nnnn"),
    ({"results": [1]}, ENDED, "ynnn"),
    ({"results": ["completed", "FAILED"]}, ENDED, "yynn"),
    ({"results": [15]}, [job_with(), *map(job_in, SINGLE_STATES)], "nnnnnny"),
    ({"hostlist": []}, NODES, "nnnnnnnnn"),
    ({"hostlist": ["foo1"]}, NODES, "nynynnnnn"),
    ({"hostlist": ["foo[1-2]"]}, NODES, "nyyyynnnn"),
    ({"hostlist": ["foo1", "foo2", "foo3"]}, NODES, "nyyyyynnn"),
    ({"ranks": []}, RANKS, "nnnnnnnnnn"),
    ({"ranks": ["1"]}, RANKS, "nynynnnnnn"),
    ({"ranks": ["1-2"]}, RANKS, "nyyyynnnnn"),
    ({"ranks": ["1", "2", "3"]}, RANKS, "nyyyyynnnn"),
    ({"or": []}, PAIRS, "yyyy"),
    ({"and": []}, PAIRS, "yyyy"),
    ({"not": []}, PAIRS, "nnnn"),
    ({"not": [U42]}, PAIRS, "ynyn"),
    ({"not": [U42, FOO]}, PAIRS, "yyyn"),
    ({"or": [U42, FOO]}, PAIRS, "nyyy"),
    ({"or": [{"not": [U42]}, FOO]}, PAIRS, "ynyy"),
    ({"not": [{"or": [U42, FOO]}]}, PAIRS, "ynnn"),
    ({"and": [U42, FOO]}, PAIRS, "nnny"),
    ({"and": [{"not": [U42]}, FOO]}, PAIRS, "nnyn"),
    ({"not": [{"and": [U42, FOO]}]}, PAIRS, "yyyn"),
    ({"and": [{"or": [U42, U43]}, FOO]}, PAIRS, "nnyy"),
]


@pytest.mark.parametrize(("obj", "jobs", "expected"), MATCHES)
def test_matches(obj: object, jobs: list[Job], expected: str) -> None:
    assert expected == answers(obj, jobs)


def test_what_people_ask_for() -> None:
    batch: dict[str, Any] = {"userid": 42, "name": "foo", "queue": "batch"}
    pending = job_in(DEPEND, **batch)
    running = job_in(RUN, **batch, t_run=1000.0, nodelist="node[1-3]")
    ended = job_in(
        INACTIVE, **batch, result=TIMEOUT, t_run=100.0, t_inactive=2000.0, nodelist="node[2-4]"
    )
    others = job_in(RUN, **{**batch, "userid": 43, "queue": "debug"}, t_run=700.0)
    jobs = [pending, running, ended, others]
    hosts = {"hostlist": ["node1", "node2"]}
    asked: list[tuple[object, str]] = [
        ({"and": [U42, {"states": ["pending", "running", "inactive"]}]}, "yyyn"),
        ({"and": [U42, {"results": ["failed", "canceled", "timeout"]}]}, "nnyn"),
        ({"and": [{"states": ["active"]}, {"queue": ["batch", "debug"]}]}, "yyny"),
        ({"and": [{"queue": ["batch"]}, FOO, {"states": ["running"]}]}, "nynn"),
        ({"and": [{"states": ["inactive"]}, {"t_inactive": [">=500.0"]}]}, "nnyn"),
        ({"and": [U42, hosts]}, "nyyn"),
        ({"and": [hosts, {"t_run": [">=50.0"]}, {"t_inactive": ["<=5000.0"]}]}, "nnyn"),
        ({"and": [{"t_run": [">=500"]}, {"not": [hosts]}]}, "nnny"),
    ]
    assert [expected for _, expected in asked] == [answers(obj, jobs) for obj, _ in asked]


# -- what it costs -----------------------------------------------------------------------------

BUSY = job_in(RUN, userid=42, name="foo", nodelist="n[3-5],m", ranks="3-9", t_run=1.0)

COSTS: list[tuple[object, int]] = [
    ({}, 1),
    ({"and": []}, 0),
    ({"or": [{}]}, 1),
    ({"not": [{"or": []}]}, 0),
    ({"userid": []}, 0),
    ({"userid": [1, 2, 3]}, 3),
    ({"userid": [1, 42, 3]}, 2),
    ({"userid": [-1, 42]}, 1),
    ({"name": ["a", "b"]}, 2),
    ({"queue": ["a", "b", "a"]}, 3),
    ({"states": []}, 1),
    ({"results": ["failed"]}, 1),
    ({"t_run": [">0"]}, 1),
    ({"t_cleanup": [">0"]}, 1),
    ({"hostlist": []}, 0),
    ({"hostlist": ["n[0-2]", "x"]}, 4),
    ({"hostlist": ["n[0-1000]"]}, 4),
    ({"hostlist": ["n1,n1", "m"]}, 3),
    ({"ranks": []}, 0),
    ({"ranks": ["0-2"]}, 3),
    ({"ranks": ["3-4"]}, 2),
    ({"ranks": ["0-1000"]}, 7),
    ({"and": [U42, FOO]}, 2),
    ({"and": [U43, FOO]}, 1),
    ({"or": [U43, FOO, U42]}, 2),
    ({"or": [U42, FOO]}, 1),
    ({"not": [U43, FOO]}, 1),
    ({"not": [U42, FOO]}, 2),
    ({"or": [{"not": [{"userid": [1, 42]}]}, {"and": [FOO, {"states": ["run"]}]}]}, 4),
]


@pytest.mark.parametrize(("obj", "cost"), COSTS)
def test_costs(obj: object, cost: int) -> None:
    matcher = Matcher(parse(obj))
    matcher.matches(BUSY)
    assert cost == matcher.comparisons


def test_job_without_resources_costs_nothing() -> None:
    matcher = Matcher(parse({"or": [{"hostlist": ["a"]}, {"ranks": ["0"]}]}))
    for job in (job_with(), job_with(nodelist="a[", ranks="x")):
        assert not matcher.matches(job)
    assert matcher.comparisons == 0
    assert not matcher.matches(job_with(nodelist="", ranks=""))
    assert matcher.comparisons == 1


def test_many_hosts_and_ranks_are_not_expanded() -> None:
    tree = parse(
        {"or": [{"ranks": ["0-99999999"]}, {"hostlist": ["n[1-1000000]"]}]}, max_hosts=10**8
    )
    matcher = Matcher(tree)
    assert matcher.matches(job_with(ranks="100000000-199999999", nodelist="n1000000"))
    assert matcher.comparisons == 10**8 + 10**6


def test_limit_is_over_all_jobs() -> None:
    matcher = Matcher(parse({"userid": [1, 2, 3]}), max_comparisons=7)
    assert [matcher.matches(job) for job in users(9, 1, 3)] == [False, True, True]
    with pytest.raises(
        TooManyComparisonsError,
        match=r"^Excessive comparisons made, limit search via states or since$",
    ):
        matcher.matches(job_with(userid=1))


def test_limit_is_more_important_than_the_answer() -> None:
    for obj in ({"ranks": ["3-4"]}, {"hostlist": ["a,m"]}, {"userid": [1, 42]}):
        assert Matcher(parse(obj), max_comparisons=2).matches(BUSY)
        with pytest.raises(TooManyComparisonsError):
            Matcher(parse(obj), max_comparisons=1).matches(BUSY)


# -- in general --------------------------------------------------------------------------------

USERIDS = st.sampled_from([0, 1, 42, 2**31, USERID_UNKNOWN])
NAMES = st.sampled_from(["", "foo", "bar"])
HOSTS = st.sampled_from(["a", "n[0-3]", "n2", "n[2-9]", "a,n1"])
IDS = st.sampled_from(["0", "0-3", "[2,5-9]", "7"])
SECONDS = st.sampled_from([0.0, 1.0, 2.0, 3.5])
STATE_WORDS = st.sampled_from(["depend", "P", "sched", "r", "C", "inactive", "RU", "pd", 64, 8])
RESULT_WORDS = st.sampled_from(["completed", "F", 4, 8, 12])


def lists(values: st.SearchStrategy[Any], min_size: int = 0) -> st.SearchStrategy[list[Any]]:
    return st.lists(values, min_size=min_size, max_size=3)


def leaves() -> st.SearchStrategy[dict[str, Any]]:
    """Make operators, but no `states` without states: it does not fit its own negation."""
    times = st.builds("{}{}".format, st.sampled_from([">=", "<=", ">", "<"]), SECONDS)
    return st.one_of(
        st.just({}),
        st.fixed_dictionaries({"userid": lists(USERIDS)}),
        st.fixed_dictionaries({"name": lists(NAMES)}),
        st.fixed_dictionaries({"queue": lists(NAMES)}),
        st.fixed_dictionaries({"states": lists(STATE_WORDS, 1)}),
        st.fixed_dictionaries({"results": lists(RESULT_WORDS)}),
        st.fixed_dictionaries({"hostlist": lists(HOSTS)}),
        st.fixed_dictionaries({"ranks": lists(IDS)}),
        st.builds(lambda attr, time: {attr: [time]}, st.sampled_from(TIMESTAMPS), times),
    )


def constraints() -> st.SearchStrategy[dict[str, Any]]:
    junctions = st.sampled_from(["and", "or", "not"])
    return st.recursive(
        leaves(),
        lambda children: st.builds(lambda op, values: {op: values}, junctions, lists(children)),
        max_leaves=12,
    )


@st.composite
def jobs(draw: st.DrawFn) -> Job:
    """Make jobs that are possible: no time of a state before the job was in that state."""
    state = draw(st.sampled_from(SINGLE_STATES))
    reached = SINGLE_STATES.index(state) + 2
    job = job_in(state, **{attr: draw(SECONDS) for attr in TIMESTAMPS[:reached]})
    if state == PRIORITY:
        job.t_sched = draw(SECONDS)  # as of a job that has been in SCHED
    job.userid = draw(USERIDS)
    job.name, job.queue = draw(st.none() | NAMES), draw(st.none() | NAMES)
    job.result = draw(st.sampled_from([COMPLETED, FAILED, CANCELED, TIMEOUT]))
    job.nodelist, job.ranks = draw(st.none() | HOSTS), draw(st.none() | IDS)
    return job


def recursive_answer(obj: dict[str, Any], job: Job) -> tuple[bool, int]:
    """Define by recursion what a junction answers and costs."""
    op, values = next(iter(obj.items()), ("", []))
    if op not in ("and", "or", "not"):
        matcher = Matcher(parse(obj))
        return matcher.matches(job), matcher.comparisons
    stop_at = op == "or"
    cost = 0
    for value in values:
        answer, comparisons = recursive_answer(value, job)
        cost += comparisons
        if answer == stop_at:
            return stop_at != (op == "not"), cost
    return (not stop_at or not values) != (op == "not"), cost


@given(constraints(), lists(jobs(), 1))
def test_junctions_are_as_by_recursion(obj: dict[str, Any], some: list[Job]) -> None:
    matcher = Matcher(parse(obj))
    expected = [recursive_answer(obj, job) for job in some]
    assert [answer for answer, _ in expected] == [matcher.matches(job) for job in some]
    assert sum(cost for _, cost in expected) == matcher.comparisons


@given(constraints(), constraints(), jobs())
def test_laws_of_logic(a: dict[str, Any], b: dict[str, Any], job: Job) -> None:
    def answer(obj: object) -> bool:
        return matches(parse(obj), job)

    assert answer(a) == answer({"not": [{"not": [a]}]})
    assert answer({"not": [{"and": [a, b]}]}) == answer({"or": [{"not": [a]}, {"not": [b]}]})
    assert answer({"not": [{"or": [a, b]}]}) == answer({"and": [{"not": [a]}, {"not": [b]}]})
    assert answer({"and": [a, b]}) == (answer(a) and answer(b)) == answer({"and": [b, a]})


@given(constraints(), jobs())
def test_state_of_a_matching_job_is_may_match(obj: dict[str, Any], job: Job) -> None:
    tree = parse(obj)
    combined = next((s for s in (PENDING, RUNNING) if s & job.state), INACTIVE)
    found = [may_match(tree, state) for state in (job.state, combined)]
    assert matches(tree, job) <= min(found)
    assert matches(parse({"not": [obj]}), job) <= may_match(parse({"not": [obj]}), job.state)


@given(constraints(), jobs(), st.integers(1, 12))
def test_limit_is_exact(obj: dict[str, Any], job: Job, limit: int) -> None:
    free = Matcher(parse(obj))
    answer = free.matches(job)
    limited = Matcher(parse(obj), max_comparisons=limit)
    if free.comparisons > limit:
        with pytest.raises(TooManyComparisonsError):
            limited.matches(job)
    else:
        assert answer == limited.matches(job)


@pytest.mark.parametrize("op", ["and", "or", "not"])
def test_deep_nesting(op: str) -> None:
    depth = 3000
    obj: dict[str, Any] = U42
    for _ in range(depth):
        obj = {op: [obj]}
    tree = parse(obj)
    assert depth + 1 == fold_tree(tree, lambda _, below: 1 + sum(below))
    assert answers(obj, [BUSY]) == "y"
    assert answers(obj, users(43)) == "n"
    assert may_match(tree, RUN)
