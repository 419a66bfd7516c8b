# SPDX-License-Identifier: LGPL-3.0
"""What a guest's statement can see, whatever it is.

Examples are few by default, as each starts a program: GUEST_QUERIES sets their number. With
GUEST_FORKED=1, the process of each is a fork of this one, without limits: many more in the same
time, of which all that matters to what can be *seen* is the same.
"""

from __future__ import annotations

import os
import re
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eventstore.storage.connection import Store
from eventstore.storage.sql import fetch
from joblist.config import Config
from joblist.protocol.requests import Credential
from joblist.sql import guest, sandbox
from joblist.sql.guest import answer
from joblist.sql.limits import Limits
from joblist.sql.visible import FEW, of
from projections.sql.statement import SqlError
from tests.joblist.sql.guests import OTHER, OWN, SECRET, history, names_in, others_numbers
from tests.support.nodes.recordings import node_recordings
from tests.support.recordings import new_store

QUERIES = int(os.environ.get("GUEST_QUERIES", "30"))
GUEST = Credential(OWN, 2)
PATIENT = Limits(seconds=20.0)


@pytest.fixture(scope="module")
def few() -> Iterator[Store]:
    store = history(20, 20)
    yield store
    store.close()


@pytest.fixture(scope="module")
def many() -> Iterator[Store]:
    """Return one in which the guest has more jobs than are copied."""
    store = history(FEW + 100, 100)
    yield store
    store.close()


def ask(
    store: Store, sql: str, *, private: bool = True, limits: Limits = PATIENT
) -> list[tuple[object, ...]]:
    visible = of(store.db, Config(private=private), GUEST)
    return list(answer(store.db, sql, visible, limits).found.rows)


def told(store: Store, sql: str) -> str:
    """Return everything that a guest in private mode is told, an error's words included."""
    try:
        found = answer(store.db, sql, of(store.db, Config(private=True), GUEST), PATIENT)
        return repr(found.found.names) + repr(list(found.found.rows))
    except SqlError as error:
        return f"{ERROR}{error}"


ERROR = "error: "
COLUMNS = "id, userid, t_submit, t_inactive, name, state, result, nodelist, annotations"


@pytest.mark.parametrize("history_", ["few", "many"])
def test_own_jobs_are_those_of_the_view(history_: str, request: pytest.FixtureRequest) -> None:
    store: Store = request.getfixturevalue(history_)
    own = fetch(store.db, f"SELECT {COLUMNS} FROM jobs WHERE userid = ? ORDER BY id", (OWN,))
    every = fetch(store.db, f"SELECT {COLUMNS} FROM jobs ORDER BY id")
    sql = f"SELECT {COLUMNS} FROM jobs ORDER BY id"
    assert ask(store, sql) == own
    assert ask(store, sql, private=False) == every
    mine = "SELECT count(*) FROM events JOIN jobs ON jobs.id = jobid WHERE userid = ?"
    events = fetch(store.db, mine, (OWN,))
    for private in (True, False):  # events are shown to nobody but the job's owner
        assert ask(store, "SELECT count(*) FROM events", private=private) == events


@pytest.mark.parametrize(
    "where",
    [
        "id = 50331648", "id IN (50331648, 83886080)", "userid = 1001 AND queue = 'q0-mine'",
        "name = 'mine-1' AND t_inactive > 1790000030.5", "id = '50331648'", "name = 5",
        "result = 'FAILED'", "t_inactive IS NULL", "duration BETWEEN 61 AND 63.5",
        "name > 'mine-2' AND id < 1e9", "result <> 'FAILED'", "name LIKE 'MINE-1'",
        "name = 'MINE-1' COLLATE NOCASE", "t_run < id", "success = 1.0", "id = NULL",
        "userid = '1001'", "cwd = x'2f6d696e65'", "id > 9e99",
        "userid IN (SELECT rank FROM ranks('1001'))",
    ],
)  # fmt: skip
def test_rows_that_are_asked_for_one_by_one_are_the_same(many: Store, where: str) -> None:
    """SQLite compares as it does on the view itself, whatever types are compared."""
    query = f"SELECT id, name FROM jobs WHERE {where} ORDER BY id LIMIT 500"
    from projections.sql.functions import register  # noqa: PLC0415

    register(many.db)
    expected = fetch(many.db, query.replace("WHERE", "WHERE userid = 1001 AND"))
    assert ask(many, query) == expected


