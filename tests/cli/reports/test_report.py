# SPDX-License-Identifier: LGPL-3.0
"""``report``: what it prints, in each form, of jobs whose figures are known."""

from __future__ import annotations

import csv
import io
import json
import sys
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from cli.main import cli
from cli.reports.figures import seconds
from tests.cli.test_commands import Run
from tests.support import field_jobs
from tests.support.command import Command
from tests.support.field_jobs import SENTINEL
from tests.support.journal_generator import journal

MIDNIGHT = datetime.fromisoformat("2026-09-22T00:00:00+00:00").timestamp()
EVIL = ["=1+1", "+x", "-x", "@sum", "\tx", "\rx", '"a,b"', "\x1b[31mred\nx", "", "ƒ☃"]


def ran(number: int, start: float, end: float, **how: Any) -> list[bytes]:
    """Return a job of one node with four cores that ran from ``start`` to ``end``."""
    times = {"alloc": start, "start": start, "finish": end, "release": end, "free": end,
             "clean": end + 1}  # fmt: skip
    return field_jobs.job(number, start=start - 10, times=times, **how)


def made(folder: Path, *jobs: list[bytes]) -> Run:
    run = Run(str(folder / "jobs.sqlite"))
    journal = folder / "journal.jsonl"
    journal.write_bytes(b"\n".join([SENTINEL, *(line for job in jobs for line in job), b""]))
    run("ingest", str(journal))
    return run


def objects(run: Run, *words: str) -> list[dict[str, Any]]:
    text = run("report", *words, "--json")
    return [json.loads(line, parse_float=Decimal) for line in text.split("\n")[:-1]]


def refused(run: Run, *words: str) -> str:
    with pytest.raises(click.UsageError) as found:
        run("report", *words)
    return str(found.value.format_message())


def test_a_job_over_midnight_counts_in_both_days(tmp_path: Path) -> None:
    run = made(tmp_path, ran(1, MIDNIGHT - 100.5, MIDNIGHT + 0.25))
    rows = objects(run, "usage", "--by", "day")
    assert [
        ("2026-09-21", 1, Decimal("100.5")), ("2026-09-22", 1, Decimal("0.25")),
    ] == [(row["period"], row["jobs"], row["node_seconds"]) for row in rows]  # fmt: skip
    assert (MIDNIGHT, MIDNIGHT) == (rows[0]["to"], rows[1]["from"])
    (whole,) = objects(run, "usage")
    assert (1, Decimal("100.75"), None) == (whole["jobs"], whole["node_seconds"], whole["from"])
    (ended,) = objects(run, "jobs", "--by", "day")
    assert ("2026-09-22", 1, 1) == (ended["period"], ended["jobs"], ended["completed"])


def test_days_are_those_of_the_zone(tmp_path: Path) -> None:
    """On 25 October 2026 the clock goes back in Berlin: that day has 25 hours."""
    start = datetime.fromisoformat("2026-10-24T00:00:00+02:00").timestamp()
    run = made(tmp_path, ran(1, start, start + 73 * 3600))
    berlin = objects(run, "usage", "--by", "day", "--tz", "Europe/Berlin")
    assert [24 * 3600, 25 * 3600, 24 * 3600] == [row["node_seconds"] for row in berlin]
    assert ["2026-10-24", "2026-10-25", "2026-10-26"] == [row["period"] for row in berlin]
    utc = objects(run, "usage", "--by", "day")
    assert [2, 24, 24, 23] == [row["node_seconds"] / 3600 for row in utc]
    hours = objects(run, "usage", "--by", "hour", "--tz", "Europe/Berlin")
    assert 73 == len(hours) == len({row["period"] for row in hours})
    assert {3600} == {row["node_seconds"] for row in hours}
    assert "2026-10-25T02:00+02:00" in [row["period"] for row in hours]
    assert "2026-10-25T02:00+01:00" in [row["period"] for row in hours]
    (week, _) = objects(run, "usage", "--by", "week", "--tz", "Europe/Berlin")
    assert ("2026-W43", 49 * 3600) == (week["period"], week["node_seconds"])


