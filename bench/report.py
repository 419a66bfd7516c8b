# SPDX-License-Identifier: LGPL-3.0
"""Results: rows with floors and targets, and the table of them."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import apsw

from bench.timing import Clocked

__all__ = ["Row", "duration", "machine", "number", "rate", "write"]


class Row(NamedTuple):
    """One result: ``value`` in ``unit``.

    ``floor``, ``target`` and ``processor`` are in the same unit. ``floor`` is the value of the
    least work that could do (named by ``floor_of``); ``processor`` is the value by processor
    time alone; ``least``: the target is a minimum, more is better.
    """

    noun: str
    what: str
    value: float
    unit: str
    target: float | None = None
    least: bool = False
    floor: float | None = None
    floor_of: str = ""
    processor: float | None = None

    @property
    def met(self) -> bool | None:
        """Whether the target is reached; None where there is none."""
        if self.target is None:
            return None
        return self.value >= self.target if self.least else self.value <= self.target


def duration(
    noun: str, what: str, taken: Clocked, floor: float | None = None, floor_of: str = "",
    *, unit: str = "ms", target: float | None = None, calls: int = 1,
) -> Row:  # fmt: skip
    """Return a row of the time that one of ``calls`` took; the floor is for all, in seconds."""
    scale = {"s": 1.0, "ms": 1e3, "us": 1e6}[unit] / calls
    return Row(noun, what, taken.wall * scale, unit, target, False,
               None if floor is None else floor * scale, floor_of,
               taken.processor * scale)  # fmt: skip


def rate(
    noun: str, what: str, count: int, taken: Clocked, target: float | None = None,
    *, floor: float, floor_of: str,
) -> Row:  # fmt: skip
    """Return a row of a rate: ``count`` in the time ``taken``, per second."""
    return Row(noun, what, count / taken.wall, "1/s", target, True, floor, floor_of,
               count / taken.processor)  # fmt: skip


def write(rows: Sequence[Row], path: Path, about: dict[str, Any]) -> str:
    """Write results as ``path``.md and ``path``.json; returns the table."""
    facts = {**machine(), **about}
    table = "\n".join(
        [", ".join(f"{name} {fact}" for name, fact in facts.items()), "", _table(rows)]
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_suffix(".md").write_text(table + "\n", "utf-8")
    results = [{**row._asdict(), "met": row.met} for row in rows]
    text = json.dumps({"about": facts, "results": results}, indent=1)
    path.with_suffix(".json").write_text(text + "\n", "utf-8")
    return table


def machine() -> dict[str, Any]:
    """Return the facts about the machine that figures depend on."""
    return {
        "python": platform.python_version(),
        "sqlite": apsw.sqlite_lib_version(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
    }


def _table(rows: Sequence[Row]) -> str:
    lines = [
        "| | what | measured | by processor time | target | | floor | of |",
        "| --- | --- | ---: | ---: | ---: | --- | ---: | --- |",
    ]
    for row in rows:
        sign = "≥" if row.least else "≤"
        target = "" if row.target is None else f"{sign} {number(row.target)}"
        verdict = {True: "met", False: "**missed**", None: ""}[row.met]
        processor, floor = ("" if n is None else number(n) for n in (row.processor, row.floor))
        value = f"{number(row.value)} {row.unit}"
        cells = (row.noun, row.what, value, processor, target, verdict, floor, row.floor_of)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def number(value: float) -> str:
    """Format a number with three significant digits, from 100 on as an integer."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
