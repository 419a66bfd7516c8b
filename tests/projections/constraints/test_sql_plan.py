# SPDX-License-Identifier: LGPL-3.0
"""Compiled questions beside plain ones: each job folded from its events, matched, sorted.

Random constraints are put to random histories, for now and for past moments, with purges
kept and followed. Times, names and hosts come from few values, so that much is equal.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventstore.ingest.writer import Writer
from eventstore.storage.connection import Store
from eventstore.storage.sql import fetch
from joblist.config import Config
from joblist.protocol.requests import Credential
from joblist.service import Request, Service
from projections.constraints.evaluate import Matcher
from projections.constraints.possible_states import may_match
from projections.constraints.tree import parse
from projections.engine.fold_batch import refold
from projections.job.state import INACTIVE, NEW, PENDING, RUNNING, Job
from tests.support.recordings import new_store
from tests.support.strategies import line

USERS = (0, 1000, 2**31, 2**32 - 2)
NAMES = ("a", "A", "é", "e\u0301", "", " ", "☃\u2028", "%", "a'b", "\U0001f680")
QUEUES = ("batch", "", "ü", "BATCH")
HOSTS_OF = {
    "0": ("n0", "n[001]", "rack2-a", "x", "7", "n9999999999999999999"),
    "1-3": ("n[1-3]", "n[01-03]", "x[0-1,7]y", "n[1-2],x", "n1,n1,n3"),
    "0,4": ("rack[1-2]-a", "[5-6]", "a1b[1-2]", "n[3-4]"),
    "7-400": ("n[7-400]",),
    "2147483640": ("n[02]", "x1y"),
}
RANKS = tuple(HOSTS_OF)
HOSTS = tuple(hosts for several in HOSTS_OF.values() for hosts in several)
TIMES = (1000.0, 1000.5, 1001.0, 1003.25, 5000.0)
LATER = 10_000.0  # so much later another instance began
T_NAMES = ("t_submit", "t_depend", "t_priority", "t_sched", "t_run", "t_cleanup", "t_inactive")


def _some(values: Any, most: int = 3) -> st.SearchStrategy[Any]:
    return st.lists(st.sampled_from(values), max_size=most)


_BOUND = st.builds(
    "{}{}".format,
    st.sampled_from([">", ">=", "<", "<="]),
    st.sampled_from([0, *TIMES, 999, 1002, "inf", "nan", "1e308", ""]),
)
_LEAVES = st.one_of(
    st.just({}),
    st.builds(lambda v: {"userid": v}, _some([*USERS, -1, 7, 2**32])),
    st.builds(lambda v: {"name": v}, _some([*NAMES, "a\0b", "nobody"])),
    st.builds(lambda v: {"queue": v}, _some([*QUEUES, "none"])),
    st.builds(lambda v: {"states": v}, _some(["sched", "running", "inactive", 4, "pd", "new"])),
    st.builds(lambda v: {"results": v}, _some(["completed", "failed", "ca", 8, 0])),
    st.builds(
        lambda v: {"hostlist": v}, _some([*HOSTS, "n[00-12]", "a[1-2]b[1-2]", "none[1-9]"], 2)
    ),
    st.builds(lambda v: {"ranks": v}, _some([*RANKS, "", "50"], 2)),
    st.builds(lambda name, bound: {name: [bound]}, st.sampled_from(T_NAMES), _BOUND),
)
constraints = st.recursive(
    _LEAVES,
    lambda inner: st.builds(
        lambda op, children: {op: children},
        st.sampled_from(["and", "or", "not"]),
        st.lists(inner, max_size=3),
    ),
    max_leaves=10,
)


@st.composite
def lives(draw: st.DrawFn, jobid: int, start: float, *, ordered: bool) -> list[bytes]:
    """One job's lines, to wherever it got."""
    system: dict[str, Any] = {"duration": 60}
    if draw(st.booleans()):
        system["queue"] = draw(st.sampled_from(QUEUES))
    if draw(st.integers(0, 3)):
        system["job"] = {"name": draw(st.sampled_from(NAMES))}
    jobspec: Any = {"version": 1, "attributes": {"system": system}}  # no command: no name
    if draw(st.booleans()):
        jobspec["tasks"] = [{"command": ["/bin/" + draw(st.sampled_from(NAMES))]}]
    user = draw(st.sampled_from(USERS))
    life: list[tuple[str, Any, dict[str, Any]]] = [
        ("submit", {"userid": user, "urgency": 16, "version": 1}, {"jobspec": jobspec}),
        ("validate", None, {}),
        ("depend", None, {}),
        ("priority", {"priority": draw(st.integers(0, 3))}, {}),
    ]
    if draw(st.integers(0, 3)):
        life.append(("alloc", None, {"R": draw(_allocations())}))
        life.append(("finish", {"status": draw(st.sampled_from([0, 256]))}, {}))
    if draw(st.booleans()):
        kind = draw(st.sampled_from(["cancel", "timeout", "other"]))
        life.append(("exception", {"type": kind, "severity": 0, "note": ""}, {}))
    life.append(("clean", None, {}))
    if not draw(st.integers(0, 3)):
        life = life[: draw(st.integers(1, len(life)))]
    times = draw(st.lists(st.sampled_from(TIMES), min_size=len(life), max_size=len(life)))
    if ordered:
        times.sort()
    return [
        line(jobid, {"name": name} if context is None else {"name": name, "context": context},
             extra, start + time)
        for (name, context, extra), time in zip(life, times, strict=True)
    ]  # fmt: skip


