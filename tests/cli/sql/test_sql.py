# SPDX-License-Identifier: LGPL-3.0
"""`flux-jobdb sql`: its formats, its errors, its shell, a database that it may not write."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest

from cli.sql.formats import print_csv, print_json, print_table
from cli.sql.instance import Remote
from cli.sql.shell import Shell
from projections.sql.functions import register
from projections.sql.statement import Rows, SqlError
from tests.support.command import Command
from tests.support.journal_generator import journal

ODD: list[tuple[Any, ...]] = [
    (1, None, b"\x00\xff"),
    (0.1 + 0.2, 'x"\r\n,\x1b[2J', "ä"),
    (float("inf"), -(2**63), ""),
]
PLAIN = [(1, None, "00ff"), ODD[1], ODD[2]]


def odd() -> Rows:
    return Rows(("a", "b\n", "c"), iter(ODD))


@pytest.fixture
def jobdb(tmp_path: Path) -> Command:
    made = Command(tmp_path)
    made.ingest(list(journal(30)))
    return made


def test_json_has_everything_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    print_json(odd())
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert rows == [dict(zip(("a", "b\n", "c"), row, strict=True)) for row in PLAIN]


def test_csv_is_that_of_rfc_4180(capsys: pytest.CaptureFixture[str]) -> None:
    print_csv(odd())
    text = capsys.readouterr().out
    assert text.startswith('a,"b\n",c\r\n1,,00ff\r\n')
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert rows[1:] == [["" if v is None else str(v) for v in row] for row in PLAIN]


def test_no_text_in_csv_is_a_formula(capsys: pytest.CaptureFixture[str]) -> None:
    texts = ("=1+1", "+1", "-1", "@x", "\tx", "\r=1", "x=1", "'=1")
    print_csv(Rows(("a", "=b"), iter([(text, -1) for text in texts])))
    heading, *rows = csv.reader(io.StringIO(capsys.readouterr().out, newline=""))
    assert heading == ["a", "'=b"]
    assert [row[0] for row in rows] == [f"'{t}" for t in texts[:6]] + ["x=1", "'=1"]
    assert {row[1] for row in rows} == {"-1"}


def test_a_table_is_a_line_a_row_and_harmless(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(odd())
    lines = capsys.readouterr().out.split("\n")
    assert len(lines) == 1 + len(ODD) + 1
    assert lines[0].startswith("a ")
    assert lines[1].split() == ["1", "-", "00ff"]
    assert 'x"\\r\\n,\\u001b[2J' in lines[2]


def test_a_question(jobdb: Command) -> None:
    what = "count(*) AS jobs, sum(nnodes) > 0 AS nodes"
    sql = f"SELECT {what} FROM jobs WHERE t_submit < when('now')"
    assert jobdb("sql", "--json", sql).objects == [{"jobs": 30, "nodes": 1}]
    assert jobdb("sql", "--json", "-", stdin=sql.encode()).objects[0]["jobs"] == 30
    assert jobdb("sql", "--csv", sql).stdout == b"jobs,nodes\r\n30,1\r\n"
    assert jobdb("sql", "SELECT 'a' AS x WHERE 0").stdout == b"x\n"


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("SELECT no_such FROM jobs", "no such column: no_such"),
        ("SELECT 1; SELECT 2", "more than one statement"),
        ("DELETE FROM inactive", "read-only"),
        ("UPDATE jobs SET name = ''", "cannot modify jobs"),
        ("SELECT hostlist_count('[')", "not a hostlist"),
        ("ATTACH 'other' AS o", "gives no rows"),
    ],
)
def test_a_refused_question_is_one_line(jobdb: Command, sql: str, words: str) -> None:
    before = jobdb.db.read_bytes()
    done = jobdb("sql", sql, status=1)
    assert words in done.err
    assert len(done.err.splitlines()) == 1
    assert (done.stdout, jobdb.db.read_bytes()) == (b"", before)
    assert not (jobdb.folder / "other").exists()


def test_a_guest_sees_what_job_list_would_show(jobdb: Command) -> None:
    config = jobdb.folder / "private.toml"
    config.write_text("[access]\nprivate-mode = true\n", encoding="utf-8")
    sql = "SELECT userid, count(*) AS jobs FROM jobs GROUP BY userid ORDER BY userid"
    everybody = jobdb("sql", "--json", sql).objects
    userid = everybody[0]["userid"]
    as_guest = ("sql", "--json", "--userid", str(userid))
    assert jobdb(*as_guest, sql).objects == everybody
    assert jobdb(*as_guest, "--config", str(config), sql).objects == everybody[:1]
    done = jobdb(*as_guest, "SELECT * FROM inactive", status=1)
    assert done.err == "flux-jobdb: no such table: inactive\n"
    assert "--userid needs a QUERY" in jobdb("sql", "--userid", "1", status=2).err
    assert "--config counts with --userid" in jobdb("sql", "--config", "x", sql, status=2).err
    endless = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n"
    done = jobdb("sql", "--csv", "--userid", "1", endless)
    assert len(done.stdout.splitlines()) == 10_001
    assert "output ends at 10000 rows" in done.err


class Instance:
    """An instance whose job-list gives these responses, and then an error if there is one."""

    def __init__(self, responses: list[dict[str, Any]], error: OSError | None = None) -> None:
        self.responses, self.error = responses, error

    def ask(self, topic: str, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
        assert (topic, request) == ("job-list.sql", {"query": "SELECT 1"})
        yield from self.responses
        if self.error is not None:
            raise self.error


def test_the_answer_of_an_instance_is_read_response_by_response() -> None:
    responses = [
        {"columns": ["a"], "rows": [[1], [2]]},
        {"columns": ["a"], "rows": [[3]], "truncated": True},
    ]
    remote = Remote(Instance(responses), "SELECT 1")
    assert remote.found.names == ("a",)
    assert next(remote.found.rows) == (1,)
    assert not remote.truncated
    assert list(remote.found.rows) == [(2,), (3,)]
    assert remote.truncated
    with pytest.raises(SqlError, match="job-list: no such column"):
        Remote(Instance([], OSError(22, "no such column")), "SELECT 1")
    broken = Remote(Instance(responses[:1], OSError(110, "too long")), "SELECT 1")
    with pytest.raises(SqlError, match="too long"):
        list(broken.found.rows)


def test_without_a_question_it_needs_a_terminal(jobdb: Command) -> None:
    assert "give a QUERY" in jobdb("sql", status=2).err


def test_the_shell_has_the_functions_and_shows_nothing_harmful() -> None:
    db = apsw.Connection(":memory:")
    register(db)
    out = io.StringIO()
    shell = Shell(db, stdout=out, stderr=out, stdin=io.StringIO(""))
    shell.process_complete_line("SELECT char(27) || 'a', fsd(90), when('1700000000') + 1;")
    assert out.getvalue().strip() == "\\u001ba|1.5m|1700000001.0"


def test_an_old_database_that_is_read_only_is_one_line(jobdb: Command) -> None:
    """Its views are those of another version, and nobody may replace them."""
    db = apsw.Connection(str(jobdb.db))
    db.execute("DROP VIEW jobs; CREATE VIEW jobs AS SELECT 1 AS one")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    db.close()
    jobdb.db.chmod(0o444)
    jobdb.folder.chmod(0o555)
    try:
        script = "import os\nos.access = lambda *_: False\n" if os.getuid() == 0 else None
        done = jobdb("sql", "SELECT * FROM jobs", status=1, script=script)
    finally:
        jobdb.folder.chmod(0o755)
    assert len(done.err.splitlines()) == 1
    assert "another version" in done.err


def test_views_of_another_definition_are_replaced_first(jobdb: Command) -> None:
    db = apsw.Connection(str(jobdb.db))
    db.execute("DROP VIEW jobs; CREATE VIEW jobs AS SELECT 1 AS one")
    db.close()
    assert jobdb("sql", "--json", "SELECT count(*) AS n FROM jobs").objects == [{"n": 30}]
