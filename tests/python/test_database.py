# SPDX-License-Identifier: LGPL-3.0
"""The Python interface gives what job-list answered, lazily, and whatever is in the texts."""

from __future__ import annotations

import json
import re
import runpy
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

import flux_jobdb
from cli.main import cli
from eventstore.errors import BeingRebuilt, StoreError
from eventstore.ingest.writer import Writer
from eventstore.storage.connection import create_or_open
from flux_jobdb import Database, JobInfo, NodeInfo
from projections.engine.views import Views
from projections.job.state import RESULTS, STATES
from tests.support import field_jobs
from tests.support.journal_generator import journal
from tests.support.nodes.recordings import node_recordings
from tests.support.recordings import play, recordings

ROOT = Path(__file__).resolve().parents[2]
RECORDING = next(one for one in recordings() if one.name == "private")
WORDS = {one.mask: one.name for one in STATES}
RESULT_WORDS = {one.mask: one.name for one in RESULTS}


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> str:
    found = str(tmp_path_factory.mktemp("db") / "jobdb.sqlite")
    with create_or_open(found) as store:
        play(store, Views(store), RECORDING, RECORDING.boots)
    return found


@pytest.fixture
def db(path: str) -> Iterator[Database]:
    with flux_jobdb.open(path) as opened:
        yield opened


def as_answered(job: JobInfo) -> dict[str, Any]:
    """Return a job in job-list's form, but for the words of its state and result."""
    found = msgspec.structs.asdict(job)
    found["annotations"] = job.annotations
    del found["annotations_text"]
    return {name: value for name, value in found.items() if value is not None}


def recorded() -> list[dict[str, Any]]:
    jobs = json.loads(RECORDING.objects("checkpoints")[-1]["list"])["jobs"]
    for job in jobs:
        job["state"] = WORDS[job["state"]]
        if "result" in job:
            job["result"] = RESULT_WORDS[job["result"]]
        if "dependencies" in job:
            job["dependencies"] = tuple(job["dependencies"])
    return list(jobs)


def test_jobs_are_those_of_the_recorded_list(db: Database) -> None:
    assert recorded() == [as_answered(job) for job in db.jobs()]
    for expected in recorded()[::7]:
        job = db.job(expected["id"])
        assert job is not None
        assert job == db.job(job.jobid) == db.job(str(job.id))
        assert expected == as_answered(job)


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("failed", lambda job: job["result"] == "FAILED"),
        ("pending,canceled", lambda job: job["state"] in {"DEPEND", "PRIORITY", "SCHED"}
         or job["result"] == "CANCELED"),
        ("user:1002 -failed", lambda job: job["userid"] == 1002 and job["result"] != "FAILED"),
        ("queue:debug or running", lambda job: job["queue"] == "debug"
         or job["state"] in {"RUN", "CLEANUP"}),
        ("ranks:0-3 t_run:>0", lambda job: job["ranks"] is not None
         and bool({0, 1, 2, 3} & _ids(job["ranks"]))),
    ],
)  # fmt: skip
def test_text_and_rfc_31_select_the_same(db: Database, text: str, matches: Any) -> None:
    from projections.constraints.query_text import parse  # noqa: PLC0415

    found = [job.id for job in db.jobs(text)]
    assert found == [job.id for job in db.jobs(parse(text))]
    every = [{**dict.fromkeys(JobInfo.__struct_fields__), **job} for job in recorded()]
    assert sorted(found) == sorted(job["id"] for job in every if matches(job))
    assert 0 < len(found) < len(every)


def _ids(text: str) -> set[int]:
    bounds = [part.split("-") for part in text.strip("[]").split(",")]
    return {rank for ends in bounds for rank in range(int(ends[0]), int(ends[-1]) + 1)}


