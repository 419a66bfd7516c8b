# SPDX-License-Identifier: LGPL-3.0
"""What questions cost: by SQLite's own word, and by what it does on histories of two lengths.

Each history has the same few jobs that questions are about, among ordinary ones: few in the
one, four times as many in the other. A question about the few has to cost the same in both.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any, NamedTuple

import apsw
import pytest

from eventstore.ingest.writer import Writer
from eventstore.storage.connection import Store
from eventstore.storage.sql import fetch
from joblist.config import Config
from joblist.protocol.errors import RpcError
from joblist.protocol.requests import Credential
from joblist.service import Request, Service
from tests.support.journal_generator import EPOCH, journal
from tests.support.recordings import new_store
from tests.support.strategies import line

LENGTHS = (1_000, 4_000)
RATE = 1.0  # jobs a second: some 140 are alive at a time, however long it goes on
NEEDLES = 5
SMALL = ("active", "stats", "left_queue", "view", "json_each", "gone")
SMALL_STEPS = ("SCAN CONSTANT ROW", "SCAN (subquery", *(f"SCAN {name}" for name in SMALL))
# A list of whatever there is reads the list: in its order, as far as it is wanted.
IN_ORDER = "SCAN inactive USING INDEX inactive_by_time"


def needles() -> list[bytes]:
    """A few jobs of which there are no others: user, name, queue, host, rank, result."""
    lines = []
    for number in range(NEEDLES):
        jobid, now = 2**50 + number, EPOCH + 20 + number
        system = {"duration": 60, "queue": "rare", "job": {"name": "needle"}}
        core = {"type": "core", "count": 1}
        slot = {"type": "slot", "count": 1, "label": "task", "with": [core]}
        jobspec = {
            "version": 1, "resources": [slot], "attributes": {"system": system},
            "tasks": [{"command": ["x"], "slot": "task", "count": {"per_slot": 1}}],
        }  # fmt: skip
        lite = [{"rank": "90000-90003", "children": {"core": "0"}}]
        execution = {"R_lite": lite, "starttime": now, "expiration": 0.0,
                     "nodelist": ["far[7-10]"]}  # fmt: skip
        submit = {"userid": 77, "urgency": 16, "flags": 0, "version": 1}
        life: list[tuple[str, Any, dict[str, Any]]] = [
            ("submit", submit, {"jobspec": jobspec}),
            ("validate", None, {}),
            ("depend", None, {}),
            ("priority", {"priority": 1}, {}),
            ("alloc", None, {"R": {"version": 1, "execution": execution}}),
            ("exception", {"type": "timeout", "severity": 0, "note": ""}, {}),
            ("clean", None, {}),
        ]
        for step, (name, context, extra) in enumerate(life):
            event = {"name": name} if context is None else {"name": name, "context": context}
            lines.append(line(jobid, event, extra, now + step / 64))
    return lines


@lru_cache
def history(length: int) -> Store:
    store, views = new_store()
    writer = Writer(store, "any", views)
    writer.append([*needles(), *journal(length, rate=RATE)])
    return store


class Cost(NamedTuple):
    found: int
    steps: int  # of SQLite's machine
    scanned: int  # rows that a full scan went to
    plans: frozenset[tuple[str, str]]  # (statement, step)


def cost(store: Store, topic: str, request: dict[str, Any], as_of: float | None = None) -> Cost:
    """Ask, with SQLite watched."""
    statements: dict[str, Any] = {}
    done: list[dict[str, Any]] = []

    def remember(_: apsw.Cursor, sql: str, bindings: Any) -> bool:
        statements[sql] = bindings
        return True

    store.db.exec_trace = remember
    store.db.trace_v2(apsw.SQLITE_TRACE_PROFILE, done.append)
    try:
        found = answered(Service(store, Config(), as_of=as_of), topic, request)
    finally:
        store.db.trace_v2(0, None)
        store.db.exec_trace = None
    selects = [(sql, bound) for sql, bound in statements.items() if "SELECT" in sql]
    plans = {
        (sql, row[3])
        for sql, bound in selects
        for row in fetch(store.db, f"EXPLAIN QUERY PLAN {sql}", bound)
    }
    status = [event["stmt_status"] for event in done]
    return Cost(
        found,
        sum(one["SQLITE_STMTSTATUS_VM_STEP"] for one in status),
        sum(one["SQLITE_STMTSTATUS_FULLSCAN_STEP"] for one in status),
        frozenset(plans),
    )


def answered(service: Service, topic: str, request: dict[str, Any]) -> int:
    text = json.dumps(request).encode()
    try:
        (answer,) = service.answer(
            Request(f"job-list.{topic}", text, Credential(), streaming=False)
        )
    except RpcError:
        return 0
    return len(json.loads(answer).get("jobs", [0]))


def listing(constraint: Any, **members: Any) -> tuple[str, dict[str, Any]]:
    return "list", {"max_entries": 0, "attrs": ["all"], "constraint": constraint, **members}


def both(*constraints: Any) -> dict[str, Any]:
    return {"and": list(constraints)}


def either(*constraints: Any) -> dict[str, Any]:
    return {"or": list(constraints)}


USER, NAME, QUEUE = {"userid": [77]}, {"name": ["needle"]}, {"queue": ["rare"]}
RESULT, HOST, RANK = {"results": ["timeout"]}, {"hostlist": ["far9"]}, {"ranks": ["90002"]}
MANY_NAMES = {"name": ["needle", *(f"no-{number}" for number in range(1000))]}
ABOUT_THE_FEW = {
    "user": USER,
    "name": NAME,
    "queue": QUEUE,
    "result": RESULT,
    "host": HOST,
    "rank": RANK,
    "a legacy user": None,  # made below
    "hosts far apart": {"hostlist": ["far[5-8,100-900]"]},
    "ranks far apart": {"ranks": ["5000,90001,100000-100900"]},
    "name, and a queue that many have": both(NAME, {"queue": ["batch", "rare"]}),
    "a queue that many have, and rank": both({"queue": ["batch", "rare"]}, RANK),
    "user or host": either(USER, HOST),
    "name or rank or result": either(NAME, RANK, RESULT),
    "user and not another": both(USER, {"not": [{"userid": [1001]}]}),
    "not not name": {"not": [{"not": [NAME]}]},
    "not (not user or not host)": {"not": [either({"not": [USER]}, {"not": [HOST]})]},
    "user or running": either(USER, {"states": ["running"]}),
    "in a tree": both(either(both(NAME, USER), both(RANK, QUEUE)), {"not": [{"states": [8]}]}),
    "many names": MANY_NAMES,
    "many names, one by one": either(*({"name": [name]} for name in MANY_NAMES["name"])),
    "many hosts, one by one": either(HOST, *({"hostlist": [f"gone{n}"]} for n in range(300))),
    "started before": {"t_run": [f"<{EPOCH + 0.3}"]},
    "submitted not after": {"not": [{"t_submit": [f">{EPOCH + 0.3}"]}]},
    "started in a window": both(
        {"t_run": [f">{EPOCH + 20}"]}, {"t_run": [f"<={EPOCH + 21}"]}
    ),
    "ended in a window": both(
        {"t_inactive": [f">={EPOCH + 20}"]}, {"t_inactive": [f"<{EPOCH + 30}"]}
    ),
    "one of two windows": either(
        {"t_inactive": [f"<={EPOCH + 20}"]},
        both({"t_cleanup": [f">{EPOCH + 24}"]}, {"t_cleanup": [f"<{EPOCH + 26}"]}),
    ),
    "nobody's": {"userid": [78]},
    "no such host": {"hostlist": ["far11"]},
}  # fmt: skip


@pytest.mark.parametrize("what", ABOUT_THE_FEW)
@pytest.mark.parametrize("as_of", [None, EPOCH + 60])
def test_a_question_costs_what_its_answer_is(what: str, as_of: float | None) -> None:
    constraint = ABOUT_THE_FEW[what]
    request = listing(constraint)
    if constraint is None:
        old = {"userid": 77, "states": 0, "results": 0}
        request = ("list", {"max_entries": 0, "attrs": ["all"], **old})
    costs = [cost(history(length), *request, as_of) for length in LENGTHS]
    for one in costs:
        assert_no_scan(one)
    check_growth(*costs)


def assert_no_scan(one: Cost, *allowed: str) -> None:
    steps = {step for _, step in one.plans if step.startswith("SCAN")}
    assert set() == {step for step in steps if not step.startswith((*SMALL_STEPS, *allowed))}


def check_growth(few: Cost, many: Cost) -> None:
    """A history that is four times as long may cost an index's depth more, or the few more
    jobs that are alive at a moment.
    """
    assert few.found == many.found
    assert many.scanned <= few.scanned + 50
    assert many.steps <= few.steps * 1.2 + 2000, (few.steps, many.steps)


@pytest.mark.parametrize(
    ("topic", "request_"),
    [
        ("list-id", {"id": 2**50, "attrs": ["all"]}),
        ("list-id", {"id": 2**50 + NEEDLES, "attrs": ["all"]}),
        listing(both(), max_entries=20),
        listing(both({"states": ["inactive"]}), max_entries=20),
        listing({"not": [{"userid": [1001]}]}, max_entries=20),
        listing({"states": ["pending", "running"]}),
        ("job-stats", {}),
        ("stats-get", {}),
        ("list-attrs", {}),
    ],
)
@pytest.mark.parametrize("as_of", [None, EPOCH + 60])
def test_so_do_ids_stats_and_the_newest(
    topic: str, request_: dict[str, Any], as_of: float | None
) -> None:
    costs = [cost(history(length), topic, request_, as_of) for length in LENGTHS]
    for one in costs:
        assert_no_scan(one, *((IN_ORDER,) if topic == "list" else ()))
    check_growth(*costs)


def test_since_reads_what_ended_since() -> None:
    store = history(LENGTHS[1])
    ended = [time for (time,) in fetch(store.db, "SELECT t_inactive FROM inactive")]
    since = sorted(ended)[-21]
    found = cost(store, *listing(both(), since=since))
    assert found.found == 20
    assert found.steps < 2000


def test_a_past_moment_costs_what_was_alive_then() -> None:
    request = listing({"states": ["pending", "running"]})
    store = history(LENGTHS[1])
    early, late = (cost(store, *request, EPOCH + after) for after in (2, 400))
    assert early.found < 5
    assert late.found > 100
    assert early.steps < late.steps / 10


def test_the_history_is_read_where_all_of_it_is_wanted() -> None:
    """What this file measures can be seen: a scan does show."""
    few, many = (cost(history(length), *listing({"not": [USER]})) for length in LENGTHS)
    assert list(LENGTHS) == [few.found, many.found]
    assert many.scanned > few.scanned + 2900
    assert any(step.startswith(IN_ORDER) for _, step in many.plans)


def test_a_whole_scan_for_comparisons_counted_one_by_one() -> None:
    """Where a site limits comparisons, jobs are compared in job-list's order, up to there."""
    store = history(LENGTHS[1])
    service = Service(store, Config(max_comparisons=50))
    text = json.dumps(listing(USER)[1]).encode()
    with pytest.raises(RpcError, match="Excessive comparisons"):
        service.answer(Request("job-list.list", text, Credential(), streaming=False))
    free = Service(store, Config())
    assert answered(free, *listing(USER)) == NEEDLES
