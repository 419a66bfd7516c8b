# SPDX-License-Identifier: LGPL-3.0
"""Joining a day's files: late events into their jobs, and many small files into few.

A day is written anew from the store, beside what there is, wherever it has amendments or more
files than its jobs need. The manifest then lists the new files in place of the old ones, in
one step.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from pathlib import Path

import apsw
import pyarrow.parquet as pq

from lake import manifest as manifests
from lake.checking import rows_of
from lake.columns import NOTICES
from lake.manifest import AMENDMENT, File, Manifest
from lake.writing import JOBS_OF_A_FILE, Output, parts

_JOINED = "-joined"
"""How names of such files end: another file may be of the same numbers."""


def compact(db: apsw.Connection, lake: Path, manifest: Manifest) -> None:
    """Join files, where a day has some to join; the manifest must reach to the store's head."""
    output = Output(db, lake, manifest.cluster, manifest.seq)
    replaced: set[str] = set()
    jobs = _by_day([*manifest.of("events"), *manifest.of("jobs")])
    for day, files in jobs.items():
        events = [file for file in files if file.table == "events"]
        keys = sorted(keys_of(lake, events))
        needed = -(-len(keys) // JOBS_OF_A_FILE)
        if len(events) > needed or any(AMENDMENT in file.path for file in files):
            for shard, some in enumerate(parts(iter(keys), JOBS_OF_A_FILE)):
                output.write_jobs(f"{day}/shard={shard}", _name(files), some)
            replaced |= {file.path for file in files}
    for day, files in _by_day(manifest.of("notices")).items():
        if len(files) > 1:
            rows = iter(sorted(rows_of(lake, files), key=lambda row: row["seq"]))
            output.write("notices", day, _name(files), NOTICES, rows)
            replaced |= {file.path for file in files}
    if replaced:
        manifests.replace(lake, manifest, replaced, output.files)


def _by_day(files: Iterable[File]) -> dict[str, list[File]]:
    found: dict[str, list[File]] = {}
    for file in files:
        found.setdefault(file.day, []).append(file)
    return found


def keys_of(lake: Path, files: Iterable[File]) -> set[int]:
    """Return the jobs that files of events have something of."""
    tables = (pq.read_table(lake / f.path, columns=["job"], partitioning=None) for f in files)
    return set(chain.from_iterable(table["job"].to_pylist() for table in tables))


def _name(files: Iterable[File]) -> str:
    """Return a name for all of these numbers."""
    bounds = [file.bounds for file in files]
    first, last = min(low for low, _ in bounds), max(high for _, high in bounds)
    return f"{first:012}-{last:012}{_JOINED}"
