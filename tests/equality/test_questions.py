# SPDX-License-Identifier: LGPL-3.0
"""Questions: compiled constraints, their plans, any request, and what guests get to see."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventstore.ingest.writer import Writer
from eventstore.storage.connection import Store
from eventstore.storage.sql import fetch
from joblist.config import Config
from joblist.protocol.errors import RpcError
from joblist.protocol.requests import Credential
from joblist.service import Request, Service
from projections.constraints import interval_index
from projections.constraints.evaluate import Matcher
from projections.constraints.possible_states import may_match
from projections.constraints.tree import parse
from projections.engine.fold_batch import refold
from projections.job.state import INACTIVE, PENDING, RUNNING, Job
from projections.queries.candidates import Scope
from projections.queries.list_jobs import active_jobs, listing
from projections.queries.render import Renderer
from tests.support.journal_generator import EPOCH, journal
from tests.support.recordings import new_store
from tests.support.strategies import NAMES, QUEUES, USERS, journals, json_values

TOPICS = ("list", "list-id", "list-attrs", "job-stats", "stats-get", "nothing")
_HOSTS = st.sampled_from(["node[0-3]", "node7", "n0[3-19]", "gpu-[1-2],node19", "no"])
_RANKS = st.sampled_from(["0", "3-7", "19", "0-19", "50"])
_TIME = st.tuples(
    st.sampled_from([">", ">=", "<", "<="]),
    st.sampled_from([0, 1001.25, 2803, 5000, "nan", "inf"]),
)
_LEAVES = st.one_of(
    st.just({}),
    st.lists(st.sampled_from([*USERS, -1, 7]), max_size=3).map(lambda v: {"userid": v}),
    st.lists(st.sampled_from([*NAMES, "app"]), max_size=3).map(lambda v: {"name": v}),
    st.lists(st.sampled_from([*QUEUES, "none"]), max_size=3).map(lambda v: {"queue": v}),
    st.lists(st.sampled_from(["depend", "sched", "running", "inactive", 4]), max_size=3).map(
        lambda v: {"states": v}
    ),
    st.lists(st.sampled_from(["completed", "failed", "canceled", 8]), max_size=3).map(
        lambda v: {"results": v}
    ),
    st.lists(_HOSTS, max_size=2).map(lambda v: {"hostlist": v}),
    st.lists(_RANKS, max_size=2).map(lambda v: {"ranks": v}),
    st.tuples(st.sampled_from(["t_submit", "t_depend", "t_priority", "t_sched", "t_run",
                               "t_cleanup", "t_inactive"]), _TIME)
    .map(lambda v: {v[0]: [f"{v[1][0]}{v[1][1]}"]}),
)  # fmt: skip
constraints = st.recursive(
    _LEAVES,
    lambda inner: st.tuples(
        st.sampled_from(["and", "or", "not"]), st.lists(inner, max_size=3)
    ).map(lambda v: {v[0]: v[1]}),
    max_leaves=8,
)


def expected_ids(store: Store, constraint: Any, scope: Scope) -> list[int]:
    """Evaluate the tree on every job, folded from its events, and sort."""
    tree = parse(constraint)
    matcher = Matcher(tree)
    jobs = [refold(store.db, key, 2**62) for (key,) in fetch(store.db, "SELECT key FROM job")]
    found = [job for job in jobs if job is not None and matcher.matches(job)]

    def of(states: int) -> list[Job]:
        return [job for job in found if job.state & states and may_match(tree, states)]

    ended = [job for job in of(INACTIVE) if scope.since < job.t_inactive <= scope.until]
    return [
        *(job.id for job in sorted(of(PENDING), key=lambda job: (-job.priority, job.id))),
        *(job.id for job in sorted(of(RUNNING), key=lambda job: (-job.t_run, -job.entered))),
        *(job.id for job in sorted(ended, key=lambda job: (-job.t_inactive, -job.id))),
    ]


@given(
    st.one_of(journals(most_jobs=8), journals(legal=False, most_jobs=8)),
    st.lists(constraints, min_size=1, max_size=6),
    st.sampled_from([Scope(), Scope(since=1003.0), Scope(until=2804.0)]),
)
def test_the_compiled_query_selects_what_the_tree_says(
    lines: list[bytes], trees: list[Any], scope: Scope
) -> None:
    store, views = new_store()
    Writer(store, "any", views).append(lines)
    for constraint in trees:
        found = listing(
            store.db,
            parse(constraint),
            Renderer([]),
            active=lambda: active_jobs(store.db),
            scope=scope,
        )
        ids = [json.loads(job)["id"] for job in found if job]
        assert expected_ids(store, constraint, scope) == ids, constraint


# -- how much is looked at


@lru_cache
def large_store() -> Store:
    store, views = new_store()
    Writer(store, "large", views).append(journal(6000, rate=5.0))
    return store


def rows_visited(store: Store, request: dict[str, Any], as_of: float | None) -> tuple[int, int]:
    """Answer; returns how many jobs were found and how many steps SQLite's machine took."""
    steps = 0

    def count() -> bool:
        nonlocal steps
        steps += 1
        return False

    text = json.dumps({"max_entries": 0, "attrs": ["all"], **request}).encode()
    store.db.set_progress_handler(count, 20)
    try:
        service = Service(store, Config(), as_of=as_of)
        (answer,) = service.answer(
            Request("job-list.list", text, Credential(), streaming=False)
        )
    finally:
        store.db.set_progress_handler(None)
    return len(json.loads(answer)["jobs"]), steps


