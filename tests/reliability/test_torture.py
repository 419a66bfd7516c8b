# SPDX-License-Identifier: LGPL-3.0
"""`make torture` ends with one table, and shows what failed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.reliability.torture import report
from tests.reliability.torture.__main__ import run
from tests.reliability.torture.report import Line, read, table


def test_parts_that_pass_are_lines_of_one_table(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    status = run(
        {"power": ["--jobs", "2", "--step", "200"]},
        {"faults": ["--jobs", "2", "--step", "60"]},
        tmp_path,
    )
    said = capfd.readouterr()
    assert 0 == status
    assert "" == said.err
    assert "Traceback" not in said.out + (tmp_path / "faults.log").read_text("utf-8")
    text = (tmp_path / "table.md").read_text("utf-8")
    assert said.out.endswith(text)
    rows = text.splitlines()[2:]
    assert ["| I/O errors ", "| power loss ", "| power loss "] == [row[:13] for row in rows]
    assert all(row.endswith("| passed |") for row in rows)


def test_a_part_that_fails_is_shown(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "faults.rows").write_text("of an earlier run")
    assert 1 == run({}, {"faults": ["--no-such-option"]}, tmp_path)
    said = capfd.readouterr().out
    assert "unrecognized arguments" in said
    assert "| **failed**, see " in said.splitlines()[-1]


def test_lines_are_read_as_they_were_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(report.TABLE, str(tmp_path / "rows"))
    lines = [Line("load", "jobs", 1500, "no leak"), Line("full disk", "", 0, "", "skipped: no")]
    assert [] == read(tmp_path / "rows")
    for line in lines:
        report.report(line)
    assert lines == read(tmp_path / "rows")
    assert "| load | jobs | 1,500 | no leak | passed |" in table(lines)
