# SPDX-License-Identifier: LGPL-3.0
"""One statement: its columns, its errors, its end; and `when(…)` beside CASE WHEN."""

from __future__ import annotations

import time

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from projections.sql.functions import register
from projections.sql.statement import SqlError, run
from projections.sql.when import quoted


@pytest.fixture
def db() -> apsw.Connection:
    found = apsw.Connection(":memory:")
    register(found)
    found.execute("CREATE TABLE t (a); INSERT INTO t VALUES (1), (2)")
    return found


def test_columns_have_names_even_without_rows(db: apsw.Connection) -> None:
    found = run(db, "SELECT a, a AS b, a FROM t WHERE 0")
    assert found.names == ("a", "b", "a:1")
    assert list(found.rows) == []


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("SELECT 1; SELECT 2", "more than one statement"),
        ("DELETE FROM t", "read-only"),
        ("CREATE TEMP TABLE u (a)", "read-only"),
        ("", "gives no rows"),
        ("-- nothing", "gives no rows"),
        ("ATTACH 'x' AS y", "gives no rows"),
        ("SELECT b FROM t", "no such column: b"),
        ("SELECT\n\n'", "unrecognized token"),
        ("SELECT zeroblob(2000000000)", "longer than it may be"),
    ],
)
def test_what_is_refused_is_said_in_one_line(db: apsw.Connection, sql: str, words: str) -> None:
    with pytest.raises(SqlError, match=words) as raised:
        list(run(db, sql).rows)
    assert "\n" not in str(raised.value)
    assert db.execute("SELECT count(*) FROM t").get == 2


def test_it_ends_when_it_shall_not_go_on(db: apsw.Connection) -> None:
    def go_on() -> None:
        raise SqlError("enough")

    endless = (
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
    )
    with pytest.raises(SqlError, match="enough"):
        list(run(db, endless, go_on).rows)
    assert list(run(db, "SELECT 1").rows) == [(1,)]


WHEN = "when('2026-01-01T00:00:00Z')"


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        (f"SELECT {WHEN}", 1767225600.0),
        (f"SELECT 1 + {WHEN}", 1767225601.0),
        (f"SELECT CASE WHEN {WHEN} > 1 THEN 'yes' END", "yes"),
        (f"SELECT CASE WHEN (1) THEN {WHEN} END", 1767225600.0),
        ("SELECT CASE 'x' WHEN ('x') THEN 'yes' ELSE 'no' END", "yes"),
        ("SELECT CASE WHEN(0) THEN 1 WHEN(1) THEN 2 END", 2),
        ("SELECT CASE upper('a') WHEN('A') THEN 3 END", 3),
        ("SELECT 'when(1)' -- when(1)", "when(1)"),
        ("SELECT max(1, WHEN /* so */ ('2026-01-01T00:00:00Z'))", None),
    ],
)
def test_when_is_a_function_where_an_operand_is_expected(
    db: apsw.Connection, sql: str, expected: object
) -> None:
    if expected is None:  # a comment in between: it stays the key word, and an error
        with pytest.raises(SqlError):
            run(db, sql)
        return
    assert list(run(db, sql).rows) == [(expected,)]


@given(st.text(st.sampled_from("when('\"[]`)-/* \nCASE1x.,"), max_size=40))
def test_nothing_but_quotes_is_added(text: str) -> None:
    found = quoted(text)
    assert found.replace('"', "") == text.replace('"', "")
    assert len(found) - len(text) in range(0, 40, 2)


def test_long_texts_are_read_once() -> None:
    began = time.process_time()
    quoted("when when( " * 100_000)
    quoted("/*" * 100_000)
    quoted("'" * 99_999)
    assert time.process_time() - began < 30  # not the square of it, which takes hours
