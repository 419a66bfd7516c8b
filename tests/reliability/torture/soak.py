# SPDX-License-Identifier: LGPL-3.0
"""Load: the module's own code takes a million jobs while readers ask at random.

``python -m tests.reliability.torture.soak --jobs 1000000``;
tests/reliability/test_soak.py a few. A child makes the
journal, ``Live`` stores and answers it as it does in a broker, and other processes read the
file (``readers.py``). Memory must stay flat, the file grow linearly, the write-ahead log stay
small, and each answer add up.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from eventstore.maintenance.verify import verify_chain
from eventstore.reading.event_log import head
from eventstore.storage.connection import Store, create_or_open
from eventstore.storage.sql import value
from joblist.journal.follower import COLLECT
from projections.engine.views import Views
from tests.reliability.torture.readers import Asker, adds_up
from tests.reliability.torture.report import Line, report
from tests.support.fake_bus import FakeBus, Module

ROOT = Path(__file__).resolve().parents[3]
_SOURCE = r"""
import sys
from tests.support.journal_generator import journal
jobs, seed, rate = sys.argv[1:]
for line in journal(int(jobs), int(seed), rate=float(rate)):
    sys.stdout.buffer.write(line + b"\n")
"""
_KINDS = ("job-stats", "stats-get", "list")
_TOGETHER = 2000  # lines that come before the module has its turn
_PURGED = 100  # jobs of one purge
MOST_WAL = 1024 * 2**20
"""Bytes that the write-ahead log may grow to while readers come and go: what is written during
the longest of their questions, and some bad luck. It is emptied where they let it."""
STEADY = 10_000
"""Jobs from which on the file grows evenly: of fewer, the thousand active ones are too many."""
_SLACK = 32 * 2**20  # bytes by which memory may differ between two measurements


class Sample(NamedTuple):
    """A measurement: events so far; bytes of memory, of the database, of its log."""

    events: int
    memory: int
    file: int
    wal: int


class Figures(NamedTuple):
    """What a soak showed. ``questions`` counts by kind; ``peak`` is the module's, in bytes."""

    jobs: int
    events: int
    questions: dict[str, int]
    peak: int
    readers_peak: int
    samples: list[Sample]

    @property
    def wal(self) -> int:
        """The largest size of the write-ahead log."""
        return max(sample.wal for sample in self.samples)

    def growth(self) -> list[float]:
        """Return the bytes an event that each tenth of the run added.

        The first and the last are left out: there, jobs only begin, or only end.
        """
        count = len(self.samples)
        marks = [self.samples[count * tenth // 10 - 1] for tenth in range(1, 10)]
        return [
            (after.file - before.file) / (after.events - before.events)
            for before, after in pairwise(marks)
        ]

    def check(self) -> None:
        """Raise AssertionError where memory grows, or the file of many jobs not linearly."""
        early = [
            s.memory for s in self.samples[len(self.samples) // 5 : len(self.samples) // 2]
        ]
        late = [s.memory for s in self.samples[len(self.samples) // 2 :]]
        assert max(late) <= max(early) + _SLACK, f"memory: {max(early)}, then {max(late)}"
        growth = self.growth()
        steady = self.jobs >= STEADY
        assert not steady or max(growth) < 1.25 * min(growth), (
            f"the file grew by {growth} bytes an event"
        )
        assert self.wal <= MOST_WAL, f"the write-ahead log grew to {self.wal} bytes"


class _Bus(FakeBus):
    """A bus on which a logged message is a failure."""

    def log(self, level: int, text: str) -> None:
        raise AssertionError(f"the module logged a message: {text}")


class _Load:
    """Feeds a module with lines, and asks it questions in between."""

    def __init__(self, module: Module, store: Store, seed: int) -> None:
        self.module = module
        self.store = store
        self.random = random.Random(seed)
        self.ended: deque[int] = deque()
        self.samples: list[Sample] = []
        self.started = self.events = 0
        self.questions: dict[str, int] = {}

    def run(self, lines: Iterator[bytes], jobs: int) -> None:
        """Feed the whole journal; take a sample after each hundredth. In the end, ask all."""
        mark = jobs * 11 / 100
        together: list[bytes] = []
        for line in lines:
            together.append(line)
            if len(together) == _TOGETHER:
                self._take(together)
                together = []
                if self.events >= mark * (len(self.samples) + 1):
                    self.samples.append(self._sample())
        self._take(together)
        self.module.bus.pass_time(1)
        for kind in _KINDS:
            self._ask(kind)
        self.samples.append(self._sample())

    def _take(self, lines: Sequence[bytes]) -> None:
        module = self.module
        for line in lines:
            self.started += b'"name":"validate"' in line  # until then, no list has it
            if b'"name":"clean"' in line:
                self.ended.append(int(line[6 : line.index(b",")]))
        self.events += sum(not line.startswith(b'{"id":-1') for line in lines)
        module.feed(*lines)
        while len(self.ended) > 10 * _PURGED:
            ids = [self.ended.popleft() for _ in range(_PURGED)]
            module.feed(json.dumps({"jobs": ids}).encode())
        # Half of the time some is left for the next turn, as in a broker.
        module.bus.pass_time(COLLECT, turns=self.random.choice((1, 100)))
        if self.random.random() < 0.2:
            self._ask(self.random.choice(_KINDS))
        module.bus.sent.clear()

    def _ask(self, kind: str) -> None:
        self.questions[f"module {kind}"] = self.questions.get(f"module {kind}", 0) + 1
        if kind == "list":
            wanted: dict[str, Any] = {"max_entries": 2500, "attrs": ["all"]}
            asked = self.module.ask(kind, wanted, streaming=True)
            self.module.bus.pass_time(1)
            *answers, end = self.module.answers(asked)
            assert end[0] == 61, end  # ENODATA
            ids = [job["id"] for answer in answers for job in answer["jobs"]]
            assert len(ids) == len(set(ids))
            assert len(ids) == min(2500, self.started)
            return
        found = self.module.answer(kind)
        if kind == "job-stats":
            adds_up(found)
            # What was asked after it came must be in the answer.
            assert found["job_states"]["total"] == self.started
        else:
            assert "behind" not in found
            assert sum(found["jobs"].values()) <= self.started

    def _sample(self) -> Sample:
        db = self.store.db
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        return Sample(
            self.events,
            pages * resource.getpagesize(),
            value(db, "PRAGMA page_count") * value(db, "PRAGMA page_size"),
            Path(self.store.path + "-wal").stat().st_size,
        )


@contextmanager
def _child(*words: str) -> Iterator[subprocess.Popen[bytes]]:
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, *words], cwd=ROOT, stdin=pipe, stdout=pipe) as child:
        try:
            yield child
        except BaseException:
            child.kill()
            raise


def soak(
    folder: Path, jobs: int, readers: int, seed: int = 1, *, rate: float = 10.0
) -> Figures:
    """Run a load of ``jobs`` jobs; raises AssertionError where an answer does not add up.

    ``rate`` is how many are submitted a second, by the journal: it decides how many are
    active at a time, about 140 times as many.
    """
    path = str(folder / "jobs.sqlite")
    with create_or_open(path) as store:
        module = Module(Views(store), bus=_Bus())
        load = _Load(module, store, seed)
        with _child("-c", _SOURCE, str(jobs), str(seed), str(rate)) as source:
            assert source.stdout is not None
            asking = [_reader(path, seed * 1000 + number) for number in range(readers)]
            try:
                load.run((line[:-1] for line in source.stdout), jobs)
            finally:
                told = [_told(reader) for reader in asking]
        assert source.returncode == 0
        adds_up(stats := module.answer("job-stats"))
        assert jobs == stats["successful"] + stats["failed"] + stats["canceled"]
        module.live.close()
        with store.snapshot() as db:
            stored = head(db)
        found = verify_chain(store)
        assert found.fault is None, found.fault
        assert found.events == load.events < stored
    questions = dict(load.questions)
    for counts, _ in told:
        for kind, count in counts.items():
            questions[kind] = questions.get(kind, 0) + count
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return Figures(
        jobs, load.events, questions, peak, max((p for _, p in told), default=0), load.samples
    )


def _reader(path: str, seed: int) -> subprocess.Popen[bytes]:
    words = [
        sys.executable,
        "-m",
        "tests.reliability.torture.soak",
        "--reader",
        path,
        "--seed",
        str(seed),
    ]
    return subprocess.Popen(words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def _told(reader: subprocess.Popen[bytes]) -> tuple[dict[str, int], int]:
    """End a reader; returns its questions by kind, and its peak of memory."""
    text, _ = reader.communicate(b"")
    assert reader.returncode == 0, "a reader saw what must not be; see above"
    counts, peak = json.loads(text)
    return counts, peak


def _read(path: str, seed: int) -> None:
    """Ask questions until standard input ends."""
    os.set_blocking(0, False)
    asker = Asker(path, seed)
    while os.read(0, 1) if _readable() else True:
        asker.ask()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps([asker.questions, peak]))


def _readable() -> bool:
    import select  # noqa: PLC0415

    return bool(select.select([0], [], [], 0)[0])


def main() -> None:
    """Run the load, and report the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=1_000_000)
    parser.add_argument("--readers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--reader", metavar="PATH", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.reader is not None:
        _read(options.reader, options.seed)
        return
    with tempfile.TemporaryDirectory() as folder:
        figures = soak(Path(folder), options.jobs, options.readers, options.seed)
    mib = 2**20
    growth = figures.growth()
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(figures.questions.items()))
    figures.check()
    told = (
        f"memory at most {figures.peak // mib} MiB, readers {figures.readers_peak // mib} MiB; "
        f"the file grew by {min(growth):.0f} to {max(growth):.0f} bytes an event; "
        f"write-ahead log at most {figures.wal / mib:.1f} MiB"
    )
    report(Line("load", "jobs", figures.jobs, told))
    asked = sum(figures.questions.values())
    report(Line("load", "answers that add up", asked, kinds))


if __name__ == "__main__":
    main()
