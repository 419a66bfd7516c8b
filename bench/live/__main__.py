# SPDX-License-Identifier: LGPL-3.0
"""``python -m bench.live [PART ...]``: beside flux-core's own module, in one run."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.histories import ACTIVE, RATE, remove
from bench.measures.answers.memory import LIMIT
from bench.report import Row, number, write
from bench.timing import ROOT
from tests.support.journal_generator import backlog, journal

__all__ = ["PARTS", "main", "missing"]

PARTS = ("compare", "throughput", "alone")
_BARE = ("-Sbroker.rc1_path=", "-Sbroker.rc3_path=")
_OTHER = 0.2
_TARGETS = {
    "1,000 active, all attributes": None,
    "list-id, 100 times": 1.2,
    "newest 1,000, as flux jobs asks": 0.5,
    "20,000 streamed, all attributes": 0.3,
    "20,000 streamed, as flux jobs asks": 0.3,
    "replay": 0.5,
}
_LOADS = {
    "C": "true",
    "ours": f"flux module remove job-list && flux module load {ROOT}/joblist/job-list.py",
}
"""What is done first, so that the one or the other module is there."""


def main(words: list[str] | None = None) -> None:
    """Run the named parts, all where none is named."""
    parser = argparse.ArgumentParser(prog="python -m bench.live", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--jobs", type=int, default=200_000, help="for both modules (200000)")
    parser.add_argument("--large", type=int, default=0, help="for ours (none)")
    parser.add_argument("--flow", type=int, default=1000, help="jobs of each run (1000)")
    parser.add_argument("--runs", type=int, default=6, help="of the throughput (6)")
    parser.add_argument("--out", type=Path, default=Path("build/bench-flux"))
    given = parser.parse_args(words)
    reason = missing()
    if reason is not None:
        print(f"make bench-flux: skipped: {reason}")
        return
    rows: list[Row] = []
    for row in _rows(given):
        rows.append(row)
        print(f"{row.noun}: {row.what}: {number(row.value)} {row.unit}", file=sys.stderr)
    about = {"jobs": given.jobs, "large": given.large}
    print(write(rows, given.out, about))


def missing() -> str | None:
    """Return why nothing can be measured here, None where it can."""
    if shutil.which("flux") is None:
        return "no flux on the PATH"
    code = "import sys; print(*sys.version_info[:2])"
    command = ["flux", "python", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.stdout.split() != [str(part) for part in sys.version_info[:2]]:
        return f"Flux has another Python: {done.stdout or done.stderr}".strip()
    return None


def _rows(given: argparse.Namespace) -> Iterator[Row]:
    parts = given.parts or PARTS
    found: dict[str, Any] = {}
    if "compare" in parts:
        found = _inside("compare", given.jobs, given.out)
        yield from _compared(found, given.jobs)
    if "throughput" in parts:
        yield from _throughput(given.flow, given.runs)
    if "alone" in parts and given.large:
        alone = _inside("alone", given.large, given.out)
        yield from _alone(alone, found.get("taken", {}), given.large)


def _compared(found: dict[str, Any], jobs: int) -> Iterator[Row]:
    for what, (theirs, ours) in found["taken"].items():
        if theirs is None:
            yield Row("live", f"{what}, {jobs:,}", ours[0], "s")
            continue
        walls, processors = zip(theirs, ours, strict=True)
        said = f"ms, C; ours {number(walls[1] * 1e3)}; processor " + ", ".join(
            number(seconds * 1e3) for seconds in processors
        )
        yield Row("live", f"{what}, of {jobs:,}", walls[1] / walls[0], "x C",
                  _TARGETS.get(what, _OTHER), floor=walls[0] * 1e3, floor_of=said,
                  processor=processors[1] / processors[0])  # fmt: skip
    theirs, ours = found["memory"]
    yield Row("live", f"peak memory, of {jobs:,}", ours, "MB", LIMIT,
              floor=theirs, floor_of="C")  # fmt: skip


def _alone(found: dict[str, Any], smaller: dict[str, Any], jobs: int) -> Iterator[Row]:
    bare = found["taken"].pop("bare start")
    for what, taken in found["taken"].items():
        if what in {"first ingest", "replay"}:
            yield Row("live", f"{what}, {jobs:,}", taken, "s")
            continue
        if what.startswith("first answer"):
            yield Row("live", f"{what}, {jobs:,}", taken, "s", 1.0,
                      floor=bare, floor_of="a Python module that does nothing")  # fmt: skip
            continue
        yield Row("live", f"{what}, of {jobs:,}", taken * 1e3, "ms")
        if what in smaller and what != "all jobs of one host":
            yield Row("live", f"{what}: growth", taken / smaller[what][1][0], "x", 1.5)
    for what, taken in found["memory"].items():
        yield Row("live", f"peak memory: {what}, of {jobs:,}", taken, "MB", LIMIT)


def _throughput(jobs: int, runs: int) -> Iterator[Row]:
    """Time runs with the one and the other module in turn; compare the medians."""
    found: dict[str, list[dict[str, float]]] = {name: [] for name in _LOADS}
    for _ in range(runs):
        for name, load in _LOADS.items():
            command = f"{load} && flux python -m bench.live.inside throughput {jobs}"
            found[name].append(json.loads(_start("bash", "-c", command)))
    speeds = {name: [one["speed"] for one in done] for name, done in found.items()}
    theirs, ours = (statistics.median(speeds[name]) for name in _LOADS)
    yield Row("live", "throughput", ours / theirs, "x C", 0.98, least=True,
              floor=theirs, floor_of=f"jobs/s, C; ours {number(ours)}")  # fmt: skip
    processor = statistics.median(one["processor"] for one in found["ours"])
    yield Row("live", "processor time a job, messages included", processor * 1e3, "ms", 0.15)


def _inside(command: str, jobs: int, out: Path) -> dict[str, Any]:
    """Run a part in an instance of its own that has no job manager yet."""
    folder = out.resolve() / str(jobs)
    folder.mkdir(parents=True, exist_ok=True)
    _file(folder / "backlog.jsonl", _without_sentinel(backlog(jobs, rate=RATE)))
    active = journal(ACTIVE, rate=RATE, first=jobs, running=ACTIVE)
    _file(folder / "active.jsonl", _without_sentinel(active))
    try:
        words = ("flux", "python", "-m", "bench.live.inside", command, str(jobs), str(folder))
        found: dict[str, Any] = json.loads(_start(*_BARE, *words))
    finally:
        remove(str(folder / "jobs.sqlite"))
    return found


def _without_sentinel(lines: Iterator[bytes]) -> Iterator[bytes]:
    """Leave the sentinel out: the module that serves them sends its own."""
    return (line for line in lines if not line.startswith(b'{"id":-1,'))


def _file(path: Path, lines: Iterator[bytes]) -> None:
    with path.open("wb") as file:
        file.writelines(line + b"\n" for line in lines)


def _start(*words: str) -> str:
    """Run a command in an instance of its own; returns what it printed."""
    env = dict(os.environ)
    env["FLUX_PYTHONPATH_PREPEND"] = f"{sysconfig.get_path('purelib')}:{ROOT}"
    command = ["flux", "start", *words]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=env)
    return done.stdout


if __name__ == "__main__":
    main()