WINDOW = {"and": [{"t_run": [f">{EPOCH + 500}"]}, {"t_run": [f"<{EPOCH + 510}"]}]}


@pytest.mark.parametrize(
    ("request_", "as_of"),
    [
        ({"constraint": {"userid": [1150]}}, None),
        ({"constraint": {"name": ["lammps-7"]}}, None),
        ({"constraint": {"name": ["no-such-name"]}}, None),
        ({"constraint": {"queue": ["no-such-queue"]}}, None),
        ({"constraint": {"and": [{"queue": ["batch"]}, {"name": ["hpl-3"]}]}}, None),
        ({"constraint": {"or": [{"name": ["hpl-3"]}, {"userid": [1151]}]}}, None),
        ({"constraint": {"hostlist": ["node4000"]}}, None),
        ({"constraint": {"hostlist": ["other[1-1000]"]}}, None),
        ({"constraint": {"ranks": ["4090"]}}, None),
        ({"constraint": {"t_run": [f"<{EPOCH + 30}"]}}, None),
        ({"constraint": WINDOW}, None),
        ({"constraint": {"t_inactive": [f">{EPOCH + 2300}"]}}, None),
        ({"constraint": {"not": [{"results": ["completed", "failed"]}]}}, None),
        ({"since": EPOCH + 2300}, None),
        ({"max_entries": 10}, None),
        ({"max_entries": 10, "constraint": {"userid": [1001]}}, None),
        ({"constraint": {"states": ["running"]}}, EPOCH + 600),
        ({"constraint": {"states": ["pending"]}}, EPOCH + 600),
        ({"max_entries": 700, "constraint": {"states": ["inactive"]}}, EPOCH + 60),
    ],
)  # fmt: skip
def test_a_question_with_few_answers_looks_at_few_rows(
    request_: dict[str, Any], as_of: float | None
) -> None:
    store = large_store()
    everything, whole = rows_visited(store, {}, None)
    assert everything == 6000
    found, steps = rows_visited(store, request_, as_of)
    assert found < 1500
    # Machine steps: probing two drives, reading what is found, and what lived at the moment
    # that is asked for: some 690 jobs, of which the past needs all eleven events each.
    needed = 2 * 500 * 8 + found * 40
    if "t_" in json.dumps(request_) or as_of is not None:
        needed += 690 * (40 if as_of is None else 500)
    assert steps * 20 < needed, (found, steps, whole)


def test_no_plan_scans_the_history() -> None:
    store = large_store()
    seen: list[str] = []

    def explain(_: Any, sql: str, bindings: Any) -> bool:
        if sql.lstrip().startswith("SELECT"):
            seen.append(sql)
        return True

    store.db.exec_trace = explain
    try:
        for constraint in (
            {"userid": [1150, 1151]}, {"name": ["a"]}, {"queue": ["gpu"]}, {"results": ["f"]},
            {"hostlist": ["node5"]}, {"ranks": ["5"]}, {"t_run": [f"<{EPOCH}"]}, {},
            {"or": [{"name": ["a"]}, {"ranks": ["1"]}]},
        ):  # fmt: skip
            rows_visited(store, {"constraint": constraint, "max_entries": 3}, None)
        for topic, text in (("list-id", b'{"id":5,"attrs":[]}'), ("job-stats", b"{}")):
            try:
                service = Service(store, Config())
                service.answer(
                    Request(f"job-list.{topic}", text, Credential(), streaming=False)
                )
            except RpcError:
                continue
    finally:
        store.db.exec_trace = None
    plans = [(sql, row[3]) for sql in set(seen) for row in _plan(store.db, sql)]
    assert len(plans) > 10
    for sql, step in plans:
        if step.startswith("SCAN"):
            in_order = "inactive USING INDEX inactive_by_time" in step
            small = any(f"SCAN {name}" in step for name in ("active", "stats", "left_queue"))
            assert in_order or small or "CONSTANT ROW" in step or "(subquery" in step, (
                sql,
                step,
            )


