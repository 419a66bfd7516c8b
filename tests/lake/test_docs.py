# SPDX-License-Identifier: LGPL-3.0
"""The documented lines read a lake, where the library is there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import ROOT, Command
from tests.support.journal_generator import journal

pytest.importorskip("pyarrow.dataset", reason="pyarrow is not installed")

PAGE = (ROOT / "docs" / "export.md").read_text("utf-8")


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake of two clusters, of 30 and 20 jobs."""
    folder = tmp_path_factory.mktemp("lake")
    for name, jobs in (("one", 30), ("two", 20)):
        jobdb = Command(folder, f"{name}.sqlite")
        jobdb.ingest(list(journal(jobs)))
        jobdb("export", "--cluster", name, str(folder / "lake"))
    return folder / "lake"


def block(heading: str, lake: Path) -> str:
    """Return the lines below a heading, for this lake."""
    (text,) = re.findall(
        rf"^{heading}:\n\n((?:    .*\n)+|```python\n(?:.*\n)+?```)", PAGE, re.MULTILINE
    )
    text = re.sub(r"^```(python)?\n?|^    ", "", text, flags=re.MULTILINE)
    return text.replace("/lake/flux", str(lake))


def test_pyarrow(lake: Path) -> None:
    found: dict[str, Any] = {}
    exec(block("pyarrow, pandas", lake), found)
    table = found["jobs"]
    assert {"one": 30, "two": 20} == {
        one["values"]: one["counts"] for one in table["cluster"].value_counts().to_pylist()
    }


def test_duckdb(lake: Path) -> None:
    duckdb = pytest.importorskip("duckdb", reason="duckdb is not installed")
    rows = duckdb.sql(block("DuckDB", lake).rstrip(";\n")).fetchall()
    assert {"one", "two"} == {row[0] for row in rows}
    assert 50 == sum(row[2] for row in rows)


def test_polars(lake: Path) -> None:
    polars = pytest.importorskip("polars", reason="polars is not installed")
    assert 50 == eval(block("Polars", lake), {"polars": polars}).collect().height


def code_with(words: str, lake: Path) -> str:
    """Return the lines of Python that have these words, for this lake."""
    (text,) = (
        text for text in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if words in text
    )
    return text.replace("/lake/flux", str(lake))


def test_dask_and_a_loop(lake: Path) -> None:
    dask = pytest.importorskip("dask", reason="dask is not installed")
    pytest.importorskip("dask.bag")
    found: dict[str, Any] = {}
    with dask.config.set(scheduler="synchronous"):
        exec(code_with("dask.bag", lake), found)
    by_dask = found["tables"]
    exec(code_with("for unit in replay.units", lake), found)
    assert {"stats", "report_hour"} <= by_dask.keys() < found["tables"].keys()
    for name, table in by_dask.items():
        one, other = (sorted(map(repr, t.to_pylist())) for t in (table, found["tables"][name]))
        assert one == other
    totals = {row["cluster"]: row["inactive"] for row in by_dask["stats"].to_pylist()
              if row["all_queues"]}  # fmt: skip
    assert {"one": 30, "two": 20} == totals
