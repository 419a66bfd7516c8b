# SPDX-License-Identifier: LGPL-3.0
"""``flux-jobdb list``: 50,000 jobs as a table, in two of Flux's formats.

Floor: the same jobs by ``--json``, which prints what is stored; both with the start of Python.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from functools import partial

from bench.histories import Bench
from bench.report import Row, duration
from bench.timing import ROOT, repeat

__all__ = ["measure"]

_JOBS = 50_000


def measure(bench: Bench) -> Iterator[Row]:
    """List the newest jobs of the history."""
    path, jobs = bench.histories()[0].path, min(_JOBS, bench.jobs)
    forms = {
        form: partial(_list, path, jobs, f"--format={form}") for form in ("default", "long")
    }
    *tables, plain = repeat(*forms.values(), partial(_list, path, jobs, "--json"))
    for form, taken in zip(forms, tables, strict=True):
        yield duration("table", f"list -o {form}, {jobs:,} jobs", taken, plain.wall,
                       "list --json", unit="s", target=4 * plain.wall)  # fmt: skip


def _list(path: str, jobs: int, form: str) -> None:
    words = ("--db", path, "list", "-aA", f"--count={jobs}", form)
    subprocess.run(
        [sys.executable, "-m", "flux_jobdb", *words],
        check=True, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