def _plan(db: apsw.Connection, sql: str) -> Iterator[Any]:
    yield from db.execute(f"EXPLAIN QUERY PLAN {sql}", [None] * sql.count("?"))


# -- any request


@given(
    st.sampled_from(TOPICS),
    st.one_of(
        st.none(),
        st.binary(max_size=30),
        json_values.map(lambda value: json.dumps(value).encode()),
        st.fixed_dictionaries(
            {"max_entries": st.sampled_from([0, 3, -1, 2**33, 1.5]),
             "attrs": st.sampled_from([[], ["all"], ["state", "x"], [5], "all", ["name"]])},
            optional={"since": json_values, "constraint": st.one_of(constraints, json_values),
                      "id": json_values, "state": json_values, "userid": json_values,
                      "states": json_values, "results": json_values, "name": json_values},
        ).map(lambda value: json.dumps(value).encode()),
    ),
    st.booleans(),
    st.sampled_from([None, 1002.0, -5.0]),
)  # fmt: skip
def test_any_request_gets_a_response_or_an_error(
    topic: str, text: bytes | None, streaming: bool, as_of: float | None
) -> None:
    service = Service(small_store(), Config(), as_of=as_of)
    request = Request(f"job-list.{topic}", text, Credential(), streaming)
    try:
        responses = service.answer(request)
    except RpcError as error:
        assert 0 < error.errno < 200
    else:
        assert all(isinstance(json.loads(response), dict) for response in responses)


@lru_cache
def small_store() -> Store:
    store, views = new_store()
    lines: list[bytes] = []
    for user in (1000, 1001, 4294967295):
        for number, line in enumerate(
            journal(4, seed=user % 1000, start=EPOCH + user % 1000 * 60)
        ):
            response = json.loads(line)
            for event in response["events"]:
                if event["name"] == "submit":
                    event["context"]["userid"] = user
            if response["id"] >= 0 and number < 30:
                lines.append(json.dumps(response, separators=(",", ":")).encode())
    Writer(store, "small", views).append(lines)
    return store


@given(
    constraints,
    st.sampled_from([1000, 1001, 1002, 4294967295, -1]),
    st.sampled_from([2, 2 | 4, 1, 2 | 8]),
    st.sampled_from([None, EPOCH + 120, 2e9]),
)
def test_guests_see_their_own_jobs_only_in_private_mode(
    constraint: Any, userid: int, rolemask: int, as_of: float | None
) -> None:
    store = small_store()
    service = Service(store, Config(private=True), as_of=as_of)
    asker = Credential(userid, rolemask)
    guest = not rolemask & (1 | 8)
    text = json.dumps(
        {"max_entries": 0, "attrs": ["userid"], "constraint": constraint}
    ).encode()
    (answer,) = service.answer(Request("job-list.list", text, asker, streaming=False))
    shown = {job["userid"] for job in json.loads(answer)["jobs"]}
    own = set() if userid in {-1, 4294967295} else {userid}
    assert shown <= (own if guest else shown)
    for (jobid,) in fetch(store.db, "SELECT jobid FROM job"):
        request = Request(
            "job-list.list-id", b'{"id":%d,"attrs":["userid"]}' % jobid, asker, False
        )
        try:
            (answer,) = service.answer(request)
        except RpcError as error:
            assert error.errno == 2
        else:
            assert not guest or json.loads(answer)["job"]["userid"] == userid
    for topic in ("job-stats", "stats-get"):
        if guest:
            with pytest.raises(RpcError) as caught:
                service.answer(Request(f"job-list.{topic}", b"{}", asker, streaming=False))
            assert caught.value.errno == 1


# -- intervals


@given(st.tuples(*[st.integers(-5, 3000)] * 4))
def test_spans_that_overlap_are_in_the_buckets_that_are_asked_for(
    ends: tuple[int, int, int, int],
) -> None:
    lo, hi = sorted(ends[:2])
    first, last = sorted(ends[2:])
    filed = interval_index.interval_of(interval_index.RANKS, lo, hi)
    begin, end = interval_index.buckets(filed.level, first, last)
    if lo <= last and hi >= first:
        assert begin <= filed.bucket <= end


@given(st.floats(allow_nan=False), st.floats(allow_nan=False))
def test_spans_of_any_times_can_be_stored(a: float, b: float) -> None:
    filed = interval_index.interval_of(interval_index.LIFETIME, min(a, b), max(a, b))
    assert all(-(2**63) <= number < 2**63 for number in filed)