def test_running_jobs_count_up_to_the_end_of_the_range(tmp_path: Path) -> None:
    run = made(tmp_path, field_jobs.job(1, start=MIDNIGHT, last="start"))
    (row,) = objects(run, "usage", "--until", str(MIDNIGHT + 100.0))
    assert "1 job still runs and is counted up to the end of the range" in run.errors
    begun = json.loads(run("list", "-Aa", "--json"))["t_run"]
    assert row["node_seconds"] == round(Decimal(MIDNIGHT + 100.0 - begun), 6)
    table = run("report", "usage", "--until", str(MIDNIGHT + 100.0))
    assert "1 job still runs and is counted up to the end of the range\n" in table
    assert 0 == objects(run, "usage", "--until", str(MIDNIGHT))[0]["jobs"]
    assert 0 == objects(run, "jobs")[0]["jobs"]
    assert 1 == objects(run, "waits")[0]["count"]


def test_names_of_users_are_harmless_in_every_form(tmp_path: Path) -> None:
    jobs = [
        ran(number, MIDNIGHT, MIDNIGHT + 60, name=name, system={"bank": name, "project": name})
        for number, name in enumerate(EVIL, start=1)
    ]
    run = made(tmp_path, *jobs)
    words = ("usage", "--group", "bank,project,name")
    assert sorted(EVIL) == sorted(row["bank"] for row in objects(run, *words))

    text = run("report", *words, "--csv")
    heading, *rows = csv.reader(io.StringIO(text, newline=""))
    assert ["from", "to", "bank", "project", "name"] == heading[:5]
    assert len(EVIL) == len(rows)
    for row in rows:
        assert not row[2].startswith(("=", "+", "-", "@", "\t", "\r"))
        assert row[2].removeprefix("'") in EVIL
        assert row[2] == row[3] == row[4]
    raw = CliRunner().invoke(cli, ["--db", run.db, "report", *words, "--csv"]).stdout_bytes
    assert raw.endswith(b"\r\n")

    table = run("report", *words)
    assert len(EVIL) + 1 == len(table.splitlines())
    assert "\x1b" not in table
    assert "\x1b[31m" not in run("report", *words, "--chart")


def test_figures_of_a_table_are_those_of_json(tmp_path: Path) -> None:
    run = made(
        tmp_path,
        ran(1, MIDNIGHT, MIDNIGHT + 0.123456, system={"queue": "debug"}),
        ran(2, MIDNIGHT + 5, MIDNIGHT + 7, contexts={"finish": {"status": 256}}),
    )
    table = run("report", "usage", "--group", "queue,user").splitlines()
    assert [
        ["QUEUE", "USER", "JOBS", "NODE-SECONDS", "CORE-SECONDS"],
        ["debug", "1001", "1", "0.123", "0.123"], ["-", "1001", "1", "2.000", "2.000"],
    ] == [line.split() for line in table]  # fmt: skip
    debug, none = objects(run, "usage", "--group", "queue,user")
    assert (1001, "1001", None) == (debug["userid"], debug["user"], none["queue"])
    assert Decimal("0.123456") == debug["node_seconds"]
    (jobs,) = objects(run, "jobs")
    assert (2, 1, 1, 0, 0) == tuple(jobs[name] for name in _RESULTS)
    (waits,) = objects(run, "waits")
    assert {"count": 2, **dict.fromkeys(("median", "p90", "p99", "max", "mean"), 10)} == {
        name: value for name, value in waits.items() if name not in {"from", "to"}
    }


_RESULTS = ("jobs", "completed", "failed", "canceled", "timeout")


def test_what_is_incomplete_is_said(tmp_path: Path) -> None:
    run = made(tmp_path, ran(1, MIDNIGHT, MIDNIGHT + 5), ran(2, MIDNIGHT, MIDNIGHT + 5)[1:])
    said = "incomplete: 1 job without its first events; `flux-jobdb gaps` lists them\n"
    assert run("report", "jobs").endswith(said)
    assert 1 == objects(run, "jobs")[0]["jobs"]
    assert run.errors == f"flux-jobdb: {said}"
    objects(run, "jobs", "--since", str(MIDNIGHT + 100.0))
    assert run.errors == ""


