# SPDX-License-Identifier: LGPL-3.0
"""The command line, as its contract says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cli.main import COMMANDS, cli
from eventstore.storage.connection import open_readonly
from eventstore.storage.sql import fetch
from projections.job.state import RESULTS, STATES
from projections.notation.jobid import parse
from tests.support.recordings import recordings

PRIVATE = next(recording for recording in recordings() if recording.name == "private")


class Run:
    """Runs commands in this process."""

    def __init__(self, db: str) -> None:
        self.db = db

    def __call__(self, *words: str, status: int = 0) -> str:
        result = CliRunner().invoke(
            cli, ["--db", self.db, *words], standalone_mode=False, catch_exceptions=False
        )
        assert status == (result.return_value or 0), result.output
        self.errors = result.stderr
        return result.stdout


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A database of one recording."""
    runner = Run(str(tmp_path_factory.mktemp("db") / "jobs.sqlite"))
    runner("ingest", str(PRIVATE.folder / "journal.jsonl.gz"))
    assert runner.errors.endswith("0 already stored; 0 rejects\n")
    return runner


@pytest.fixture
def final() -> list[dict[str, Any]]:
    jobs: list[dict[str, Any]] = json.loads(PRIVATE.objects("checkpoints")[-1]["list"])["jobs"]
    return jobs


def listed(run: Run, *words: str) -> list[dict[str, Any]]:
    """Return what job-list has of the jobs: the id as text is an addition."""
    jobs = [json.loads(line) for line in run("list", "--json", *words).split("\n")[:-1]]
    assert [job["id"] for job in jobs] == [parse(job.pop("jobid")) for job in jobs]
    return jobs


def test_the_format_of_list_is_the_documented_one(run: Run) -> None:
    """Its members are columns of the view `jobs`, and numbers are those of the table."""
    page = (Path(__file__).resolve().parents[2] / "docs/commands.md").read_text("utf-8")
    for member, states in (("state", STATES), ("result", RESULTS)):
        numbers = ", ".join(f"{one.mask} `{one.name}`" for one in states)
        assert f"| `{member}` | {numbers} |" in page
    with open_readonly(run.db) as store:
        columns = {
            name for (name,) in fetch(store.db, "SELECT name FROM pragma_table_info('jobs')")
        }
    kinds = {"annotations": dict, "dependencies": list, "success": bool,
             "exception_occurred": bool, "state": int, "result": int}  # fmt: skip
    seen = set()
    for job in listed(run, "-a", "-A", "-c", "0"):
        seen |= job.keys()
        assert {
            name for name, kind in kinds.items() if type(job.get(name, kind())) is not kind
        } == set()
        assert None not in job.values()
    assert kinds.keys() < seen <= columns


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_and_takes_db_after_it(command: str) -> None:
    result = CliRunner().invoke(cli, [command, "--help"])
    assert result.exit_code == 0
    assert "--db" in result.output
    assert "Example" in result.output