def test_joins_and_aggregates(many: Store) -> None:
    query = (
        "SELECT e.name, count(*), max(j.duration) FROM jobs j JOIN events e ON e.jobid = j.id"
        " WHERE j.id < 2000000000 GROUP BY 1 ORDER BY 1"
    )
    own = query.replace("WHERE", "WHERE j.userid = 1001 AND")
    assert ask(many, query) == fetch(many.db, own)


def test_nodes_are_shown_to_everybody_but_not_who_ran_there() -> None:
    recording = next(one for one in node_recordings() if one.name == "tiny")
    store, views = new_store()
    list(recording.on_the_way(store, views))
    for name in ("nodes", "node_states"):
        query = f"SELECT * FROM {name} ORDER BY 1, 2, 3, 4"
        expected = fetch(store.db, query)
        assert expected
        assert ask(store, query) == expected
        columns = {row[0] for row in fetch(store.db, "SELECT name FROM pragma_table_info(?)",
                                           (name,))}  # fmt: skip
        assert not columns & {"jobs", "jobid", "userid"}
    store.close()


ATTACKS = [
    "WITH jobs AS (SELECT * FROM inactive) SELECT * FROM jobs",
    "WITH inactive AS (SELECT * FROM jobs) SELECT * FROM inactive",
    "SELECT * FROM main.jobs UNION ALL SELECT * FROM temp.jobs",
    "SELECT * FROM jobs WHERE userid = 1002 OR 1",
    "SELECT * FROM sqlite_schema", "SELECT * FROM sqlite_temp_schema",
    "SELECT * FROM sqlite_dbpage",
    "SELECT * FROM pragma_database_list", "PRAGMA database_list", "PRAGMA writable_schema = 1",
    "PRAGMA query_only = 0", "ATTACH '{path}' AS other", "VACUUM INTO '/tmp/copy'",
    "SELECT load_extension('x')", "SELECT readfile('/etc/passwd')",
    "SELECT fts3_tokenizer('x')",
    "CREATE TABLE t AS SELECT 1", "CREATE TEMP VIEW jobs AS SELECT 1", "DROP TABLE jobs",
    "EXPLAIN SELECT * FROM jobs", "EXPLAIN QUERY PLAN SELECT * FROM jobs",
    "SELECT user_name(1002)", "SELECT * FROM events WHERE jobid NOT IN (SELECT id FROM jobs)",
    "SELECT * FROM json_each((SELECT json_group_array(annotations) FROM jobs))",
    "SELECT * FROM dbstat", "SELECT * FROM bytecode('SELECT 1')", "SELECT sqlite_version()",
    "SELECT 1; SELECT * FROM inactive", "BEGIN", "", ";", "\x00", "SELECT '\x00'", "SELECT ?",
]  # fmt: skip


@pytest.mark.parametrize("sql", ATTACKS)
def test_attacks_find_nothing(few: Store, sql: str, tmp_path: object) -> None:
    text = told(few, sql.replace("{path}", f"{tmp_path}/x"))
    assert SECRET not in text
    assert str(OTHER) not in text.replace(sql, "")


@pytest.fixture(scope="module")
def real_names(few: Store) -> list[str]:
    """Return the names of everything in the database, and some of what SQLite has itself."""
    own = ["hosts", "ranks", "json_each", "pragma_table_list", "sqlite_temp_schema"]
    return [*names_in(few), *own]


COLUMNS_OF = {
    "jobs": ["id", "userid", "name", "nodelist", "annotations", "t_run", "cwd", "bank", "*"],
    "events": ["seq", "jobid", "name", "context", "timestamp", "*"],
}
CALLS = ["max", "min", "count", "group_concat", "hex", "quote", "json_group_array", "typeof",
         "hostlist_expand", "load_extension"]  # fmt: skip


