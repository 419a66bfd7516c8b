# SPDX-License-Identifier: LGPL-3.0
"""The end of a run counts the tests that were skipped, by what they need and by reason."""

from __future__ import annotations

import pytest

from tests.support.needs import NEEDS, counted


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


def test_a_test_that_starts_flux_is_marked(request: pytest.FixtureRequest) -> None:
    assert "flux" in NEEDS
    for item in request.session.items:
        uses = "flux_program" in getattr(item, "fixturenames", ())
        assert not uses or item.get_closest_marker("flux"), item.nodeid
