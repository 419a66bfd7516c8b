# SPDX-License-Identifier: LGPL-3.0
"""Ingest of a recorded journal: read, decoded, stored verbatim and chained, all views kept up.

One core. Floors, on the first lines of the same journal: decoding each line, and inserting its
bytes into a plain table.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import apsw
import msgspec

from bench.histories import LINES, Bench, history, journal_file
from bench.report import Row, rate
from bench.timing import Clocked, clocked, one_core

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
        decoding = len(lines) / clocked(lambda: bare_decoding(lines)).wall
        inserting = len(lines) / clocked(lambda: _bare_inserting(bench, lines)).wall
    taken = Clocked(made.seconds, made.processor)
    yield rate("append", "events/s", made.events, taken, 150_000,
                      floor=inserting, floor_of="bare inserting")  # fmt: skip
    yield Row("append", "bare decoding", decoding, "1/s")


def bare_decoding(lines: list[bytes]) -> None:
    """Decode each line."""
    decode = msgspec.json.Decoder(_Form).decode
    for line in lines:
        decode(line)


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
