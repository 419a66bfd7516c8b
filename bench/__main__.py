# SPDX-License-Identifier: LGPL-3.0
"""``python -m bench [NOUN ...] [--jobs N] [--large N]``: runs benchmarks, prints a table."""

from __future__ import annotations

import argparse
import sys
import time
from importlib import import_module
from pathlib import Path

from bench.common import Bench, Row, number, write

NOUNS = (
    "append", "disk", "replay", "rebuild", "list", "filters", "list_id", "as_of", "accounting",
    "start", "memory",
)  # fmt: skip


def main(words: list[str] | None = None) -> None:
    """Run the named benchmarks, all where none is named."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("nouns", nargs="*", metavar="NOUN", help=f"one of {', '.join(NOUNS)}")
    parser.add_argument("--jobs", type=int, default=200_000, help="of the history (200000)")
    parser.add_argument("--large", type=int, default=0, help="of a second one (none)")
    parser.add_argument("--out", type=Path, default=Path("build/bench"), help="build/bench")
    given = parser.parse_args(words)
    nouns = given.nouns or NOUNS
    if unknown := set(nouns) - set(NOUNS):
        parser.error(f"there is no {', '.join(sorted(unknown))}; there are {', '.join(NOUNS)}")
    bench = Bench(given.jobs, given.large, given.out)
    rows: list[Row] = []
    started = time.monotonic()
    for noun in nouns:
        for row in import_module(f"bench.measures.{noun}").measure(bench):
            rows.append(row)
            said = f"{row.noun}: {row.what}: {number(row.value)} {row.unit}"
            print(said, file=sys.stderr, flush=True)
    about = {"jobs": bench.jobs, "large": bench.large}
    about["seconds"] = round(time.monotonic() - started)
    print(write(rows, given.out, about))


if __name__ == "__main__":
    main()
