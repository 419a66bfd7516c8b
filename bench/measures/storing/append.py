# SPDX-License-Identifier: LGPL-3.0
"""Ingest of a recorded journal: read, decoded, stored verbatim and chained, all views kept up.

By one core; and by `flux-jobdb ingest` with one process and with one a core. Floors, on the
first lines of the same journal: decoding each line, hashing its bytes, and inserting them into
a plain table.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from itertools import islice

import apsw
import msgspec

from bench.histories import LINES, Bench, history, journal_file, remove
from bench.report import Row, rate
from bench.timing import ROOT, Clocked, clocked, one_core

__all__ = ["bare_decoding", "measure"]

_SAMPLE = 100  # lists of lines


class _Form(msgspec.Struct):
    id: int
    events: list[msgspec.Raw]
    jobspec: msgspec.Raw = msgspec.Raw()
    R: msgspec.Raw = msgspec.Raw()


def measure(bench: Bench) -> Iterator[Row]:
    """Make the history again, timed."""
    made = history(bench.folder, bench.jobs, anew=True)
    with journal_file(bench.folder, bench.jobs).open("rb") as file:
        lines = [line.rstrip(b"\n") for line in islice(file, LINES * _SAMPLE)]
    with one_core():
        bare = [
            clocked(work).wall / len(lines)
            for work in (
                partial(bare_decoding, lines),
                partial(_bare_hashing, lines),
                partial(_bare_inserting, bench, lines),
            )
        ]
    taken = Clocked(made.seconds, made.processor)
    decoding, _, inserting = bare
    yield rate("append", "events/s", made.events, taken, 75_000,
                      floor=1 / inserting, floor_of="bare inserting")  # fmt: skip
    yield Row("append", "bare decoding", 1 / decoding, "1/s")
    least = sum(bare) * made.events
    yield Row("append", "of decoding, hashing and bare inserting", made.seconds / least, "x",
              5.0, processor=made.processor / least)  # fmt: skip
    with one_core():
        alone = _ingested(bench, 1)
    cores = os.cpu_count() or 1
    together = _ingested(bench, cores)
    yield Row("append", f"ingest, events/s, {cores} cores", made.events / together.wall, "1/s",
              processor=made.events / together.processor)  # fmt: skip
    yield Row("append", f"ingest, {cores} cores, of one", alone.wall / together.wall, "x", 1.7,
              least=True)  # fmt: skip


def _ingested(bench: Bench, processes: int) -> Clocked:
    """Time `flux-jobdb ingest` of the journal, with so many processes."""
    path = str(bench.folder / "ingested.sqlite")
    remove(path)
    file = str(journal_file(bench.folder, bench.jobs))
    words = ("-m", "flux_jobdb", "ingest", "--db", path, "--jobs", str(processes), file)
    run = partial(
        subprocess.run, (sys.executable, *words), cwd=ROOT, check=True, capture_output=True
    )
    try:
        return clocked(run)
    finally:
        remove(path)


def bare_decoding(lines: list[bytes]) -> None:
    """Decode each line."""
    decode = msgspec.json.Decoder(_Form).decode
    for line in lines:
        decode(line)


def _bare_hashing(lines: list[bytes]) -> None:
    digest = hashlib.sha256()
    for line in lines:
        digest.update(line)


def _bare_inserting(bench: Bench, lines: list[bytes]) -> None:
    path = bench.folder / "bare.sqlite"
    db = apsw.Connection(str(path))
    try:
        db.execute("PRAGMA page_size = 8192; PRAGMA journal_mode = WAL")
        db.execute("CREATE TABLE line (seq INTEGER PRIMARY KEY, data BLOB NOT NULL)")
        for first in range(0, len(lines), LINES):
            with db:
                rows = [(line,) for line in lines[first : first + LINES]]
                db.executemany("INSERT INTO line (data) VALUES (?)", rows)
    finally:
        db.close()
        path.unlink()