def test_limits_and_moments(db: Database) -> None:
    everything = list(db.jobs())
    assert everything[:5] == list(db.jobs(limit=5))
    moment = sorted(job.t_submit for job in everything)[len(everything) // 2]
    then = list(db.jobs(as_of=moment))
    assert 0 < len(then) < len(everything)
    assert all(job.t_submit <= moment for job in then)
    assert any(job.t_inactive is None and db.job(job.id) != job for job in then)
    for job in then[:20]:
        assert job == db.job(job.id, as_of=moment)
    assert db.stats(as_of=moment).total.answer()["job_states"]["total"] == len(then)  # type: ignore[index]


def test_rows_are_read_one_by_one_and_again(db: Database) -> None:
    jobs = db.jobs()
    first, second = iter(jobs), iter(jobs)
    assert next(first) == next(second) == next(iter(jobs))
    assert list(first) == list(second)
    assert len(list(jobs)) == 1 + len(list(db.jobs())[1:])


def test_an_iteration_sees_one_state_while_others_write(tmp_path: Path) -> None:
    path = str(tmp_path / "jobdb.sqlite")
    with create_or_open(path) as store:
        writer = Writer(store, "test", Views(store))
        writer.append(journal(50))
        with flux_jobdb.open(path) as db:
            rows = iter(db.jobs())
            next(rows)
            writer.append(journal(50, first=50))
            assert 49 == len(list(rows))
            assert 100 == len(list(db.jobs()))


def test_events_are_the_lines_that_came(db: Database) -> None:
    lines = [msgspec.json.decode(line) for line in RECORDING.journal(1)]
    texts = [json.loads(json.dumps(one)) for line in lines for one in line["events"]]
    events = list(db.events())
    assert texts == [json.loads(event.data) for event in events]
    assert [event.seq for event in events] == sorted(event.seq for event in events)
    one = events[300]
    assert one in list(db.events(one.id))
    assert events[301:] == list(db.events(after=one.seq))
    assert all(e.timestamp <= one.timestamp for e in db.events(as_of=one.timestamp))
    assert {e.context["userid"] for e in events if e.name == "submit"} == {
        job["userid"] for job in recorded()
    }


def test_sql_reads_and_does_not_write(db: Database) -> None:
    (row,) = db.sql("SELECT count(*) AS n FROM jobs WHERE userid = ?", [1002])
    assert {"n": sum(job["userid"] == 1002 for job in recorded())} == row
    assert [] == list(db.sql("SELECT 1 WHERE 0"))
    for query in ("SELECT nope", "DELETE FROM event", "DROP VIEW jobs", "CREATE TABLE x (y)"):
        with pytest.raises(StoreError):
            list(db.sql(query))


def test_arrow_has_the_same_values(db: Database) -> None:
    pytest.importorskip("pyarrow")
    table = db.jobs().arrow()
    jobs = list(db.jobs())
    assert [job.id for job in jobs] == table.column("id").to_pylist()
    assert [job.t_run for job in jobs] == table.column("t_run").to_pylist()
    texts = [job.annotations_text for job in jobs]
    assert texts == table.column("annotations").to_pylist()
    empty = db.jobs("userid:77").arrow()
    assert (0, table.schema) == (empty.num_rows, empty.schema)
    assert db.events().arrow().num_rows == len(list(db.events()))
    usage = db.report("usage", group=["queue"], by="day").arrow()
    assert {"period", "queue", "jobs", "node_seconds"} <= set(usage.column_names)
    mixed = "SELECT CASE WHEN seq > 1500 THEN 1.5 END AS late FROM events"
    assert db.sql(mixed).arrow().column("late").null_count == 1500


def test_without_pyarrow_a_line_says_so(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ImportError, match=r"pip install 'flux-jobdb\[arrow\]'"):
        db.jobs().arrow()


def test_reports_are_those_of_the_command(db: Database) -> None:
    until = 1795392000.0
    rows = list(db.report("jobs", group=["queue"], until=until))
    ended = [job for job in recorded() if "t_inactive" in job and job["t_inactive"] < until]
    for row in rows:
        mine = [job for job in ended if job.get("queue") == row.group["queue"]]
        assert len(mine) == row.figures["jobs"] > 0


def test_annotations_nested_too_deep_spoil_no_list(tmp_path: Path) -> None:
    path = str(tmp_path / "jobdb.sqlite")
    deep = '{"a":' * 900 + '",\\"annotations\\":1"' + "}" * 900
    lines = field_jobs.job(1, name='x,"annotations":y')
    memo = b'{"timestamp":1790000005.5,"name":"memo","context":%b}' % deep.encode()
    lines.insert(6, b'{"id":%d,"events":[%b]}' % (1 << 24, memo))
    with create_or_open(path) as store:
        Writer(store, "test", Views(store)).append(lines)
    with flux_jobdb.open(path) as db:
        (job,) = db.jobs()
        assert job.name == 'x,"annotations":y'
        assert job.annotations_text is not None
        assert deep in job.annotations_text
        assert job == db.job(job.id)


@pytest.mark.parametrize(
    "ask",
    [
        lambda db: db.jobs("nonsense"),
        lambda db: db.jobs("x:y"),
        lambda db: db.jobs({"unknown": []}),
        lambda db: db.jobs({"states": ["nope"]}),
        lambda db: db.jobs(limit=-1),
        lambda db: db.jobs(since=-1.0),
        lambda db: db.job("no id"),
        lambda db: db.nodes("n[1"),
        lambda db: db.node_states("n]"),
        lambda db: db.info(1, "environment"),
        lambda db: db.report("nodes-of-mars"),
        lambda db: db.report("usage", by="fortnight"),
        lambda db: db.report("usage", group=["host"]),
        lambda db: db.report("usage", tz="Mars/Olympus"),
        lambda db: db.report("usage", since=9.0, until=8.0),
    ],
)
def test_what_is_asked_wrongly_is_a_value_error_at_once(db: Database, ask: Any) -> None:
    with pytest.raises(ValueError, match=r"\A[^\n]+\Z"):
        ask(db)


def test_files_that_cannot_be_read_are_errors(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no such database"):
        flux_jobdb.open(tmp_path / "none.sqlite")
    (tmp_path / "other.sqlite").write_bytes(b"x" * 5000)
    with pytest.raises(StoreError, match="not an SQLite database"):
        flux_jobdb.open(tmp_path / "other.sqlite")
    old = tmp_path / "old.sqlite"
    with create_or_open(str(old)) as store:
        Writer(store, "test", Views(store)).append(journal(5))
        store.db.execute("UPDATE view SET version = '0.0' WHERE name = 'inactive'")
    with pytest.raises(BeingRebuilt, match="flux-jobdb rebuild"):
        flux_jobdb.open(old)


@pytest.fixture(scope="module")
def nodes_path(tmp_path_factory: pytest.TempPathFactory) -> str:
    found = str(tmp_path_factory.mktemp("db") / "nodes.sqlite")
    recording = next(one for one in node_recordings() if one.name == "restart")
    with create_or_open(found) as store:
        list(recording.on_the_way(store, Views(store)))
    return found


def test_nodes_are_those_that_the_command_shows(nodes_path: str) -> None:
    with flux_jobdb.open(nodes_path) as db:
        moments = [None, *(row["t_from"] for row in db.sql("SELECT t_from FROM node_states"))]
        for moment in moments:
            words = [] if moment is None else ["--as-of", repr(moment)]
            done = CliRunner().invoke(cli, ["--db", nodes_path, "nodes", "--json", *words])
            printed = [json.loads(line) for line in done.stdout.splitlines()]
            found = list(db.nodes(as_of=moment))
            assert printed == [as_printed(node) for node in found]
        assert len(moments) > 10
        some = [node.host for node in db.nodes()][:2]
        assert some == [node.host for node in db.nodes(",".join(some))]
        view = list(db.sql("SELECT * FROM nodes ORDER BY rank"))
        for row, node in zip(view, db.nodes(), strict=True):
            members = msgspec.structs.asdict(node)
            del members["jobs"]
            assert members == {**row, "up": node.up, "torpid": node.torpid,
                               "excluded": node.excluded}  # fmt: skip


def as_printed(node: NodeInfo) -> dict[str, Any]:
    """Return a node in the form of `flux-jobdb nodes --json`."""
    found = msgspec.structs.asdict(node)
    since, reason = found.pop("t_drained"), found.pop("reason")
    found["drained"] = None if since is None else {"since": since, "reason": reason}
    found["jobs"] = list(node.jobs)
    if node.unknown is None:
        del found["unknown"]
    return found


def test_states_of_nodes_are_those_of_the_view(nodes_path: str) -> None:
    with flux_jobdb.open(nodes_path) as db:
        query = "SELECT host, kind, t_from, t_to, reason, ended FROM node_states"
        everything = sorted((tuple(row.values()) for row in db.sql(query)), key=repr)
        found = [msgspec.structs.astuple(one) for one in db.node_states()]
        assert everything == sorted(found, key=repr)
        host, _, begun, *_ = found[0]
        assert {one.host for one in db.node_states(host)} == {host}
        assert all(one.t_from <= begun for one in db.node_states(until=begun))
        pytest.importorskip("pyarrow")
        assert db.nodes().arrow().column("jobs").to_pylist() == [
            list(n.jobs) for n in db.nodes()
        ]
        assert db.node_states().arrow().num_rows == len(found)


def test_functions_of_flux_are_there(db: Database) -> None:
    (row,) = db.sql("SELECT f58(6731191091817518) AS id, user_name(0) AS name")
    assert row == {"id": "ƒuZZybuNNy", "name": "root"}  # as in RFC 19
    assert [r["host"] for r in db.sql("SELECT host FROM hosts('n[1-2]')")] == ["n1", "n2"]


# -- documents and examples


def test_the_examples_of_the_page_run(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    page = (ROOT / "docs" / "python.md").read_text("utf-8")
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert len(blocks) >= 8
    names: dict[str, Any] = {}
    for block in blocks:
        if "arrow()" in block:
            pytest.importorskip("pyarrow")
        code = block.replace("/var/lib/flux/jobdb.sqlite", path)
        exec(compile(code, "docs/python.md", "exec"), names)
    assert names["counts"]
    assert names["active"] == 8
    assert "FAILED" in capsys.readouterr().out


SCRIPTS = sorted((ROOT / "examples" / "python").glob("*.py"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_the_example_scripts_run(
    script: Path, path: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    more = {"who_was_there.py": ["node[0-15]", "1795389108.0"], "follow.py": ["0"]}
    monkeypatch.setattr(sys, "argv", [script.name, path, *more.get(script.name, [])])
    monkeypatch.setattr(time, "time", lambda: 1795389120.0)
    runpy.run_path(str(script), run_name="__main__")
    printed = capsys.readouterr().out
    assert printed or script.name == "follow.py"
