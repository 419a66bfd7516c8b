# SPDX-License-Identifier: LGPL-3.0
"""The end of a run counts the tests that were skipped, by what they need and by reason."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.support.needs import NEEDS, counted

TESTS = Path(__file__).resolve().parents[1]


def report(outcome: str, *marks: str, reason: str = "") -> pytest.TestReport:
    return pytest.TestReport(
        nodeid="tests/test_x.py::test_x",
        location=("tests/test_x.py", 1, "test_x"),
        keywords=dict.fromkeys(marks, 1),
        outcome=outcome,  # type: ignore[arg-type]
        longrepr=("tests/test_x.py", 1, f"Skipped: {reason}") if reason else None,
        when="setup" if reason else "call",
    )


def test_skips_are_counted_by_need_and_reason() -> None:
    stats = {
        "passed": [report("passed"), report("passed", "flux")],
        "skipped": [
            *(report("skipped", "flux", reason="no flux") for _ in range(2)),
            report("skipped", reason="root may write everything"),
        ],
        "warnings": [object()],
    }
    assert [
        'need Flux: 1 run, 2 skipped: 2 for "no flux"',
        'others: 1 skipped: 1 for "root may write everything"',
    ] == counted(stats)
    assert [] == counted({"passed": [report("passed")]})


def test_a_test_that_uses_flux_is_marked() -> None:
    """That is: whose function takes a fixture that starts Flux."""
    assert "flux" in NEEDS
    for path in TESTS.rglob("test_*.py"):
        tree = ast.parse(path.read_text("utf-8"))
        marked = any(
            isinstance(node, ast.Assign)
            and ast.unparse(node).startswith("pytestmark = pytest.mark.flux")
            for node in tree.body
        )
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                uses = {"flux", "run"} & {argument.arg for argument in node.args.args}
                own = any("mark.flux" in ast.unparse(found) for found in node.decorator_list)
                assert not uses or marked or own, f"{path}: {node.name}"
