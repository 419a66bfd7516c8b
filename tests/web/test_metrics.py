# SPDX-License-Identifier: LGPL-3.0
"""Metrics: their format, what they count, and that counters only grow."""

from __future__ import annotations

import itertools
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from cli.main import cli
from eventstore.ingest.writer import Writer
from eventstore.storage.connection import create_or_open
from joblist.config import Config
from joblist.protocol.requests import Credential
from joblist.service import Request, Service
from projections.engine.rebuild import rebuild
from projections.engine.views import Views
from projections.sql.functions import user_name
from tests.support.journal_generator import journal
from tests.support.recordings import recordings
from web.pages.metrics import text

ROOT = Path(__file__).resolve().parents[2]
MIXED = next(one for one in recordings() if one.name == "mixed")
_SAMPLE = re.compile(r'([a-z_]+)(?:\{((?:[a-z]+="(?:[^"\\]|\\.)*",?)*)\})? ([-+0-9.e]+)')


def samples(data: bytes) -> dict[tuple[str, str], float]:
    found = {}
    for line in data.decode().splitlines():
        if not line.startswith("#"):
            match = _SAMPLE.fullmatch(line)
            assert match is not None, line
            found[match[1], match[2] or ""] = float(match[3])
    return found


def test_they_count_what_job_stats_counts(tmp_path: Path) -> None:
    path = str(tmp_path / "jobdb.sqlite")
    counters: list[dict[tuple[str, str], float]] = []
    with create_or_open(path) as store:
        views = Views(store)
        writer = Writer(store, "mixed", views)
        lines = [line for _, part in MIXED.feed(MIXED.boots[-1]) for line in part]
        for at in range(0, len(lines), len(lines) // 6):
            writer.append(lines[at : at + len(lines) // 6])
            counters.append({k: v for k, v in samples(text(path)).items() if "_total" in k[0]})
        for before, after in itertools.pairwise(counters):
            assert all(after[key] >= value for key, value in before.items())
        found = samples(text(path))
        (answer,) = Service(store, Config()).answer(
            Request("job-list.job-stats", b"{}", Credential(), streaming=False)
        )  # which equals what the C module said (tests/equality)
        stats = json.loads(answer)
        for queue in stats["queues"]:
            for state in ("run", "sched", "depend"):
                key = ("flux_jobdb_jobs", f'queue="{queue["name"]}",state="{state}"')
                assert found[key] == queue["job_states"][state]
            key = ("flux_jobdb_jobs_ended_total", f'queue="{queue["name"]}",result="failed"')
            assert found[key] == queue["failed"]
        rebuild(views)
        again = samples(text(path))
        assert {k: v for k, v in found.items() if "_total" in k[0]}.items() <= again.items()


def test_waits_are_those_of_the_jobs(tmp_path: Path) -> None:
    path = str(tmp_path / "jobdb.sqlite")
    with create_or_open(path) as store:
        lines = [line for _, part in MIXED.feed(MIXED.boots[-1]) for line in part]
        Writer(store, "mixed", Views(store)).append(lines)
    listed = json.loads(MIXED.objects("checkpoints")[-1]["list"])["jobs"]  # what Flux said
    waits: dict[str, list[float]] = {}
    for job in listed:
        if "t_run" in job:
            waits.setdefault(job.get("queue", ""), []).append(job["t_run"] - job["t_submit"])
    assert len(waits) > 2
    found = samples(text(path))
    name = "flux_jobdb_wait_seconds"
    for queue, known in waits.items():
        mine = f'queue="{queue}"'
        for bound in ("1", "10", "60", "604800", "+Inf"):
            expected = sum(wait <= float(bound) for wait in known)
            assert found[f"{name}_bucket", f'{mine},le="{bound}"'] == expected
        assert found[f"{name}_count", mine] == len(known)
        assert found[f"{name}_sum", mine] == pytest.approx(sum(known), abs=0.001 * len(known))


def test_users_are_named_where_they_are_asked_for(tmp_path: Path) -> None:
    path = str(tmp_path / "jobdb.sqlite")
    with create_or_open(path) as store:
        lines = [line for _, part in MIXED.feed(MIXED.boots[-1]) for line in part]
        Writer(store, "mixed", Views(store)).append(lines)
        sql = "SELECT userid, sum(nnodes) FROM jobs WHERE state IN ('RUN', 'CLEANUP')" \
              " GROUP BY 1 ORDER BY 2 DESC, 1"  # fmt: skip
        expected = store.db.execute(sql).fetchall()
    assert "user" not in text(path).decode()
    invoked = CliRunner().invoke(cli, ["--db", path, "metrics", "--users", "2"])
    found = samples(invoked.stdout_bytes)
    named = {key: value for key, value in found.items() if "user" in key[0]}
    assert named == {
        ("flux_jobdb_user_nodes", f'user="{user_name(userid)}"'): nodes
        for userid, nodes in expected[:2]
    }


def test_labels_are_escaped_and_few(tmp_path: Path) -> None:
    path = str(tmp_path / "jobdb.sqlite")
    with create_or_open(path) as store:
        lines = [
            line.replace(b'"queue":"gpu"', b'"queue":"g\\"p\\\\u\\n"') for line in journal(40)
        ]
        Writer(store, "test", Views(store)).append(lines)
    data = text(path)
    assert b'queue="g\\"p\\\\u\\n"' in data
    assert samples(data)
    assert len(samples(data)) < 150


def test_the_command_prints_them_or_replaces_a_file(tmp_path: Path) -> None:
    path = str(tmp_path / "jobdb.sqlite")
    with create_or_open(path) as store:
        Writer(store, "test", Views(store)).append(journal(5))
    printed = CliRunner().invoke(cli, ["--db", path, "metrics"]).stdout_bytes
    assert printed.startswith(b"# HELP flux_jobdb_up ")
    target = tmp_path / "jobdb.prom"
    target.write_text("old")
    assert (
        not CliRunner().invoke(cli, ["--db", path, "metrics", "--textfile", str(target)]).output
    )
    assert samples(target.read_bytes()).keys() == samples(printed).keys()
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []
    lost = CliRunner().invoke(
        cli, ["--db", path, "metrics", "--textfile", str(tmp_path / "no" / "f")]
    )
    assert "name a file that can be written" in str(lost.exception)


def test_promtool_has_nothing_to_say(tmp_path: Path) -> None:
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool is not installed")
    path = str(tmp_path / "jobdb.sqlite")
    with create_or_open(path) as store:
        Writer(store, "test", Views(store)).append(journal(20))
    done = subprocess.run([program, "check", "metrics"], input=text(path), capture_output=True,
                          check=False)  # fmt: skip
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")


def test_each_expression_of_the_dashboard_names_a_metric(tmp_path: Path) -> None:
    path = str(tmp_path / "jobdb.sqlite")
    with create_or_open(path) as store:
        Writer(store, "test", Views(store)).append(journal(5))
    known = {name for name, _ in samples(text(path))}
    for file in (ROOT / "etc" / "grafana").glob("*.json"):
        board = json.loads(file.read_text("utf-8"))
        expressions = [t["expr"] for panel in board["panels"] for t in panel.get("targets", ())]
        assert len(expressions) >= 6
        for expression in expressions:
            named = set(re.findall(r"flux_jobdb_[a-z_]+", expression))
            assert named
            assert named <= known, expression
