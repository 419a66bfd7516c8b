# SPDX-License-Identifier: LGPL-3.0
"""The results of a run as a table: a file a line, with its share of killed mutants."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from tests.mutants.executor import Result

__all__ = ["HELD", "OUTCOMES", "share", "table", "told"]

OUTCOMES = ("killed", "timeout", "survived", "untested", "equivalent")
HELD = ("killed", "timeout", "equivalent")


def share(results: Iterable[Result]) -> float:
    """Return which share of the mutants is killed, or equivalent; 1.0 where there are none."""
    found = Counter(result.outcome for result in results)
    return sum(found[outcome] for outcome in HELD) / found.total() if found else 1.0


def table(results: Sequence[Result]) -> str:
    """Return a Markdown table."""
    by_file: dict[str, list[Result]] = {}
    for result in results:
        by_file.setdefault(result.mutant.file, []).append(result)
    lines = [
        f"| file | mutants | {' | '.join(OUTCOMES)} | held |",
        f"| --- |{' ---: |' * (len(OUTCOMES) + 2)}",
        *(_line(file, by_file[file]) for file in sorted(by_file)),
        _line("**all**", results),
    ]
    return "\n".join(lines)


def _line(name: str, results: Sequence[Result]) -> str:
    found = Counter(result.outcome for result in results)
    counts = " | ".join(str(found[outcome]) for outcome in OUTCOMES)
    return f"| {name} | {len(results)} | {counts} | {share(results):.1%} |"


def told(result: Result) -> str:
    """Return a result in a few lines, for whoever writes the missing test."""
    mutant = result.mutant
    before = "\n".join(f"  - {line}" for line in mutant.original.splitlines())
    after = "\n".join(f"  + {line}" for line in mutant.mutated.splitlines())
    place = f"{mutant.file}:{mutant.lines.start}"
    return f"{place}: {result.outcome} ({mutant.operator})\n{before}\n{after}"
