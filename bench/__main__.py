# SPDX-License-Identifier: LGPL-3.0
"""``python -m bench [NOUN ...] [--jobs N] [--large N]``: runs benchmarks, prints a table.

With ``--against DIR``, runs them here and in another checkout in turn, and compares.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from bench.against import compare, comparisons, table
from bench.histories import Bench
from bench.report import Row, number, write

__all__ = ["NOUNS", "main"]

_FOLDERS = {
    "storing": ("append", "disk", "replay", "rebuild", "verify", "accounting"),
    "answers": ("list", "filters", "list_id", "as_of", "start", "memory", "nodes", "ask",
                "table", "requests", "web", "clicks"),
}  # fmt: skip
NOUNS = {noun: f"{folder}.{noun}" for folder, nouns in _FOLDERS.items() for noun in nouns}
"""What can be measured, each with its module in measures/."""
_NAMED = {"spark": "storing.spark"}
"""What is measured only where it is named: it needs what is not everywhere."""


def main(words: list[str] | None = None) -> int:
    """Run the named benchmarks, or all. Returns 1 where ``--against`` finds a slower row."""
    known = NOUNS | _NAMED
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("nouns", nargs="*", metavar="NOUN", help=f"one of {', '.join(known)}")
    parser.add_argument("--jobs", type=int, default=200_000, help="of the history (200000)")
    parser.add_argument("--large", type=int, default=0, help="of a second one (none)")
    parser.add_argument("--out", type=Path, default=Path("build/bench"), help="build/bench")
    parser.add_argument("--against", type=Path, metavar="DIR", help="another checkout")
    parser.add_argument("--rounds", type=int, default=3, help="with --against (3)")
    given = parser.parse_args(words)
    nouns = given.nouns or list(NOUNS)
    if unknown := set(nouns) - known.keys():
        parser.error(f"there is no {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    if given.against is not None:
        try:
            return _against(given, nouns)
        except ValueError as error:
            parser.error(str(error))
    _measure(given, nouns)
    return 0


def _measure(given: argparse.Namespace, nouns: Sequence[str]) -> None:
    bench = Bench(given.jobs, given.large, given.out)
    rows: list[Row] = []
    started = time.monotonic()
    for noun in nouns:
        for row in import_module(f"bench.measures.{(NOUNS | _NAMED)[noun]}").measure(bench):
            rows.append(row)
            said = f"{row.noun}: {row.what}: {number(row.value)} {row.unit}"
            print(said, file=sys.stderr, flush=True)
    about = {"jobs": bench.jobs, "large": bench.large}
    about["seconds"] = round(time.monotonic() - started)
    print(write(rows, given.out, about))


def _against(given: argparse.Namespace, nouns: Sequence[str]) -> int:
    """Write build/bench/against.md and .json, by default; returns the exit status."""
    started = time.monotonic()
    rows = compare(given.against, nouns, given.jobs, given.rounds, given.out)
    found = list(comparisons(rows))
    about = {"jobs": given.jobs, "rounds": given.rounds}
    about["seconds"] = round(time.monotonic() - started)
    text = table(found, about)
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "against.md").write_text(text + "\n", "utf-8")
    samples = json.dumps([row._asdict() for row in rows], indent=1)
    (given.out / "against.json").write_text(samples + "\n", "utf-8")
    print(text)
    return int(any(row.slower for row in found))


if __name__ == "__main__":
    sys.exit(main())
