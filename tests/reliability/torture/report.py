# SPDX-License-Identifier: LGPL-3.0
"""What the parts of `make torture` report: a line each, which become one table.

A part prints its lines. Where the variable TABLE of the environment names a file, they are
added to that, too, for ``__main__`` to collect.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

__all__ = ["PASSED", "TABLE", "Line", "read", "report", "table"]

TABLE = "FLUX_JOBDB_TORTURE_TABLE"
PASSED = "passed"


class Line(NamedTuple):
    """A line of the table: what was tried, how many times, what was measured, how it ended."""

    part: str
    tried: str
    count: int
    figures: str
    result: str = PASSED


def report(line: Line) -> None:
    """Print a line, and add it to the table's file."""
    print(
        f"{line.part}: {line.count:,} {line.tried}: {line.figures}: {line.result}", flush=True
    )
    if path := os.environ.get(TABLE):
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def read(path: Path) -> list[Line]:
    """Return the lines that were added to a file; none where there is no file."""
    if not path.exists():
        return []
    return [Line(*json.loads(text)) for text in path.read_text("utf-8").splitlines()]


def table(lines: Iterable[Line]) -> str:
    """Return a Markdown table."""
    rows = [
        f"| {line.part} | {line.tried} | {line.count:,} | {line.figures} | {line.result} |"
        for line in lines
    ]
    head = [
        "| part | tried | how many | figures | result |",
        "| --- | --- | ---: | --- | --- |",
    ]
    return "\n".join([*head, *rows])