def test_an_empty_database_has_a_total_of_nothing(tmp_path: Path) -> None:
    run = made(tmp_path)
    assert 0 == objects(run, "usage")[0]["node_seconds"]
    assert {0} == {objects(run, "jobs")[0][name] for name in _RESULTS}
    assert (0, None) == tuple(objects(run, "waits")[0][name] for name in ("count", "median"))
    for kind in ("usage", "jobs", "waits"):
        assert [] == objects(run, kind, "--by", "month", "--group", "bank")
        assert "" == run("report", kind, "--by", "month", "--chart")


@pytest.mark.parametrize("until", ["0", "1970-01-01T00:00Z", "1969-06-01"])
def test_a_range_that_ends_with_the_epoch_has_no_length(tmp_path: Path, until: str) -> None:
    jobdb = Command(tmp_path)
    jobdb.ingest(field_jobs.job())
    for words in ((), ("--by", "day")):
        done = jobdb("report", "usage", "--until", until, *words, status=(1, 2))
        assert "the range of time ends before it begins" in done.err


def test_seconds_before_the_epoch() -> None:
    assert ["-1.5", "-1", "0", "1.000001"] == [
        seconds(number) for number in (-1_500_000, -1_000_000, 0, 1_000_001)
    ]


def test_wrong_usage_is_one_line(tmp_path: Path) -> None:
    run = made(tmp_path, ran(1, MIDNIGHT, MIDNIGHT + 5))
    assert "no time zone" in refused(run, "usage", "--tz", "Mars/Olympus")
    for name in ("", "..", "../../etc/passwd", "Europe", "x\0y", "/etc/localtime"):
        assert "no time zone" in refused(run, "jobs", "--tz", name)
    assert "expected some of queue, user" in refused(run, "usage", "--group", "queue,host")
    since, until = str(MIDNIGHT + 60.0), str(MIDNIGHT)
    assert "ends before it begins" in refused(run, "jobs", "--since", since, "--until", until)
    assert "'jobs', 'waits', 'usage'" in refused(run, "nonsense")


def test_charts_need_plotext(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = made(tmp_path, ran(1, MIDNIGHT, MIDNIGHT + 5, system={"queue": "debug"}))
    monkeypatch.setitem(sys.modules, "plotext", None)
    result = CliRunner().invoke(cli, ["--db", run.db, "report", "usage", "--chart"])
    assert "pip install 'flux-jobdb[charts]'" in str(result.exception)


def test_a_chart_has_a_bar_for_each_row(tmp_path: Path) -> None:
    pytest.importorskip("plotext")
    run = made(
        tmp_path,
        ran(1, MIDNIGHT, MIDNIGHT + 5, system={"queue": "debug"}),
        ran(2, MIDNIGHT, MIDNIGHT + 10, system={"queue": "batch"}),
    )
    title, batch, debug = run("report", "usage", "--group", "queue", "--chart").splitlines()
    assert "node-seconds" in title
    assert ("batch", "10.00") == (batch.split()[0], batch.split()[-1])
    assert 0 < debug.count("▇") * 2 - batch.count("▇") + 2 <= 4


def test_bars_have_colors_where_somebody_sees_them(tmp_path: Path) -> None:
    pytest.importorskip("plotext")
    jobdb = Command(tmp_path)
    jobdb.ingest(list(journal(5)))
    words = ("report", "usage", "--chart")
    assert "\x1b[" not in jobdb(*words).out
    assert "\x1b[" in jobdb(*words, "--color").out
    assert "\x1b[" not in jobdb(*words, "--color=never").out
    for env, expected in (({}, True), ({"NO_COLOR": "1"}, False)):
        clean = {"LC_ALL": "C.UTF-8", **env}
        shown = jobdb.on_terminal(*words, streams=("stdout",), env=clean).err
        assert expected == ("\x1b[" in shown)
