# SPDX-License-Identifier: LGPL-3.0
"""Timing: wall and processor time, the best of several runs, and peak memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

__all__ = [
    "ROOT",
    "Clocked",
    "child",
    "clocked",
    "one_core",
    "peak_memory",
    "repeat",
]

ROOT = Path(__file__).resolve().parents[1]
SECONDS, LEAST = 2.0, 5
"""Short functions are repeated for so many seconds, and at least so many times."""


class Clocked(NamedTuple):
    """What a call took: seconds of wall time, and of processor time with all children's."""

    wall: float
    processor: float


def clocked(function: Callable[[], object]) -> Clocked:
    """Time one call."""
    started, before = time.perf_counter(), _processor_time()
    function()
    return Clocked(time.perf_counter() - started, _processor_time() - before)


def _processor_time() -> float:
    return time.process_time() + sum(os.times()[2:4])


def repeat(*functions: Callable[[], object]) -> list[Clocked]:
    """Time functions in turn, so that disturbances affect all alike; return the best of each.

    All are run at least LEAST times, and repeated until SECONDS have passed.
    """
    taken: list[list[Clocked]] = [[] for _ in functions]
    end = time.perf_counter() + SECONDS
    while len(taken[0]) < LEAST or time.perf_counter() < end:
        for function, times in zip(functions, taken, strict=True):
            times.append(clocked(function))
    return [
        Clocked(min(t.wall for t in times), min(t.processor for t in times)) for times in taken
    ]


@contextmanager
def one_core() -> Iterator[None]:
    """Keep this process, its threads and children on one core, where the system allows it."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def child(*words: str) -> Any:  # noqa: ANN401 - JSON
    """Run a module of this checkout in a child process; returns the JSON that it prints."""
    command = [sys.executable, "-m", *words]
    return json.loads(
        subprocess.run(command, stdout=subprocess.PIPE, check=True, cwd=ROOT).stdout
    )


def peak_memory() -> float:
    """Return this process's peak resident memory in MB (10**6 bytes).

    From /proc: getrusage's figure is inherited from the parent.
    """
    status = Path("/proc/self/status").read_text("ascii")
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024 / 1e6
