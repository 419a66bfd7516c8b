# SPDX-License-Identifier: LGPL-3.0
"""Flux's types in SQL, against lists that are written out; against Flux's own: tests/flux/."""

from __future__ import annotations

import json
import os
import pwd
import time
from itertools import islice
from typing import Any

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from projections.sql.functions import DETERMINISTIC, MOST_EXPANDED, add, register, user_name
from projections.sql.statement import SqlError, run

HOSTS = st.lists(st.sampled_from([f"{p}{n}" for p in "ab" for n in range(14)]), max_size=8)
IDS = st.sets(st.integers(0, 40), max_size=10)


@pytest.fixture(scope="module")
def db() -> apsw.Connection:
    found = apsw.Connection(":memory:")
    register(found)
    add(found, user_name)
    return found


def value(db: apsw.Connection, expression: str, *bindings: Any) -> Any:
    return db.execute(f"SELECT {expression}", bindings).get


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("f58(6731191091817518)", "ƒuZZybuNNy"),  # RFC 19
        ("f58(0)", "ƒ1"),
        ("f58(-1)", "ƒjpXCZedGfVQ"),  # 2**64 - 1, as SQLite has it
        ("jobid('ƒuZZybuNNy')", 6731191091817518),
        ("jobid('0017.e9fb.8df1.6c2e')", 6731191091817518),
        ("jobid('job.0017.e9fb.8df1.6c2e')", 6731191091817518),
        ("jobid(f58(-1))", -1),
        ("jobid(7)", 7),
        ("fsd(90)", "1.5m"),
        ("fsd(1e999)", "inf"),
        ("when('1700000000')", 1700000000.0),
        ("when('2026-01-01T00:00:00Z')", 1767225600.0),
        ("state_name(16)", "RUN"),
        ("state_name(48)", "RUNNING"),
        ("state_name(3)", None),
        ("result_name(8)", "TIMEOUT"),
        ("result_name(16)", None),
        ("user_name(-7)", "-7"),
        ("hostlist_count('n[1-3,3]')", 4),
        ("hostlist_count('n[0-999999999]')", 10**9),
        ("hostlist_contains('n[1-3]', 'n02')", 0),
        ("hostlist_contains('n[1-3]', 'n2')", 1),
        ("hostlist_intersects('n[1-3]', 'm1,n3')", 1),
        ("hostlist_expand('n[9-10],m')", '["n9","n10","m"]'),
        ("idset_count('0-3,7')", 5),
        ("idset_count(3)", 1),
        ("idset_contains('[0-3]', 4)", 0),
        ("idset_intersects('0-3', '3-9')", 1),
        ("idset_expand('0-3,7')", "[0,1,2,3,7]"),
    ],
)
def test_values(db: apsw.Connection, expression: str, expected: Any) -> None:
    found = value(db, expression.replace("when(", '"when"('))
    if expression.startswith("f58"):
        found = found.replace("f", "ƒ", 1) if found[0] == "f" else found
    assert (type(expected), expected) == (type(found), found)


def test_times_and_names_of_this_machine(db: apsw.Connection) -> None:
    day = value(db, "\"when\"('-1d')")
    assert day == pytest.approx(time.time() - 86400, abs=60)
    assert value(db, "user_name(?)", os.getuid()) == pwd.getpwuid(os.getuid()).pw_name


@pytest.mark.parametrize("function", [f.__name__ for f in DETERMINISTIC])
def test_null_gives_null(db: apsw.Connection, function: str) -> None:
    (arguments,) = {f.__code__.co_argcount for f in DETERMINISTIC if f.__name__ == function}
    for place in range(arguments):
        words = ["'1'"] * arguments
        words[place] = "NULL"
        assert value(db, f"{function}({', '.join(words)})") is None


def test_deterministic_ones_may_be_used_in_an_index() -> None:
    """SQLite takes no others there."""
    db = apsw.Connection(":memory:")
    register(db)
    db.execute("CREATE TABLE t (a)")
    db.execute("CREATE INDEX i ON t (hostlist_count(a), f58(a))")
    with pytest.raises(apsw.SQLError, match="non-deterministic"):
        db.execute('CREATE INDEX j ON t ("when"(a))')


@pytest.mark.parametrize(
    "expression",
    [
        "f58('x')", "f58(1.5)", "jobid('')", "jobid(x'00')", "fsd('1h')", "state_name('RUN')",
        "hostlist_count('n[')", "hostlist_count(x'00')", "hostlist_contains('n1', x'00')",
        "idset_count('3-1')", "idset_contains('1', 'x')", "when('never')",
        f"hostlist_expand('n[0-{MOST_EXPANDED}]')", f"idset_expand('0-{MOST_EXPANDED}')",
        "hostlist_count('n[0-18446744073709551613]')",
        "(SELECT count(*) FROM hosts('n['))", "(SELECT count(*) FROM ranks('x'))",
        "(SELECT count(*) FROM hosts)",
    ],
)  # fmt: skip
def test_what_is_none_of_the_type_ends_the_statement(
    db: apsw.Connection, expression: str
) -> None:
    with pytest.raises(SqlError) as raised:
        list(run(db, f"SELECT {expression}").rows)
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 400


@given(HOSTS, HOSTS, st.sampled_from(["a1", "b13", "c1", "a01"]))
def test_hostlists_are_lists(
    db: apsw.Connection, one: list[str], two: list[str], host: str
) -> None:
    first, second = ",".join(one), ",".join(two)
    assert value(db, "hostlist_count(?)", first) == len(one)
    assert json.loads(value(db, "hostlist_expand(?)", first)) == one
    assert value(db, "hostlist_contains(?, ?)", first, host) == (host in one)
    assert value(db, "hostlist_intersects(?, ?)", first, second) == bool({*one} & {*two})
    rows = db.execute("SELECT position, host FROM hosts(?)", (first,)).fetchall()
    assert rows == list(enumerate(one))


@given(IDS, IDS, st.integers(-1, 41))
def test_idsets_are_sets(
    db: apsw.Connection, one: set[int], two: set[int], member: int
) -> None:
    first, second = (",".join(map(str, sorted(ids))) for ids in (one, two))
    assert value(db, "idset_count(?)", first) == len(one)
    assert json.loads(value(db, "idset_expand(?)", first)) == sorted(one)
    assert value(db, "idset_contains(?, ?)", first, member) == (member in one)
    assert value(db, "idset_intersects(?, ?)", first, second) == bool(one & two)
    rows = db.execute("SELECT position, rank FROM ranks(?)", (first,)).fetchall()
    assert rows == list(enumerate(sorted(one)))


def test_tables_join_rows_of_other_tables(db: apsw.Connection) -> None:
    """Whatever order SQLite would like to read them in."""
    lists = (
        "(SELECT 1 AS id, 'n[1-2]' AS list UNION ALL SELECT 2, NULL UNION ALL SELECT 3, 'b')"
    )
    expected = [(1, "n1"), (1, "n2"), (3, "b")]
    for tables in (f"{lists}, hosts(list)", f"hosts(list), {lists}"):
        rows = db.execute(f"SELECT id, host FROM {tables} ORDER BY 1, 2").fetchall()
        assert rows == expected
    both = "SELECT a.host FROM hosts('n[1-3]') a JOIN hosts('n[3-5]') b ON a.host = b.host"
    assert db.execute(both).fetchall() == [("n3",)]


def test_rows_are_made_one_by_one(db: apsw.Connection) -> None:
    rows = db.execute("SELECT host FROM hosts('n[0-999999999]')")
    assert list(islice(rows, 3)) == [("n0",), ("n1",), ("n2",)]
    rows.close(True)