@st.composite
def _allocations(draw: st.DrawFn) -> Any:
    """An R; where it names hosts, as many as it has ranks, as job-list insists."""
    ranks = draw(st.sampled_from(RANKS))
    lite = [{"rank": ranks, "children": {"core": "0"}}]
    execution: dict[str, Any] = {"R_lite": lite, "starttime": 0.0, "expiration": 0.0}
    if draw(st.integers(0, 3)):
        execution["nodelist"] = [draw(st.sampled_from(HOSTS_OF[ranks]))]
    return {"version": 1, "execution": execution}


@st.composite
def histories(draw: st.DrawFn, *, ordered: bool = True) -> list[bytes]:
    """Several jobs, one after the other; some ids twice, as after a start from nothing."""
    lines: list[bytes] = []
    ids: list[int] = []
    for number in range(draw(st.integers(1, 7))):
        again = bool(ids) and not draw(st.integers(0, 5))
        jobid = draw(st.sampled_from(ids)) if again else draw(st.integers(1, 30)) + 31 * number
        lines += draw(lives(jobid, LATER * ids.count(jobid), ordered=ordered))
        ids.append(jobid)
        if not draw(st.integers(0, 3)):
            gone = draw(st.lists(st.sampled_from(ids), min_size=1, max_size=2, unique=True))
            lines.append(json.dumps({"jobs": gone}).encode())
    return lines


def expected_ids(
    store: Store, constraint: Any, since: float, until: float | None, *, follow: bool
) -> list[int]:
    """Evaluate the tree on every job as it was, and sort."""
    tree = parse(constraint)
    matcher = Matcher(tree)
    found = []
    for (key,) in fetch(store.db, "SELECT key FROM job"):
        job = refold(store.db, key, 2**62, until=until)
        if job is not None and job.state != NEW and not (follow and job.t_purged):
            found.append(job)

    def of(states: int) -> list[Job]:
        if not may_match(tree, states):
            return []
        return [job for job in found if job.state & states and matcher.matches(job)]

    ended = [job for job in of(INACTIVE) if job.t_inactive > since]
    return [
        *(job.id for job in sorted(of(PENDING), key=lambda job: (-job.priority, job.id))),
        *(job.id for job in sorted(of(RUNNING), key=lambda job: (-job.t_run, -job.entered))),
        *(job.id for job in sorted(ended, key=lambda job: (-job.t_inactive, -job.id))),
    ]


def listed(service: Service, request: dict[str, Any]) -> list[int]:
    text = json.dumps({"attrs": ["all"], "max_entries": 0, **request}).encode()
    (answer,) = service.answer(Request("job-list.list", text, Credential(), streaming=False))
    return [job["id"] for job in json.loads(answer)["jobs"]]


