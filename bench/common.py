# SPDX-License-Identifier: LGPL-3.0
"""What the benchmarks share: timing, the table of results, and the histories they run on."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import apsw

from bench import generate
from cli.journal_files import JournalFile
from eventstore.ingest.writer import Writer
from eventstore.storage.connection import Store, create_or_open, open_readonly
from joblist.config import Config
from joblist.protocol.requests import Credential
from joblist.service import Request, Service
from projections.engine.views import Views

ROOT = Path(__file__).resolve().parents[1]
RATE = 7.0
"""Jobs submitted a second: with their mean life of 140 s, about a thousand are alive."""
ACTIVE = 1000
"""Jobs that have not finished, where a benchmark wants some."""
SECONDS, LEAST = 2.0, 5
"""For how long, and how often at least, something short is timed."""
LINES = 2000
"""Lines appended at a time where no file is read: as many as the broker module does."""


class Row(NamedTuple):
    """One result: ``value`` in ``unit``, beside its floor: the bare thing, in the same unit.

    ``target`` and ``processor``, which is what processor time alone gives, are in that unit,
    too; ``least`` says that more is better.
    """

    noun: str
    what: str
    value: float
    unit: str
    target: float | None = None
    least: bool = False
    floor: float | None = None
    floor_of: str = ""
    processor: float | None = None

    @property
    def met(self) -> bool | None:
        """Whether the target is reached; None where there is none."""
        if self.target is None:
            return None
        return self.value >= self.target if self.least else self.value <= self.target


class Clocked(NamedTuple):
    """What something took: seconds, and seconds of processors, children's included."""

    wall: float
    processor: float


def clocked(function: Callable[[], object]) -> Clocked:
    """Time one call. Where others use the machine, they do not count as processor time."""
    started, before = time.perf_counter(), _processor_time()
    function()
    return Clocked(time.perf_counter() - started, _processor_time() - before)


def _processor_time() -> float:
    return time.process_time() + sum(os.times()[2:4])


def repeat(*functions: Callable[[], object]) -> list[Clocked]:
    """Time functions, one after the other in turn: what disturbs one disturbs all.

    Each is run LEAST times, and more often as long as SECONDS last. Returns the best of each.
    """
    taken: list[list[Clocked]] = [[] for _ in functions]
    end = time.perf_counter() + SECONDS
    while len(taken[0]) < LEAST or time.perf_counter() < end:
        for function, times in zip(functions, taken, strict=True):
            times.append(clocked(function))
    return [
        Clocked(min(t.wall for t in times), min(t.processor for t in times)) for times in taken
    ]


def answer(
    noun: str, what: str, taken: Clocked, floor: float | None = None, floor_of: str = "",
    *, unit: str = "ms", target: float | None = None, calls: int = 1,
) -> Row:  # fmt: skip
    """Return a row of how long one of ``calls`` took; the floor is in seconds, too."""
    scale = {"s": 1.0, "ms": 1e3, "us": 1e6}[unit] / calls
    return Row(noun, what, taken.wall * scale, unit, target, False,
               None if floor is None else floor * scale, floor_of,
               taken.processor * scale)  # fmt: skip


def speed(
    noun: str, what: str, count: int, taken: Clocked, target: float | None = None,
    *, floor: float, floor_of: str,
) -> Row:  # fmt: skip
    """Return a row of how many a second."""
    return Row(noun, what, count / taken.wall, "1/s", target, True, floor, floor_of,
               count / taken.processor)  # fmt: skip


@contextmanager
def one_core() -> Iterator[None]:
    """Keep this process, its threads and children on one core, where that can be asked for."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def chunks(lines: Iterator[bytes], size: int = LINES) -> Iterator[list[bytes]]:
    """Cut lines into lists."""
    return iter(lambda: list(islice(lines, size)), [])


def child(*words: str) -> Any:  # noqa: ANN401 - JSON
    """Run a module of ours in a process of its own; returns the JSON that it prints."""
    command = [sys.executable, "-m", *words]
    return json.loads(
        subprocess.run(command, stdout=subprocess.PIPE, check=True, cwd=ROOT).stdout
    )


def peak_memory() -> float:
    """Return the most memory that this process has had, in MB (10**6 bytes).

    From /proc: what getrusage says is inherited from the parent.
    """
    status = Path("/proc/self/status").read_text("ascii")
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024 / 1e6


# -- questions


def ask(service: Service, request: dict[str, Any], *, streaming: bool = False) -> list[bytes]:
    """Put a ``job-list.list``, as the instance's owner."""
    text = json.dumps(request).encode()
    return service.answer(Request("job-list.list", text, Credential(), streaming))


def bare_texts(answer: Sequence[bytes]) -> Callable[[], object]:
    """Return the floor of an answer: the same texts, read from a table and joined."""
    jobs = [json.dumps(job, separators=(",", ":")) for job in json.loads(answer[0])["jobs"]]
    db = apsw.Connection(":memory:")
    db.execute("CREATE TABLE text (job INTEGER PRIMARY KEY, data TEXT NOT NULL)")
    db.executemany("INSERT INTO text (data) VALUES (?)", [(job,) for job in jobs])

    def read() -> bytes:
        texts = [data for (data,) in db.execute("SELECT data FROM text ORDER BY job DESC")]
        return ",".join(texts).encode()

    return read


