# SPDX-License-Identifier: LGPL-3.0
"""Tests that need what is not everywhere are marked; the end of a run counts them."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping

import pytest

__all__ = ["NEEDS", "counted", "spark_is_there"]

NEEDS = {"flux": "Flux", "browser": "a browser", "spark": "Spark"}
"""Marks of tests, and what they need."""


def counted(stats: Mapping[str, Iterable[object]]) -> list[str]:
    """Return a line for each need, and one for each other reason that tests were skipped for.

    ``stats`` are reports by outcome, as pytest's terminal reporter has them.
    """
    run: Counter[str] = Counter()
    skipped: dict[str, Counter[str]] = {}
    for outcome, reports in stats.items():
        for report in reports:
            if not isinstance(report, pytest.TestReport):
                continue
            need = next((what for mark, what in NEEDS.items() if mark in report.keywords), "")
            if outcome == "skipped":
                skipped.setdefault(need, Counter())[_reason(report)] += 1
            elif report.when == "call":
                run[need] += 1
    lines = [
        f"need {need}: {run[need]} run, {_told(skipped.get(need, Counter()))}"
        for need in NEEDS.values()
        if run[need] or need in skipped
    ]
    if "" in skipped:
        lines.append(f"others: {_told(skipped[''])}")
    return lines


def _told(reasons: Counter[str]) -> str:
    why = ", ".join(f'{count} for "{reason}"' for reason, count in reasons.most_common())
    return f"{reasons.total()} skipped" + (f": {why}" if why else "")


def _reason(report: pytest.TestReport) -> str:
    place = report.longrepr
    text = place[2] if isinstance(place, tuple) else str(place)
    return text.removeprefix("Skipped: ")


def spark_is_there() -> None:
    """Skip where there is no Spark, or no Java."""
    pytest.importorskip("pyspark", reason="pyspark is not installed")
    if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
        pytest.skip("there is no Java")
