# SPDX-License-Identifier: LGPL-3.0
"""Statements that would take all time or memory: each ends within its limits, in one line."""

from __future__ import annotations

import resource
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest

from eventstore.storage.connection import Store
from joblist.sql.guest import _START, answer
from joblist.sql.limits import Limits
from joblist.sql.visible import Visible
from projections.sql.statement import SqlError
from tests.joblist.sql.guests import OWN, history

SHORT = Limits(seconds=1.0)
SLACK = 5.0
"""Seconds more, for a machine that has much else to do."""


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    made = history(40, 2)
    yield made
    made.close()


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[subprocess.Popen[bytes]]:
    """Return a list, to which each process is added that is started."""
    processes: list[subprocess.Popen[bytes]] = []

    class Remembered(subprocess.Popen[bytes]):
        def __init__(self, *arguments: Any, **how: Any) -> None:
            super().__init__(*arguments, **how)
            processes.append(self)

    monkeypatch.setattr(subprocess, "Popen", Remembered)
    return processes


def mine(store: Store) -> Visible:
    return Visible(store.db, (OWN,), (OWN,))


def run(store: Store, sql: str, limits: Limits = SHORT) -> list[tuple[object, ...]]:
    return list(answer(store.db, sql, mine(store), limits).found.rows)


NUMBERS = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
BOMBS = {
    "endless recursion": f"{NUMBERS} SELECT max(i) FROM n",
    "endless rows in memory": f"{NUMBERS} SELECT i FROM n ORDER BY i DESC",
    "a text that doubles": (
        "WITH RECURSIVE d (t) AS (SELECT 'x' UNION ALL SELECT t || t FROM d)"
        " SELECT max(t) FROM d"
    ),
    "texts kept": f"{NUMBERS} SELECT group_concat(hex(i) || printf('%.90000c', 'x')) FROM n",
    "a wide text": "SELECT printf('%.*c', 999999999, 'x')",
    "a giant blob": "SELECT zeroblob(2147483647)",
    "many big texts": f"{NUMBERS} SELECT i, printf('%.*c', 3000000, 'x') FROM n ORDER BY 2, 1",
    "joins": "SELECT count(*) FROM jobs a, jobs b, jobs c, jobs d, jobs e, jobs f, jobs g",
    "hosts": "SELECT count(*) FROM hosts('n[0-999999999]')",
    "hosts kept": "SELECT host FROM hosts('n[0-999999999]') ORDER BY 1",
    "hosts in a text": "SELECT hostlist_expand('n[0-999999999]')",
    "hosts of hosts": "SELECT count(*) FROM hosts('a[0-99999]') a, hosts('b[0-99999]') b",
    "ranks": "SELECT sum(rank) FROM ranks('0-2147483646')",
    "wide intersections": (
        "SELECT count(*) FROM hosts('n[0-99999]')"
        " WHERE hostlist_intersects('n[0-99999]-x', host || ',m[0-99999]-x')"
    ),
    "deep parentheses": f"SELECT {'(' * 5000}1{')' * 5000}",
    "deep json": f"SELECT json_extract('{'[' * 3000}{']' * 3000}', '$')",
    "deep subqueries": "SELECT * FROM " + "(SELECT * FROM " * 500 + "jobs" + ")" * 500,
    "many terms": "SELECT " + " OR ".join(["1"] * 20000),
    "many selects": " UNION ALL ".join(["SELECT 1"] * 2000),
    "a long statement": f"SELECT '{'x' * 1_000_000}'",
    "many CTEs": "WITH " + ", ".join(
        [f"a{n + 1} AS (SELECT * FROM a{n}, a{n})" for n in range(1, 40)] + ["a1 AS (SELECT 1)"]
    ) + " SELECT count(*) FROM a40",
    "patterns": (
        f"SELECT printf('%.90000c', 'a') LIKE '{'%a' * 300}b'"
        f" OR printf('%.90000c', 'a') GLOB '{'*a' * 300}b'"
    ),
    "replacing": (
        "SELECT length(replace(replace(printf('%.*c', 1000000, 'x'), 'x', 'xxx'), 'x', 'xxxx'))"
    ),
    "no statement": "\x00" * 1000,
}  # fmt: skip


@pytest.mark.parametrize("what", BOMBS)
def test_a_bomb_ends_within_its_limits(store: Store, what: str) -> None:
    began = time.monotonic()
    with pytest.raises(SqlError) as raised:
        run(store, BOMBS[what])
    assert time.monotonic() - began < SHORT.seconds + _START + SLACK
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) <= 300
    assert run(store, "SELECT count(*) FROM jobs") == [(40,)]


def test_answers_are_cut_at_their_limits(store: Store) -> None:
    endless = f"{NUMBERS} SELECT i FROM n"
    found = answer(store.db, endless, mine(store), Limits(rows=1000, seconds=20.0))
    assert list(found.found.rows) == [(number,) for number in range(1, 1001)]
    assert found.cut()
    few = answer(store.db, f"{endless} LIMIT 1000", mine(store), Limits(rows=1000))
    assert len(list(few.found.rows)) == 1000
    assert not few.cut()
    wide = f"{NUMBERS} SELECT printf('%.100000c', 'x') FROM n"
    found = answer(store.db, wide, mine(store), Limits(answer=2**20, seconds=20.0))
    assert 1 <= len(list(found.found.rows)) <= 11
    assert found.cut()


def test_the_kernel_bounds_its_memory(
    store: Store, started: list[subprocess.Popen[bytes]]
) -> None:
    rows = answer(store.db, f"{NUMBERS} SELECT i FROM n", mine(store), Limits()).found.rows
    assert next(rows) == (1,)
    limits = resource.prlimit(started[0].pid, resource.RLIMIT_AS)
    rows.close()  # type: ignore[attr-defined]
    assert limits == (200 * 2**20, 200 * 2**20)


def test_no_process_is_left(store: Store, started: list[subprocess.Popen[bytes]]) -> None:
    rows = answer(store.db, f"{NUMBERS} SELECT i FROM n", mine(store), SHORT).found.rows
    assert next(rows) == (1,)
    rows.close()  # type: ignore[attr-defined]
    assert [process.returncode is not None for process in started] == [True]