# -- histories


class History(NamedTuple):
    """A database of ``jobs`` finished jobs, and how it was made."""

    path: str
    jobs: int
    events: int
    seconds: float  # that appending took
    processor: float  # of processor time

    @property
    def middle(self) -> float:
        """A moment in the middle of it, in seconds since the epoch."""
        return generate.EPOCH + self.jobs / RATE / 2

    @contextmanager
    def service(self, as_of: float | None = None) -> Iterator[Service]:
        """Open it, for questions."""
        with open_readonly(self.path) as store:
            yield Service(store, Config(), as_of=as_of)

    @contextmanager
    def reading(self) -> Iterator[apsw.Connection]:
        """Open it, for a look at what is stored."""
        with open_readonly(self.path) as store, store.snapshot() as db:
            yield db

    @contextmanager
    def copy(self) -> Iterator[Store]:
        """Open a copy, to be written."""
        path = self.path.replace(".sqlite", "-copy.sqlite")
        remove(path)
        shutil.copyfile(self.path, path)
        try:
            with create_or_open(path) as store:
                yield store
        finally:
            remove(path)


class Bench(NamedTuple):
    """One run: the history's size, that of a second one (0: none), and where they are kept."""

    jobs: int
    large: int
    folder: Path

    def histories(self) -> list[History]:
        """Return the one history or both, the smaller one first."""
        return [history(self.folder, jobs) for jobs in (self.jobs, self.large) if jobs]


def history(folder: Path, jobs: int, *, anew: bool = False) -> History:
    """Return the history of that size, which is made where this code has made none yet."""
    path = folder / f"{jobs}-{_fingerprint()}.sqlite"
    note = path.with_suffix(".json")
    if note.exists() and not anew:
        return History(**json.loads(note.read_text("utf-8")))
    for old in folder.glob(f"{jobs}-*"):
        old.unlink()
    source = journal_file(folder, jobs)
    with create_or_open(str(path)) as store:
        views = Views(store)
        writer = Writer(store, "bench", views.advance)

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
    """Append ACTIVE jobs that run, behind a history of ``jobs``."""
    lines = generate.journal(ACTIVE, rate=RATE, first=jobs, running=ACTIVE)
    Writer(views.store, "active", views.advance).append(lines)


def backlog_writer(views: Views) -> Writer:
    """Return a writer for a complete backlog, as the broker module has one."""

    def expected() -> list[int]:
        return [job.key for job in views.unfinished()]

    return Writer(views.store, "backlog", views.advance, expected=expected)


def journal_file(folder: Path, jobs: int) -> Path:
    """Return a file with the journal of ``jobs`` jobs, a response a line."""
    path = folder / f"journal-{jobs}.jsonl"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob("journal-*.jsonl"):
            old.unlink()  # they are large, and quickly made
        part = path.with_suffix(".part")
        with part.open("wb") as file:
            file.writelines(line + b"\n" for line in generate.journal(jobs, rate=RATE))
        part.rename(path)
    return path


def remove(path: str) -> None:
    """Remove a database with the files beside it."""
    for tail in ("", "-wal", "-shm", "-lock", "-consumers"):
        Path(path + tail).unlink(missing_ok=True)


def _fingerprint() -> str:
    """Tell the code apart that makes a history, so that none is used that other code made."""
    files = [
        file for name in ("eventstore", "projections") for file in (ROOT / name).rglob("*")
    ]
    files += [Path(generate.__file__), Path(__file__)]
    code = hashlib.sha256()
    for file in sorted(files):
        if file.suffix in {".py", ".sql"}:
            code.update(file.read_bytes())
    return code.hexdigest()[:12]


# -- the table


def write(rows: Sequence[Row], path: Path, about: dict[str, Any]) -> str:
    """Write results as ``path``.md and ``path``.json; returns the table."""
    facts = {**machine(), **about}
    table = "\n".join(
        [", ".join(f"{name} {fact}" for name, fact in facts.items()), "", _table(rows)]
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_suffix(".md").write_text(table + "\n", "utf-8")
    results = [{**row._asdict(), "met": row.met} for row in rows]
    text = json.dumps({"about": facts, "results": results}, indent=1)
    path.with_suffix(".json").write_text(text + "\n", "utf-8")
    return table


def machine() -> dict[str, Any]:
    """Return what the numbers depend on."""
    return {
        "python": platform.python_version(),
        "sqlite": apsw.sqlite_lib_version(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
    }


def _table(rows: Sequence[Row]) -> str:
    lines = [
        "| | what | measured | by processor time | target | | floor | of |",
        "| --- | --- | ---: | ---: | ---: | --- | ---: | --- |",
    ]
    for row in rows:
        sign = "≥" if row.least else "≤"
        target = "" if row.target is None else f"{sign} {number(row.target)}"
        verdict = {True: "met", False: "**missed**", None: ""}[row.met]
        processor, floor = ("" if n is None else number(n) for n in (row.processor, row.floor))
        value = f"{number(row.value)} {row.unit}"
        cells = (row.noun, row.what, value, processor, target, verdict, floor, row.floor_of)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def number(value: float) -> str:
    """Return three digits of a number, or all of a large one."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
