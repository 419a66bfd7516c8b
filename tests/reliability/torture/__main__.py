# SPDX-License-Identifier: LGPL-3.0
"""``make torture``: all parts, each in a process of its own, and one table at the end.

The soak runs beside the others, which take turns. The output of a part is kept in
``build/torture/PART.log``; where a part fails, its end is shown, and the exit status is 1.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.reliability.torture.report import TABLE, Line, read, table

__all__ = ["main", "run"]

ROOT = Path(__file__).resolve().parents[3]
_SHOWN = 60  # lines of a log


class _Running(NamedTuple):
    part: str
    child: subprocess.Popen[bytes]
    started: float
    out: Path


def main(words: list[str] | None = None) -> int:
    """Run all parts; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--soak-jobs", type=int, default=1_000_000)
    parser.add_argument("--fuzz-runs", type=int, default=10_000)
    parser.add_argument("--kill-seconds", type=float, default=180.0)
    parser.add_argument("--out", type=Path, default=Path("build/torture"))
    given = parser.parse_args(words)
    parts = {
        "power": [],
        "faults": [],
        "kill": ["--seconds", str(given.kill_seconds)],
        "full": [],
        "fuzz": ["--runs", str(given.fuzz_runs)],
    }
    return run({"soak": ["--jobs", str(given.soak_jobs)]}, parts, given.out.resolve())


def run(
    beside: Mapping[str, Sequence[str]], parts: Mapping[str, Sequence[str]], out: Path
) -> int:
    """Run parts in turn, and those ``beside`` them at the same time; returns the exit status.

    Each part is a module of this package, with its options.
    """
    out.mkdir(parents=True, exist_ok=True)
    started = [_start(part, options, out) for part, options in beside.items()]
    lines: list[Line] = []
    try:
        for part, options in parts.items():
            started.append(_start(part, options, out))
            lines += _ended(started[-1])
            del started[-1]
        for running in started:
            lines += _ended(running)
    finally:
        for running in started:
            running.child.kill()
            running.child.wait()
    text = table(lines)
    (out / "table.md").write_text(text + "\n", "utf-8")
    print(f"\n{text}")
    return int(any(line.result.startswith("**") for line in lines))


def _start(part: str, options: Sequence[str], out: Path) -> _Running:
    rows = out / f"{part}.rows"
    rows.unlink(missing_ok=True)
    words = [sys.executable, "-m", f"tests.reliability.torture.{part}", *options]
    env = {**os.environ, TABLE: str(rows)}
    with open(out / f"{part}.log", "wb") as log:
        child = subprocess.Popen(words, cwd=ROOT, env=env, stdout=log, stderr=log)
    print(f"{part}: {' '.join(options)}", flush=True)
    return _Running(part, child, time.time(), out)


def _ended(running: _Running) -> Iterator[Line]:
    """Wait for a part; yields its lines, and one more where it failed or said nothing."""
    status = running.child.wait()
    log = running.out / f"{running.part}.log"
    text = log.read_text("utf-8", errors="replace")
    lines = read(running.out / f"{running.part}.rows")
    failed = status != 0 or not lines
    seconds = log.stat().st_mtime - running.started  # it may have ended before others
    print(
        f"{running.part}: {'FAILED' if failed else 'ended'} after {seconds:.0f} s", flush=True
    )
    yield from lines
    if failed:
        print("\n".join(text.splitlines()[-_SHOWN:]), flush=True)
        last = (text.strip().splitlines() or ["no word"])[-1]
        yield Line(running.part, "", 0, last.replace("|", "/"), f"**failed**, see {log}")


if __name__ == "__main__":
    sys.exit(main())
