# SPDX-License-Identifier: LGPL-3.0
"""Several databases asked at once: the union of what each says, with the cluster in front."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from cli import several
from cli.main import cli
from eventstore.own_process import command as own_process
from tests.support.command import Command, Done
from tests.support.journal_generator import journal
from tests.support.nodes.recordings import node_recordings

UNTIL = ("--until", "2024-01-01")  # now would be another time for each process


@pytest.fixture(scope="module")
def clusters(tmp_path_factory: pytest.TempPathFactory) -> list[Command]:
    """Databases of two clusters, in which job ids are the same."""
    folder = tmp_path_factory.mktemp("several")
    found = []
    for name, jobs in (("tuolumne", 40), ("elcap", 25)):
        jobdb = Command(folder, f"{name}.sqlite")
        jobdb("ingest", "--cluster", name, "-", stdin=b"\n".join(journal(jobs)))
        found.append(jobdb)
    return found


def together(clusters: list[Command], *words: str, **how: object) -> Done:
    paths = [f"--db={one.db}" for one in clusters]
    return clusters[0](*paths, *words, **how)  # type: ignore[arg-type]


def apart(clusters: list[Command], *words: str) -> list[tuple[str, Done]]:
    return [(Path(one.db).stem, one(*words)) for one in clusters]


@pytest.mark.parametrize(
    "words",
    [
        ("list", "-Aa", "--json"), ("list", "-A", "-f", "failed", "--json"),
        ("sql", "--json", "SELECT id, name FROM jobs WHERE nnodes > 4"),
        ("sql", "--json", "SELECT count(*) AS n FROM events"),
        ("report", "usage", "--by", "day", "--group", "bank", *UNTIL, "--json"),
        ("report", "jobs", *UNTIL, "--json"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_objects_are_those_of_each(clusters: list[Command], words: tuple[str, ...]) -> None:
    expected = [
        {"cluster": name, **json.loads(line)}
        for name, done in apart(clusters, *words)
        for line in done.lines
    ]
    found = together(clusters, *words).lines
    assert expected == [json.loads(line) for line in found]
    assert all(line.startswith('{"cluster":') for line in found)
    assert {"tuolumne", "elcap"} >= {one["cluster"] for one in expected} != set()


@pytest.mark.parametrize(
    "words",
    [
        ("report", "usage", "--group", "user", *UNTIL, "--csv"),
        ("sql", "--csv", "SELECT id, name, char(10) || name AS two FROM jobs LIMIT 9"),
    ],
    ids=" ".join,
)
def test_cells_are_those_of_each(clusters: list[Command], words: tuple[str, ...]) -> None:
    def rows(done: Done) -> list[list[str]]:
        return list(csv.reader(io.StringIO(done.out, newline="")))

    first, second = (rows(done) for _, done in apart(clusters, *words))
    expected = [["cluster", *first[0]], *(["tuolumne", *row] for row in first[1:])]
    expected += [["elcap", *row] for row in second[1:]]
    assert expected == rows(together(clusters, *words))


@pytest.mark.parametrize(
    "words",
    [("list", "-Aa"), ("list", "-Aan", "-o", "{id} {name}"), ("list", "-Aano", "{id} {name}"),
     ("list", "-Aa", "--sort", "-name"), ("list", "-Aa", "-w", "-1"), ("report", "waits")],
    ids=" ".join,
)  # fmt: skip
def test_lines_are_those_of_each(clusters: list[Command], words: tuple[str, ...]) -> None:
    bare = words[1].startswith("-Aan")
    assert apart(clusters, *words)[0][1].lines
    expected: list[str] = []
    heading = ""
    for name, done in apart(clusters, *words):
        first, *rest = done.lines
        if bare:
            rest = [first, *rest]
        elif first != heading:
            heading = first
            expected.append(f"CLUSTER   {first}")
        expected += [f"{name:<8}  {line}" for line in rest]
    assert expected == together(clusters, *words).lines


def test_statistics_are_no_heading(clusters: list[Command]) -> None:
    first, second = (done.lines for _, done in apart(clusters, "list", "-Aa", "--stats"))
    expected = [f"tuolumne  {first[0]}", f"CLUSTER   {first[1]}"]
    expected += [f"tuolumne  {line}" for line in first[2:]]
    expected += [f"elcap     {second[0]}"]
    expected += [f"CLUSTER   {second[1]}"] * (second[1] != first[1])
    expected += [f"elcap     {line}" for line in second[2:]]
    assert expected == together(clusters, "list", "-Aa", "--stats").lines


def test_the_history_of_nodes_has_no_heading(tmp_path: Path) -> None:
    found = []
    for name in ("a", "b"):
        jobdb = Command(tmp_path, f"{name}.sqlite")
        jobdb(
            "ingest", "--cluster", name, "-", stdin=b"\n".join(node_recordings()[0].stream(1))
        )
        found.append(jobdb)
    lines = found[0]("nodes", "--history").lines
    assert lines
    expected = [f"{name}        {line}" for name in ("a", "b") for line in lines]
    assert expected == together(found, "nodes", "--history").lines


def test_a_statement_on_standard_input_is_for_all(clusters: list[Command]) -> None:
    query = "SELECT count(*) AS n FROM jobs"
    expected = together(clusters, "sql", "--json", query).out
    assert expected == together(clusters, "sql", "--json", "-", stdin=query.encode()).out


def test_a_long_cell_is_a_cell(clusters: list[Command]) -> None:
    query = "SELECT printf('%.200000c', 'x') AS long"
    rows = together(clusters, "sql", "--csv", query).lines
    assert [200000] * 2 == [row.count("x") for row in rows[1:]]


ENDS = {
    "answers": "print('1 running')",
    "finds no active job": "print('0 running'); raise SystemExit(1)",
    "fails": "raise SystemExit(1)",
    "is killed": "import os; os.kill(os.getpid(), 9)",
}


@pytest.mark.parametrize(
    ("how", "word", "status"),
    [
        ("answers", "-A", 0), ("fails", "-A", 1), ("is killed", "-A", 1),
        ("answers", "--stats-only", 0), ("finds no active job", "--stats-only", 0),
        ("fails", "--stats-only", 1), ("is killed", "--stats-only", 1),
    ],
)  # fmt: skip
def test_one_that_cannot_be_asked_is_a_failure(
    clusters: list[Command], how: str, word: str, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first one answers, and has an active job."""
    programs = {str(clusters[0].db): ENDS["answers"], str(clusters[1].db): ENDS[how]}

    def program(_: str, __: str, path: str, *___: str, environment: bool) -> list[str]:
        assert environment
        return [sys.executable, "-c", programs[path]]

    monkeypatch.setattr(several, "own_process", program)
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(io.BytesIO()))
    assert several.run(several.Asked(list(programs), ["list", word]), cli) == status


