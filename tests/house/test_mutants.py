# SPDX-License-Identifier: LGPL-3.0
"""``make mutants`` tells killed mutants from those that no test notices, and what is listed."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytest.importorskip("cosmic_ray", reason="cosmic-ray is not installed")
pytest.importorskip("coverage", reason="coverage is not installed")

from tests.house.test_architecture import PURE  # noqa: E402
from tests.mutants import equivalent  # noqa: E402
from tests.mutants.mutations import mutants, statement_lines  # noqa: E402
from tests.mutants.selection import Map  # noqa: E402
from tests.mutants.warm import differing  # noqa: E402

CALC = """
from __future__ import annotations

LIMIT = 10
TABLE = tuple(number * 2 for number in range(3))


def held(value: int | None, *, other: int = 3) -> int:
    if value is None or value > LIMIT:
        raise ValueError
    return value + other


def closure():
    def inner(value):
        return value * 2

    return inner


twice = closure()


def loose(value):
    return value < 5


def unused(value):
    return value + 1
"""
ENDLESS = """

def endless(value):
    while value > 0:
        value -= 1
    return value
"""
TESTS = """
import pytest
import calc
from calc import LIMIT, TABLE, held, loose, twice

def test_held():
    assert held(10) == 13 and held(1, other=1) == 2
    for wrong in (None, 11):
        with pytest.raises(ValueError):
            held(wrong)

def test_table():
    assert TABLE == (0, 2, 4) and LIMIT == 10

def test_twice():
    assert twice(3) == 6

def test_loose():
    assert loose(1) and not loose(9)

def test_endless():
    assert not hasattr(calc, "endless") or calc.endless(3) == 0
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "calc.py").write_text(CALC, "utf-8")
    (tmp_path / "checks").mkdir()
    (tmp_path / "checks" / "test_calc.py").write_text(TESTS, "utf-8")
    (tmp_path / "map.toml").write_text('"calc.py" = ["checks"]\n', "utf-8")
    (tmp_path / "equivalent.toml").write_text("", "utf-8")
    return tmp_path


def tried(project: Path, *words: str) -> tuple[int, str, list[dict[str, Any]]]:
    """Run the program; returns its status, what it printed, and the results."""
    command = [
        sys.executable, "-m", "tests.mutants", "--root", str(project), "--map",
        str(project / "map.toml"), "--equivalent", str(project / "equivalent.toml"), "--out",
        str(project / "out"), "--seconds", "2", *words,
    ]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode in {0, 1}, done.stderr
    rows = json.loads((project / "out" / "results.json").read_text("utf-8"))
    return done.returncode, done.stdout + done.stderr, rows


def test_mutants_are_killed_or_reported(project: Path) -> None:
    (project / "calc.py").write_text(CALC + ENDLESS, "utf-8")
    status, text, rows = tried(project)
    assert status == 1
    outcomes = {(row["original"], row["mutated"]): row["outcome"] for row in rows}
    assert "killed" == outcomes["return value + other", "return value - other"]
    # What runs at import, and a closure that was made then.
    assert "killed" == outcomes["LIMIT = 10", "LIMIT = 11"]
    table = "TABLE = tuple(number * 2 for number in range(3))"
    assert "killed" == outcomes[table, table.replace("range(3)", "range( 4)")]
    assert "killed" == outcomes["return value * 2", "return value / 2"]
    assert "killed" == outcomes["raise ValueError", "pass"]
    assert "survived" == outcomes["return value < 5", "return value <= 5"]
    assert "untested" == outcomes["return value + 1", "return value - 1"]
    assert "timeout" == outcomes["value -= 1", "pass"]
    counts = Counter(row["outcome"] for row in rows)
    assert counts["killed"] > 15
    assert f"| calc.py | {len(rows)} | {counts['killed']} |" in text
    by = {row["by"] for row in rows if row["original"].startswith("return value + other")}
    assert {"checks/test_calc.py::test_held"} == by


