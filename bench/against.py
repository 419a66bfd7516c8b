# SPDX-License-Identifier: LGPL-3.0
"""Compares this checkout with another one: ``python -m bench --against DIR``.

Each measure runs in both checkouts in turn, several rounds, with each checkout's own code in a
child process, and the same Python with the same libraries. So a disturbance of the machine
affects both: the ratio of the medians means something even where the figures do not.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from bench.report import machine, number
from bench.timing import ROOT

__all__ = ["TOLERANCE", "Comparison", "Samples", "compare", "comparisons", "table"]

TOLERANCE = 1.05
"""The largest ratio that is not called slower."""

_CODE = (
    "import sys, bench, eventstore\nfor package in (bench, eventstore): print(package.__file__)"
)


class Samples(NamedTuple):
    """A row's results: for each checkout, a value a round. ``least``: more is better."""

    noun: str
    what: str
    unit: str
    least: bool
    old: list[float]
    new: list[float]
    old_processor: list[float]
    new_processor: list[float]


class Comparison(NamedTuple):
    """Medians of a row in both checkouts. Ratios above 1 mean that the new one is worse.

    ``processor`` is the ratio of what processor time alone gives; None where it was not taken.
    """

    noun: str
    what: str
    unit: str
    old: float | None
    new: float | None
    ratio: float | None
    processor: float | None

    @property
    def slower(self) -> bool:
        """Whether the new one is worse by more than the tolerance.

        Processor time has a say, where it was taken: wall time alone also grows when others
        use the machine.
        """
        if self.ratio is None:
            return self.new is None
        return min(self.ratio, self.processor or self.ratio) > TOLERANCE


def compare(
    other: Path, nouns: Sequence[str], jobs: int, rounds: int, out: Path, *, here: Path = ROOT
) -> list[Samples]:
    """Run measures in turn in ``other`` (old) and ``here`` (new); returns each row's samples.

    The histories and each side's latest results are kept in ``out``. Raises ValueError where
    ``other`` is no checkout with benchmarks, RuntimeError where a measure fails.
    """
    checkouts = {"old": other.resolve(), "new": here.resolve()}
    for checkout in checkouts.values():
        _check(checkout)
    rows: dict[tuple[str, str], Samples] = {}
    for noun in nouns:
        for number_ in range(rounds):
            order = ("old", "new") if number_ % 2 == 0 else ("new", "old")
            for side in order:
                path = out.resolve() / side / "bench"
                for result in _run(checkouts[side], noun, jobs, path):
                    _add(rows, side, result)
    return list(rows.values())


def _check(checkout: Path) -> None:
    """See that a child in this folder runs this folder's code, not an installed one."""
    if not (checkout / "bench" / "__main__.py").is_file():
        raise ValueError(f"{checkout}: there is no bench/__main__.py; name a checkout")
    done = subprocess.run(
        [sys.executable, "-c", _CODE], cwd=checkout, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ValueError(f"{checkout}: cannot be imported: {_last(done.stderr)}")
    for file in done.stdout.split("\n")[:-1]:
        if checkout not in Path(file).resolve().parents:
            raise ValueError(f"{checkout}: {file} is imported instead of its own")


def _run(checkout: Path, noun: str, jobs: int, out: Path) -> list[dict[str, Any]]:
    words = [noun, "--jobs", str(jobs), "--out", str(out)]
    done = subprocess.run(
        [sys.executable, "-m", "bench", *words],
        cwd=checkout,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{checkout}: {noun} failed: {_last(done.stderr)}")
    results: list[dict[str, Any]] = json.loads(out.with_suffix(".json").read_text("utf-8"))[
        "results"
    ]
    print(f"{checkout}: {noun}", file=sys.stderr, flush=True)
    return results


def _last(text: str) -> str:
    return (text.strip().splitlines() or ["no reason given"])[-1]


def _add(rows: dict[tuple[str, str], Samples], side: str, result: dict[str, Any]) -> None:
    key = (result["noun"], result["what"])
    empty = Samples(*key, result["unit"], result["least"], [], [], [], [])
    row = rows.setdefault(key, empty)
    getattr(row, side).append(result["value"])
    if result["processor"] is not None:
        getattr(row, f"{side}_processor").append(result["processor"])


def comparisons(rows: Sequence[Samples]) -> Iterator[Comparison]:
    """Yield a comparison for each row; a row that one side lacks has no ratio."""
    for row in rows:
        old, new = _median(row.old), _median(row.new)
        processor = _ratio(_median(row.old_processor), _median(row.new_processor), row.least)
        yield Comparison(
            row.noun, row.what, row.unit, old, new, _ratio(old, new, row.least), processor
        )


def _median(values: Sequence[float]) -> float | None:
    return statistics.median(values) if values else None


def _ratio(old: float | None, new: float | None, least: bool) -> float | None:
    if not old or not new:
        return None
    return old / new if least else new / old


def table(found: Sequence[Comparison], about: dict[str, Any]) -> str:
    """Return the comparisons as a table, below the facts that they depend on."""
    facts = {**machine(), **about}
    lines = [
        ", ".join(f"{name} {fact}" for name, fact in facts.items()),
        "",
        "| | what | old | new | ratio | by processor time | |",
        "| --- | --- | ---: | ---: | ---: | ---: | --- |",
    ]
    for row in found:
        old, new = (_value(value, row.unit) for value in (row.old, row.new))
        ratios = (
            "" if ratio is None else f"{ratio:.3f}" for ratio in (row.ratio, row.processor)
        )
        cells = (row.noun, row.what, old, new, *ratios, _verdict(row))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _value(value: float | None, unit: str) -> str:
    return "-" if value is None else f"{number(value)} {unit}"


def _verdict(row: Comparison) -> str:
    if row.new is None:
        return "**missing**"
    if row.slower:
        return "**slower**"
    return "wall time only" if row.ratio is not None and row.ratio > TOLERANCE else ""