def test_db_is_named_in_any_place(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    before = run("stats", "--json")
    runner = CliRunner()
    after = runner.invoke(cli, ["stats", "--json", "--db", run.db], standalone_mode=False)
    monkeypatch.setenv("FLUX_JOBDB", run.db)
    named = runner.invoke(cli, ["stats", "--json"], standalone_mode=False)
    assert before == after.stdout == named.stdout


def test_list_answers_with_job_lists_attributes(run: Run, final: list[dict[str, Any]]) -> None:
    assert final == listed(run, "-A", "-a")
    assert [job for job in final if job["state"] != 64] == listed(run, "-A")
    assert [job for job in final if job.get("result") == 2] == listed(run, "-A", "-f", "failed")
    of_one = [job for job in final if job["userid"] == 1001]
    assert of_one == listed(run, "-u", "1001", "-a")
    assert of_one[:3] == listed(run, "-u", "1001", "-a", "-c", "3")
    debug = [job for job in final if job.get("queue") == "debug"]
    assert debug == listed(run, "-A", "-a", "-q", "debug,none")
    named = [job for job in final if job["name"] == final[-1]["name"]]
    assert named == listed(run, "-A", "-a", "--name", final[-1]["name"])
    on_host = [job for job in final if "node3" in job.get("nodelist", "")]
    ids = {job["id"] for job in listed(run, "-a", "-i", "node3")}
    assert {job["id"] for job in on_host if job["nodelist"] == "node3"} <= ids
    assert ids == {job["id"] for job in listed(run, "-a", "-i", "3")}
    since = sorted(job["t_inactive"] for job in final if job["state"] == 64)[-10]
    recent = [job for job in final if job.get("t_inactive", 2e9) > since]
    assert recent == listed(run, "-A", "--since", repr(since))


def test_list_by_id_and_as_a_table(run: Run, final: list[dict[str, Any]]) -> None:
    job = final[-1]
    assert [job] == listed(run, str(job["id"]))
    table = run("list", hex(job["id"]), "-o", "{id.dec} {name} {t_submit}")
    assert [str(job["id"])] == [line.split()[0] for line in table.splitlines()[1:]]
    table = run("list", "-A", "-a", "--no-header", "-c", "0", "-o", "{id.dec}")
    assert [str(one["id"]) for one in final] == table.split()
    by_run = run("list", "-A", "-a", "--sort", "t_submit", "--no-header", "-o", "{id.dec}")
    submitted = sorted(final, key=lambda one: one["t_submit"])
    assert [str(one["id"]) for one in submitted] == by_run.split()
    assert run("list", "-A", "-c", "2").splitlines()[0].split()[0] == "JOBID"
    assert "truncated at 2 jobs" in run.errors
    assert "endreason" in run("list", "-o", "help")
    states = PRIVATE.meta["final"]
    assert f"{states['running']} running" in run("list", "--stats-only")
    run("list", "f11", status=1)


def test_events_info_and_history(run: Run) -> None:
    raw = run("events", "--raw").encode().split(b"\n")[:-1]
    assert len(raw) == PRIVATE.meta["journals"]["journal.jsonl.gz"]["events"]
    assert run("events", "--after", "1980").count("\n") == len(raw) - 1980
    with_r = next(line for line in PRIVATE.lines("backlog") if b',"R":' in line)
    response = json.loads(with_r)
    jobid = str(response["id"])
    log = [json.loads(line) for line in run("info", jobid, "eventlog").splitlines()]
    names = [event["name"] for event in log if event["name"] != "annotations"]
    assert [event["name"] for event in response["events"]] == names
    assert response["jobspec"] == json.loads(run("info", jobid, "jobspec"))
    assert response["R"] == json.loads(run("info", jobid, "R"))
    history = run("history", jobid)
    assert [event["name"] for event in log] == [
        line.split()[2] for line in history.splitlines()
    ]


def test_rpc(run: Run, tmp_path: Path) -> None:
    attrs = json.loads(run("rpc", "job-list.list-attrs"))["attrs"]
    assert attrs[0] == "userid"
    assert attrs[-1] == "all"
    assert "" == run("rpc", "job-list.list", "{}", status=1)
    error = {"errno": 71, "errstr": "invalid payload: Object item not found: max_entries"}
    assert error == json.loads(run.errors)
    query = PRIVATE.objects("queries")[0]
    batch = tmp_path / "batch"
    batch.write_text(json.dumps(query) + "\n")
    assert query["responses"] == json.loads(run("rpc", "--batch", str(batch)))["responses"]


def test_views_and_proof(run: Run) -> None:
    views = [json.loads(line) for line in run("projections", "--json").splitlines()]
    assert {"current"} == {view["state"] for view in views}
    assert "inactive" in run("rebuild", "inactive")
    result = json.loads(run("verify", "--json"))
    assert result["ok"] is True
    assert result["head"] in run("verify")
    assert result["events"] == json.loads(run("stats", "--json"))["events"]