def selects(real_names: list[str]) -> st.SearchStrategy[str]:
    """Return SELECTs, most of them of tables that are there and of their columns."""

    def of_table(pair: tuple[str, str]) -> st.SearchStrategy[str]:
        table, shown_as = pair
        column = st.sampled_from([*COLUMNS_OF[table], "1", "NULL"])
        plain = column.filter(lambda name: name != "*")
        what = st.one_of(
            column,
            column,
            st.tuples(st.sampled_from(CALLS), plain).map(lambda p: f"{p[0]}({p[1]})"),
            st.tuples(plain, plain).map(" || ".join),
            st.tuples(plain, st.sampled_from(real_names)).map(
                lambda p: f"(SELECT {p[0]} FROM {p[1]})"
            ),
        )
        where = st.one_of(
            st.sampled_from(
                ["1", "1", "userid = 1002", "userid <> 1001", "0 = 0 OR name > ''"]
            ),
            plain.map(lambda name: f"{name} IS NOT NULL"),
            plain.map(lambda name: f"{name} IN (SELECT {name} FROM {table})"),
            st.sampled_from(real_names).map(lambda name: f"EXISTS (SELECT 1 FROM {name})"),
        )
        return st.tuples(what, where).map(
            lambda pair: f"SELECT {pair[0]} FROM {shown_as} WHERE {pair[1]}"
        )

    tables = st.sampled_from(["jobs", "jobs", "events"])
    named = tables.map(lambda name: (name, name))
    quoted = tables.map(lambda name: (name, f'main."{name.upper()}"'))
    hidden = st.tuples(tables, st.sampled_from(real_names))
    return st.one_of(named, named, quoted, hidden).flatmap(of_table)


def statements(real_names: list[str]) -> st.SearchStrategy[str]:
    """Return statements that are mostly SQL, with the names of the real tables."""
    select = selects(real_names)
    name = st.sampled_from([*real_names, "jobs", "events"])
    nested = select.map(lambda inner: f"SELECT * FROM ({inner})")
    with_ = st.builds(
        lambda n, inner, outer: f"WITH {n} AS ({inner}) {outer}", name, select, select
    )
    of_with = st.builds(
        lambda n, inner: f"WITH {n} AS ({inner}) SELECT * FROM {n}", name, select
    )
    union = st.builds(lambda a, b: f"{a} UNION ALL {b}", select, select)
    joined = st.builds(lambda a, n: f"SELECT * FROM ({a}) JOIN {n}", select, name)
    pragma = name.map(lambda n: f"PRAGMA {n}")
    other = st.builds(
        lambda verb, n: f"{verb} {n}",
        st.sampled_from(["DROP TABLE", "DELETE FROM", "ATTACH", "EXPLAIN SELECT * FROM"]),
        name,
    )
    rare = st.one_of(pragma, other, st.text(max_size=30))
    return st.one_of(select, select, nested, with_, of_with, union, joined, rare)


@contextmanager
def forked() -> Iterator[socket.socket]:
    """Have the statement run in a fork of this process, in place of a program."""
    ours, its = socket.socketpair()
    child = os.fork()
    if not child:
        ours.close()
        os.dup2(its.fileno(), 0)
        sandbox.lock_up = lambda _: None  # this process is larger than they allow
        sandbox.main()
    its.close()
    try:
        yield ours
    finally:
        ours.close()
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


@pytest.fixture(autouse=True, scope="module")
def _in_forks() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        if os.environ.get("GUEST_FORKED"):
            patch.setattr(guest, "_process", forked)
        yield


answered: list[bool] = []


@settings(max_examples=QUERIES, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_no_statement_tells_of_others(
    data: st.DataObject, few: Store, real_names: list[str]
) -> None:
    sql = data.draw(statements(real_names))
    text = told(few, sql)
    assert SECRET not in text
    assert SECRET.encode().hex() not in text.lower()
    numbers = {str(number) for number in others_numbers(few) if number is not None}
    assert not numbers & set(re.findall(r"[\d.]+", text.replace(sql, "")))
    answered.append(not text.startswith(ERROR))


def test_many_of_these_statements_were_answered() -> None:
    """So the test above looked at more than errors."""
    if not answered:
        pytest.skip("the test of statements did not run")
    assert sum(answered) > len(answered) / 20