def test_a_mutant_that_is_listed_as_equivalent_counts_as_held(project: Path) -> None:
    before = tried(project)[2]
    entries = (project / "out" / "survivors.toml").read_text("utf-8")
    (project / "equivalent.toml").write_text(
        entries.replace('reason = ""', 'reason = "it is so"'), "utf-8"
    )
    status, text, rows = tried(project)
    counts = Counter(row["outcome"] for row in rows)
    assert status == 0
    assert {"killed", "equivalent"} == set(counts)
    assert len(before) == len(rows)
    assert "100.0%" in text


def test_a_killed_mutant_must_not_be_listed(project: Path) -> None:
    (project / "equivalent.toml").write_text(
        "[[mutant]]\nfile = 'calc.py'\noriginal = 'return value + other'\n"
        "mutated = 'return value - other'\nreason = 'a lie'\n",
        "utf-8",
    )
    assert (
        "listed as equivalent, but killed by checks/test_calc.py"
        in tried(project, "--recheck")[1]
    )


def test_an_entry_needs_a_reason(tmp_path: Path) -> None:
    path = tmp_path / "equivalent.toml"
    path.write_text(
        "[[mutant]]\nfile = 'a'\noriginal = 'b'\nmutated = 'c'\nreason = ' '\n", "utf-8"
    )
    with pytest.raises(ValueError, match="no reason"):
        equivalent.read(path)


ENTRIES = equivalent.read(ROOT / "tests/mutants/equivalent.toml")


@pytest.mark.parametrize("file", sorted({entry.file for entry in ENTRIES.values()}))
def test_all_entries_are_mutants_of_today(file: str) -> None:
    """An entry whose line has changed is to go."""
    found = {equivalent.key(mutant) for mutant in mutants(ROOT, file)}
    assert set() == {key for key in ENTRIES if key[0] == file} - found


def test_the_map_names_files_that_exist() -> None:
    map_ = Map.read(ROOT / "tests/mutants/tests.toml")
    for path in (*map_.tests, *(test for tests in map_.tests.values() for test in tests)):
        assert (ROOT / path).exists(), path


def test_annotations_and_markers_are_left_alone(tmp_path: Path) -> None:
    source = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    X = 1\n"
    source += "def f(a: int | None, *, b: int | str = 0) -> int | None:\n    return a\n"
    (tmp_path / "a.py").write_text(source, "utf-8")
    found = [mutant.mutated for mutant in mutants(tmp_path, "a.py")]
    assert all("b: int | str =" in line and "*, b" in line for line in found)
    assert 2 == len(found)


def test_the_event_store_and_all_pure_folders_are_mutated() -> None:
    named = Map.read(ROOT / "tests/mutants/tests.toml").tests
    for folder in ("eventstore", *PURE):
        assert any(f"{folder}/".startswith(f"{source}/") for source in named), folder


def test_the_lines_of_a_statement() -> None:
    tree = ast.parse("if a:\n    f(\n        1,\n    )\nelse:\n    g()\n")
    assert [range(1, 2), range(2, 5), range(2, 5), range(6, 7)] == [
        statement_lines(tree, line) for line in (1, 3, 4, 6)
    ]


@pytest.mark.parametrize(
    ("mutated", "names"),
    [
        ("def f(x):\n    return x - 1\n\ndef g():\n    return 0\n", ["f"]),
        ("\n\ndef f(x):\n    return x + 1\n\ndef g():\n    return 0\n", []),
        ("def f(x):\n    return x + 1\n\ndef g():\n    return False\n", ["g"]),
        ("def f(x):\n    return x + 1\n\ndef g():\n    return 0\nh = 1\n", None),
    ],
)
def test_functions_that_differ(mutated: str, names: list[str] | None) -> None:
    source = "def f(x):\n    return x + 1\n\ndef g():\n    return 0\n"
    found = differing(compile(source, "a", "exec"), compile(mutated, "a", "exec"))
    assert names == (None if found is None else [pair.old.co_name for pair in found])
