# SPDX-License-Identifier: LGPL-3.0
"""The histories that benchmarks run on: databases of finished jobs, kept from run to run."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import apsw

from bench.timing import ROOT, clocked, one_core
from cli.input.journal_files import JournalFile
from eventstore.ingest.writer import Writer
from eventstore.storage.connection import Store, create_or_open, open_readonly
from joblist.config import Config
from joblist.service import Service
from projections.engine.views import Views
from tests.support.journal_generator import EPOCH, journal

__all__ = [
    "ACTIVE",
    "LINES",
    "RATE",
    "Bench",
    "History",
    "add_active",
    "backlog_writer",
    "chunks",
    "history",
    "journal_file",
    "remove",
]

RATE = 7.0
"""Jobs submitted a second: with their mean life of 140 s, about a thousand are alive."""
ACTIVE = 1000
"""Active jobs, where a benchmark wants some."""
LINES = 2000
"""Lines a batch, where no file is read: as in the broker module."""


class History(NamedTuple):
    """A database of ``jobs`` finished jobs, and what making it took."""

    path: str
    jobs: int
    events: int
    seconds: float  # of appending
    processor: float  # of processor time

    @property
    def middle(self) -> float:
        """A time in the middle of the history, in seconds since the epoch."""
        return EPOCH + self.jobs / RATE / 2

    @contextmanager
    def service(self, as_of: float | None = None) -> Iterator[Service]:
        """Open it for job-list's requests."""
        with open_readonly(self.path) as store:
            yield Service(store, Config(), as_of=as_of)

    @contextmanager
    def reading(self) -> Iterator[apsw.Connection]:
        """Open it for reading."""
        with open_readonly(self.path) as store, store.snapshot() as db:
            yield db

    @contextmanager
    def copy(self) -> Iterator[Store]:
        """Open a copy for writing; the copy is removed afterwards."""
        path = self.path.replace(".sqlite", "-copy.sqlite")
        remove(path)
        shutil.copyfile(self.path, path)
        try:
            with create_or_open(path) as store:
                yield store
        finally:
            remove(path)


class Bench(NamedTuple):
    """A run: the size of the history, that of a second one (0: none), and their folder."""

    jobs: int
    large: int
    folder: Path

    def histories(self) -> list[History]:
        """Return the history, or both of them in this order."""
        return [history(self.folder, jobs) for jobs in (self.jobs, self.large) if jobs]


def history(folder: Path, jobs: int, *, anew: bool = False) -> History:
    """Return the history of that size; made, where this code has not made one before."""
    path = folder / f"{jobs}-{_fingerprint()}.sqlite"
    note = path.with_suffix(".json")
    if note.exists() and not anew:
        return History(**json.loads(note.read_text("utf-8")))
    for old in folder.glob(f"{jobs}-*"):
        old.unlink()
    source = journal_file(folder, jobs)
    with create_or_open(str(path)) as store:
        views = Views(store)
        writer = Writer(store, "bench", views)

        def ingest() -> None:
            for lines in JournalFile(str(source)).batches():
                writer.append(lines)
            writer.close()

        with one_core():
            taken = clocked(ingest)
    made = History(str(path), jobs, writer.counts.new, *taken)
    note.write_text(json.dumps(made._asdict()), "utf-8")
    return made


def add_active(views: Views, jobs: int) -> None:
    """Append ACTIVE running jobs to a history of ``jobs`` jobs."""
    lines = journal(ACTIVE, rate=RATE, first=jobs, running=ACTIVE)
    Writer(views.store, "active", views).append(lines)


def backlog_writer(views: Views) -> Writer:
    """Return a writer for a complete backlog, as the broker module has one."""

    def expected() -> list[int]:
        return [job.key for job in views.unfinished()]

    return Writer(views.store, "backlog", views, expected=expected)


def journal_file(folder: Path, jobs: int) -> Path:
    """Return a file with the journal of ``jobs`` jobs, a response a line."""
    path = folder / f"journal-{jobs}.jsonl"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob("journal-*.jsonl"):
            old.unlink()  # large, and quick to make again
        part = path.with_suffix(".part")
        with part.open("wb") as file:
            file.writelines(line + b"\n" for line in journal(jobs, rate=RATE))
        part.rename(path)
    return path


def remove(path: str) -> None:
    """Remove a database with the files beside it."""
    for tail in ("", "-wal", "-shm", "-lock", "-consumers"):
        Path(path + tail).unlink(missing_ok=True)


def _fingerprint() -> str:
    """Return a digest of the code that histories depend on: other code makes its own."""
    files = [
        file for name in ("eventstore", "projections") for file in (ROOT / name).rglob("*")
    ]
    files += [ROOT / "tests/support/journal_generator.py", Path(__file__)]
    code = hashlib.sha256()
    for file in sorted(files):
        if file.suffix in {".py", ".sql"}:
            code.update(file.read_bytes())
    return code.hexdigest()[:12]


def chunks(lines: Iterator[bytes], size: int = LINES) -> Iterator[list[bytes]]:
    """Cut lines into lists."""
    return iter(lambda: list(islice(lines, size)), [])