def stored(lines: list[bytes]) -> Store:
    store, views = new_store()
    counts = Writer(store, "any", views).append(lines)
    assert counts.rejected == 0
    return store


QUESTIONS = st.lists(
    st.fixed_dictionaries(
        {"constraint": constraints},
        optional={"since": st.sampled_from([1000.0, 1001.5]), "max_entries": st.integers(1, 3)},
    ),
    min_size=1,
    max_size=8,
)


@given(
    histories(),
    QUESTIONS,
    st.sampled_from([None, 0.5, 999.0, 1000.0, 1000.75, 1003.25, LATER + 1002, 1e6]),
    st.booleans(),
)
def test_a_question_selects_what_its_tree_says(
    lines: list[bytes], questions: list[dict[str, Any]], as_of: float | None, follow: bool
) -> None:
    store = stored(lines)
    service = Service(store, Config(follow_purges=follow), as_of=as_of)
    for question in questions:
        since, most = question.get("since", 0.0), question.get("max_entries")
        expected = expected_ids(store, question["constraint"], since, as_of, follow=follow)
        assert expected[:most] == listed(service, question), question


@given(histories(ordered=False), st.lists(constraints, min_size=1, max_size=8))
def test_so_it_does_where_clocks_were_set(lines: list[bytes], trees: list[Any]) -> None:
    store = stored(lines)
    for tree in trees:
        expected = expected_ids(store, tree, 0.0, None, follow=False)
        assert expected == listed(Service(store, Config()), {"constraint": tree}), tree


@given(histories(ordered=False), st.sampled_from([*TIMES, 999.0, 6000.0]))
def test_a_past_moment_has_no_job_twice(lines: list[bytes], as_of: float) -> None:
    store = stored(lines)
    ids = listed(Service(store, Config(), as_of=as_of), {})
    jobs = fetch(store.db, "SELECT jobid FROM job")
    assert all(ids.count(jobid) <= jobs.count((jobid,)) for jobid in ids)


def deep(op: str, tree: Any, levels: int) -> Any:
    for _ in range(levels):
        tree = {op: [tree]}
    return tree


def ladder(levels: int) -> Any:
    """A tree with a leaf on each level, "and" and "or" taking turns."""
    tree: Any = {"name": ["a"]}
    for level in range(levels):
        tree = {("and", "or")[level % 2]: [{"userid": [level % 3, 1000]}, tree]}
    return tree


WIDE = 40_000  # more than the 32766 values that a statement of SQLite may have
LARGE: dict[str, Any] = {
    "not not not ...": deep("not", {"name": ["a"]}, 401),
    "and and and ...": deep("and", {"userid": [1000]}, 400),
    "ladder of 30": ladder(30),
    "ladder of 300": ladder(300),
    "many users": {"userid": [*range(5000, 5000 + WIDE), 1000]},
    "not many names": {"not": [{"name": ["a", *map(str, range(WIDE))]}]},
    "or of many names": {"or": [{"name": [str(n)]} for n in range(8100)] + [{"name": ["é"]}]},
    "many times": {"and": [{"t_run": [f">{n % 500}"]} for n in range(8100)]},
    "many windows": {"or": [{"t_run": [f">{2 * n}", 1]} for n in range(300)]},
    "windows apart": {"or": [{"and": [{"t_run": [f">={n}"]}, {"t_run": [f"<{n + 3}"]}]}
                             for n in range(0, 3000, 10)]},
    "many hosts": {"hostlist": [f"n{n}" for n in range(1000)]},
    "many hosts, one by one": {"or": [{"hostlist": [f"n{n}"]} for n in range(300)]},
    "nothing, often": {"or": [{"and": [{}] * 9 + [{"or": []}]}] * 900},
}  # fmt: skip


