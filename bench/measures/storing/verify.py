# SPDX-License-Identifier: LGPL-3.0
"""`flux-jobdb verify`: the chain recomputed, the views made a second time and compared.

By one process on one core, and by several on all. Floor: all stored bytes read and hashed.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import partial

import apsw

from bench.histories import Bench, history
from bench.report import Row, rate
from bench.timing import ROOT, clocked, one_core

__all__ = ["measure"]


def measure(bench: Bench) -> Iterator[Row]:
    """Verify the history."""
    stored = history(bench.folder, bench.jobs)
    path = os.path.abspath(stored.path)
    with stored.reading() as db, one_core():
        floor = stored.events / clocked(partial(_hash, db)).wall
    with one_core():
        alone = clocked(partial(_verify, path, 1))
    # 2,000,000 in 25 s
    yield rate("verify", "events/s, one core", stored.events, alone, 80_000,
               floor=floor, floor_of="reading, hashing")  # fmt: skip
    together = clocked(partial(_verify, path, os.cpu_count() or 1))
    yield rate("verify", "events/s, all cores", stored.events, together,
               floor=floor, floor_of="reading, hashing")  # fmt: skip


def _verify(path: str, jobs: int) -> None:
    words = ("-m", "flux_jobdb", "verify", "--db", path, "--jobs", str(jobs))
    subprocess.run((sys.executable, *words), cwd=ROOT, check=True, capture_output=True)


def _hash(db: apsw.Connection) -> None:
    digest = hashlib.sha256()
    for table in ("event", "jobspec", "R"):
        for (data,) in db.execute(f"SELECT data FROM {table} ORDER BY seq"):
            digest.update(data)
