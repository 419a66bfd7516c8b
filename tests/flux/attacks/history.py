# SPDX-License-Identifier: LGPL-3.0
"""Databases for attacked modules: many jobs, or jobs with names of a megabyte."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from eventstore.ingest.writer import Writer
from eventstore.storage.connection import create_or_open
from projections.engine.rebuild import refresh
from projections.engine.views import Views
from tests.support.flux.instance import ROOT
from tests.support.journal_generator import backlog

JOBS = int(os.environ.get("ATTACK_JOBS", "100000"))
"""Jobs of the long history. It is made once, and kept below ``build``."""
LARGE_JOBS, LARGE_NAME = 100, 1_000_000
_BATCH = 2000  # lines


def long_history(folder: Path) -> Path:
    """Copy a database of ``JOBS`` jobs into a folder."""
    return _copy(f"history-{JOBS}", backlog(JOBS), folder)


def large_names(folder: Path) -> Path:
    """Copy a database of jobs with names of a megabyte, and some ordinary ones."""
    return _copy(f"names-{LARGE_JOBS}", _with_large_names(), folder)


def _copy(name: str, lines: Iterable[bytes], folder: Path) -> Path:
    kept = ROOT / "build" / "attacks" / f"{name}.sqlite"
    kept.parent.mkdir(parents=True, exist_ok=True)
    if not kept.exists():
        made = kept.with_suffix(f".{os.getpid()}")
        with create_or_open(str(made)) as store:
            views = Views(store)
            writer = Writer(store, "before", views)
            for batch in _batches(lines):
                writer.append(batch)
            writer.close("done")
        made.replace(kept)
    with create_or_open(str(kept)) as store:  # the code may have changed since
        refresh(Views(store))
    target = folder / "jobs.sqlite"
    shutil.copy(kept, target)
    return target


def _batches(lines: Iterable[bytes]) -> Iterator[list[bytes]]:
    batch: list[bytes] = []
    for line in lines:
        batch.append(line)
        if len(batch) == _BATCH or line.startswith(b'{"id":-1'):
            yield batch
            batch = []


def _with_large_names() -> Iterator[bytes]:
    """Return a backlog whose first jobs have large names, each another one."""
    lines = backlog(LARGE_JOBS + 2000)
    for number, line in zip(range(LARGE_JOBS), lines, strict=False):
        response = json.loads(line)
        name = f"{number:06d}" + "x" * LARGE_NAME
        response["jobspec"]["attributes"]["system"]["job"]["name"] = name
        yield json.dumps(response).encode()
    yield from lines