@pytest.mark.parametrize("what", LARGE)
def test_a_large_tree_is_no_other(what: str) -> None:
    lines: list[bytes] = []
    for number in range(40):
        system = {"duration": 1, "job": {"name": NAMES[number % len(NAMES)]}}
        spec = {"version": 1, "attributes": {"system": system}}
        R = {"version": 1, "execution": {"R_lite": [{"rank": "0", "children": {"core": "0"}}],  # noqa: N806
             "nodelist": [f"n{number}"]}}  # fmt: skip
        steps: list[tuple[str, Any, dict[str, Any]]] = [
            ("submit", {"userid": USERS[number % 4], "urgency": 16}, {"jobspec": spec}),
            ("validate", {}, {}),
            ("alloc", {}, {"R": R}),
            ("clean", {}, {}),
        ]
        lines += [
            line(number, {"name": name, "context": context}, extra, 500.0 + number * 7 + step)
            for step, (name, context, extra) in enumerate(steps)
        ]
    store = stored(lines)
    expected = expected_ids(store, LARGE[what], 0.0, None, follow=False)
    service = Service(store, Config(), instance_size=10**6)
    assert expected == listed(service, {"constraint": LARGE[what]})
    assert 0 < len(expected)


def test_jobs_that_ended_at_one_time_are_sorted_however_many_there_are() -> None:
    """What an index leads to is read some jobs at a time; an order must not show that."""
    lines: list[bytes] = []
    for number in range(450):
        jobid = number * 7 % 450
        context = {"userid": number % 300, "urgency": 16}
        for name in ("submit", "validate", "clean"):
            event = {"name": name} if name != "submit" else {"name": name, "context": context}
            lines.append(line(jobid, event, {}, 1000.0 + (number > 400)))
    store = stored(lines)
    tree = {"userid": list(range(250))}
    expected = expected_ids(store, tree, 0.0, None, follow=False)
    assert expected == listed(Service(store, Config()), {"constraint": tree})
    assert 300 < len(expected) < 450


def ran(jobid: int, userid: int, ranks: str, hosts: str, start: float) -> list[bytes]:
    """A job's whole life; every event a second after the one before."""
    execution = {"R_lite": [{"rank": ranks, "children": {"core": "0"}}], "nodelist": [hosts]}
    life: list[tuple[str, Any, dict[str, Any]]] = [
        ("submit", {"userid": userid, "urgency": 16, "version": 1}, {}),
        ("validate", {}, {}),
        ("depend", {}, {}),
        ("priority", {"priority": 1}, {}),
        ("alloc", {}, {"R": {"version": 1, "execution": execution}}),
        ("finish", {"status": 0}, {}),
        ("clean", {}, {}),
    ]
    return [
        line(jobid, {"name": name, "context": context}, extra, start + step)
        for step, (name, context, extra) in enumerate(life)
    ]


# Each is the cheapest of two somewhere, so that the other one has to be checked on the rows.
_CHECKED: list[Any] = [
    *({"userid": [1]}, {"userid": [2]}, {"not": [{"userid": [1]}]}),
    *({"ranks": ["0"]}, {"ranks": ["7"]}, {"not": [{"ranks": ["0"]}]}),
    *({"hostlist": ["n0"]}, {"hostlist": ["n7"]}, {"t_run": [">1500"]}, {"t_run": ["<1500"]}),
]


@pytest.mark.parametrize("op", ["and", "or", "not"])
def test_what_is_not_an_access_path_is_checked(op: str) -> None:
    store = stored([
        *ran(1, 1, "0", "n0", 1000.0), *ran(2, 1, "0-3", "n[0-3]", 1100.0),
        *ran(3, 1, "7", "n7", 1200.0), *ran(4, 2, "0", "n0", 1300.0),
        *ran(5, 3, "4-9", "n[4-9]", 1600.0), *ran(6, 3, "0", "n0", 1700.0),
        *ran(7, 4, "0", "n0", 1495.0),
    ])  # fmt: skip
    service = Service(store, Config())
    for one in _CHECKED:
        for other in _CHECKED:
            both = {op: [one, other]}
            for tree in (both, {"or": [both, {"userid": [2]}]}):
                expected = expected_ids(store, tree, 0.0, None, follow=False)
                assert expected == listed(service, {"constraint": tree}), tree