def test_code_in_the_current_folder_is_not_run(clusters: list[Command], tmp_path: Path) -> None:
    for name in ("click", "json", "flux_jobdb", "cli"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('taken from here')")
    words = own_process("cli.main", "--db", str(clusters[0].db), "list", "-A", environment=True)
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (0, "") == (done.returncode, done.stderr)
    assert "JOBID" in done.stdout


def test_no_name_is_no_database(clusters: list[Command]) -> None:
    for words in (["--db=", "list"], [f"--db={clusters[0].db}", "--db=", "list"],
                  [f"--db={clusters[0].db}", "list", "--db"]):  # fmt: skip
        done = clusters[0](*words, status=2)
        assert "--db" in done.err
        assert not done.out


def test_what_cannot_be_asked_of_several_says_so(clusters: list[Command]) -> None:
    assert "list, nodes, report, sql" in together(clusters, "verify", status=2).err
    assert "two of the databases" in together([clusters[0]] * 2, "list", status=2).err
    missing = Command(clusters[0].folder, "missing.sqlite")
    assert "no such database" in together([clusters[0], missing], "list", status=1).err
    usage = together(clusters, "list", "--nonsense", status=2).err
    assert "Usage: flux-jobdb list" in usage
    wrong = together(clusters, "sql", "SELECT nonsense", status=1).err
    assert 2 == wrong.count("nonsense")


def test_a_name_of_a_file_is_harmless(tmp_path: Path, clusters: list[Command]) -> None:
    odd = Command(tmp_path, "=a\x1bb.sqlite")
    odd.ingest(list(journal(3)))
    shown = together([odd, clusters[0]], "list", "-Aa").out
    assert "\x1b" not in shown
    assert "=a\\u001bb" in shown
    rows = list(
        csv.reader(io.StringIO(together([odd, clusters[0]], "report", "jobs", "--csv").out))
    )
    assert rows[1][0].startswith("'=a")


def test_one_that_has_active_jobs_is_enough_for_statistics(clusters: list[Command]) -> None:
    busy = Command(clusters[0].folder, "busy.sqlite")
    busy.ingest(list(journal(2))[:3])
    found = together([clusters[0], busy], "list", "-A", "--stats-only").lines
    assert ["tuolumne", "busy"] == [line.split()[0] for line in found]
    together(clusters, "list", "-A", "--stats-only", status=1)


def test_help_is_the_same_for_all(clusters: list[Command]) -> None:
    assert clusters[0]("list", "--help").out == together(clusters, "list", "--help").out
