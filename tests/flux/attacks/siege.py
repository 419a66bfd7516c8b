# SPDX-License-Identifier: LGPL-3.0
"""Periods of peace and of attack by turns: what an innocent client and jobs notice of it.

``python -m tests.flux.attacks.siege [FILE]`` prints the figures that tests have left.

On a machine that others use, too, a thread may be kept waiting by anyone. What pings of another
module of the instance take, which the same client sends at the same time, is allowed on top of
the limits; and the limits are those of an idle machine, stretched by how much longer than the
processor's time some work took in the quiet periods, without any attack.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from math import ceil, inf
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from tests.flux.attacks.instance import Attacked, until
from tests.flux.attacks.sampler import Sampler, descriptors, memory
from tests.support.flux.instance import ROOT

P99, WORST = 0.1, 0.5
"""Seconds that the innocent client may wait beside an attack."""
MOST_MEMORY = 300 * 2**20
"""Bytes of resident memory of the module's process, and of each that it starts."""
RATE = 0.9
"""What must be left of the rate at which jobs run, beside the same requests to a service that
is not there: to carry megabytes costs the broker time, whoever gets them."""
RATE_LOADED, LOADED = 0.4, 1.5
"""The same on a machine that is stretched by more than this: there, flux-core's own module
leaves 0.44 to 0.72 beside texts of some megabytes."""
PACE = 25.0
"""Requests a second that an attacker sends at most where jobs run beside."""
FIGURES = ROOT / "build" / "attacks" / "figures.jsonl"
DANGER = 3 * 2**30
"""Bytes at which an attack is broken off, before it takes the machine with it."""

_KEPT = 8  # descriptors of idle connections, some of which SQLite closes later
_MORE_ROUNDS = 4  # where the rates of jobs are below what is wanted in so few
_WORK = 0.03  # seconds of work at a time
_PATIENCE = 60.0  # seconds that answers are waited for when an attack is over
_MIB = 2**20


class Schedule(NamedTuple):
    """How many rounds, with how many seconds without an attack (the attacker's requests go to
    a service that is not there) and with it; and whether jobs run beside."""

    rounds: int = int(os.environ.get("ATTACK_ROUNDS", "2"))
    quiet: float = 3.0
    busy: float = 4.0
    jobs: bool = True


FULL = Schedule()
SHORT = Schedule(rounds=1, quiet=1.0, busy=5.0, jobs=False)


@dataclass
class Waits:
    """What one kind of question took: seconds; ``missing`` had no answer in the end."""

    count: int = 0
    p50: float = 0.0
    p99: float = 0.0
    worst: float = 0.0
    missing: int = 0
    errors: int = 0


@dataclass
class Figures:
    """What was measured of one attack; memory in MiB."""

    name: str
    alive: bool = True
    before: Waits = field(default_factory=Waits)
    beside: Waits = field(default_factory=Waits)
    machine: Waits = field(default_factory=Waits)
    memory_before: int = 0
    memory_peak: int = 0
    memory_after: int = 0
    readers_peak: int = 0
    all_peak: int = 0
    broker_peak: int = 0
    files_before: int = 0
    files_peak: int = 0
    files_after: int = 0
    rates: list[tuple[float, float]] = field(default_factory=list)
    broken_off: bool = False
    attacker: list[Any] = field(default_factory=list)
    complaints: int = 0  # lines of the log that ask to report a fault
    load: float = 0.0
    stretch: float = 1.0

    @property
    def rate(self) -> float:
        """What was left of the rate of jobs, by the median of the rounds."""
        ratios = [busy / quiet for quiet, busy in self.rates if quiet]
        return median(ratios) if ratios else 1.0

    def outcomes(self) -> dict[str, int]:
        """How often each thing became of the attacker's requests."""
        found: dict[str, int] = {}
        for round_ in self.attacker:
            for text, count in round_["outcomes"].items():
                found[text] = found.get(text, 0) + count
        return found

    def faults(self) -> list[str]:
        """Return what does not hold, one sentence each."""
        if not self.alive:
            return ["the instance or the module has ended"]
        wrong = []
        p99 = P99 * self.stretch + self.machine.p99
        worst = WORST * self.stretch + self.machine.worst
        if self.beside.p99 > p99:
            wrong.append(f"p99 {self.beside.p99:.3f} s > {p99:.3f} s")
        if self.beside.worst > worst:
            wrong.append(f"worst {self.beside.worst:.3f} s > {worst:.3f} s")
        if self.beside.missing or self.beside.errors:
            wrong.append(f"{self.beside.missing} unanswered, {self.beside.errors} errors")
        for what, peak in (("module", self.memory_peak), ("reader", self.readers_peak)):
            if peak * _MIB > MOST_MEMORY:
                wrong.append(f"a {what} of {peak} MiB")
        if self.files_after > self.files_before + _KEPT:
            wrong.append(f"descriptors: {self.files_before}, then {self.files_after}")
        wanted = RATE if self.stretch <= LOADED else RATE_LOADED
        if self.rates and self.rate < wanted:
            wrong.append(f"jobs run at {self.rate:.2f} of their rate")
        if self.complaints:
            wrong.append(f"{self.complaints} internal errors in the log")
        wrong += [f"attacker: {text!r}" for text in self.outcomes() if not _clear(text)]
        return wrong


def _clear(outcome: str) -> bool:
    """Whether an attacker was told what became of a request: an errno and words."""
    if outcome in ("answered", "held", "left", "never answered"):
        return outcome != "never answered"
    errno, _, text = outcome.partition(": ")
    return int(errno) > 0 and bool(text.strip()) and "internal error" not in text


class Witness:
    """The innocent client and the stream of jobs, as long as the context lasts."""

    def __init__(self, flux: Attacked, *, with_jobs: bool = True) -> None:
        self.flux = flux
        stamp = time.monotonic_ns()
        self._asked = flux.folder / f"innocent-{stamp}"
        self._finished = flux.folder / f"jobs-{stamp}"
        self._with_jobs = with_jobs
        self._clients: list[subprocess.Popen[str]] = []

    def __enter__(self) -> Witness:
        asked, finished = str(self._asked), str(self._finished)
        self._clients = [self.flux.client("innocent", self.flux.service, asked)]
        if self._with_jobs:
            self._clients.append(self.flux.client("jobs", finished))
        wanted = [self._asked, *([self._finished] if self._with_jobs else [])]
        there = until(lambda: all(p.exists() and p.stat().st_size for p in wanted), 30)
        assert there, f"clients do not start: {self.flux.logged()[-2000:]}"
        return self

    def __exit__(self, *_: object) -> None:
        for client in self._clients:
            client.terminate()
            client.communicate()

    def waits(self, kind: str, *periods: tuple[float, float]) -> Waits:
        """What questions took that were sent in some periods; the missing took until now."""
        sent: dict[str, tuple[float, int] | None] = {}
        for line in self._asked.read_text("ascii").splitlines():
            what, when, *answer = line.split()
            if what == kind and any(b <= float(when) <= e for b, e in periods):
                sent[when] = (float(answer[0]), int(answer[1])) if len(answer) == 2 else None
        now = time.monotonic()
        took = sorted(now - float(w) if a is None else a[0] for w, a in sent.items())
        if not took:
            return Waits(missing=1)
        return Waits(
            len(took),
            took[len(took) // 2],
            took[ceil(0.99 * len(took)) - 1],
            took[-1],
            sum(a is None for a in sent.values()),
            sum(a is not None and a[1] != 0 for a in sent.values()),
        )

    def settle(self) -> None:
        """Wait until all that was asked up to now is answered, if it ever is."""
        now = time.monotonic()
        until(
            lambda: not self.flux.alive or not self.waits("list", (0.0, now)).missing,
            _PATIENCE,
        )

    def rate(self, begin: float, end: float) -> float:
        """Jobs that finished, a second."""
        times = map(float, self._finished.read_text("ascii").splitlines())
        return sum(begin <= t <= end for t in times) / (end - begin)


@contextmanager
def attacker(
    flux: Attacked, kind: str, inflight: int, rate: float = inf
) -> Iterator[subprocess.Popen[str]]:
    """Have an attacker ready that acts as a guest."""
    words = ["attack", flux.service, kind, str(inflight), str(rate)]
    client = flux.client(*words, guest=True)
    try:
        assert client.stdout is not None
        assert client.stdout.readline() == "ready\n"
        yield client
    finally:
        client.kill()
        client.communicate()


def strike(client: subprocess.Popen[str], seconds: float, how: str = "") -> None:
    assert client.stdin is not None
    with contextlib.suppress(OSError):
        client.stdin.write(f"{seconds} {how}\n")
        client.stdin.flush()


def besiege(
    flux: Attacked,
    kind: str,
    schedule: Schedule = FULL,
    *,
    inflight: int = 4,
    name: str | None = None,
) -> Figures:
    """Attack in rounds, with a quiet period before each; returns what was measured."""
    found = Figures(
        name or kind, files_before=descriptors(flux.module), load=os.getloadavg()[0]
    )
    found.memory_before = memory(flux.module) // _MIB
    complaints = flux.logged().count("please report")
    with (
        Sampler(flux.module, flux.broker, DANGER) as sampler,
        Witness(flux, with_jobs=schedule.jobs) as witness,
        attacker(flux, kind, inflight, PACE if schedule.jobs else inf) as client,
    ):
        periods = list(_rounds(schedule, flux, client, witness, sampler, found))
        witness.settle()
        _summarize(found, witness, periods)
        client.kill()
        until(lambda: descriptors(flux.module) <= found.files_before + _KEPT, 5)
        found.alive = flux.alive
        found.files_after = descriptors(flux.module)
    found.memory_after = memory(flux.module) // _MIB
    found.memory_peak, found.readers_peak, found.all_peak, found.broker_peak = (
        peak // _MIB
        for peak in (
            sampler.peak,
            sampler.readers_peak,
            sampler.all_peak,
            sampler.broker_peak,
        )
    )
    found.files_peak = sampler.most_files
    found.broken_off = sampler.over_limit.is_set()
    found.complaints = flux.logged().count("please report") - complaints
    record(found)
    return found


def _rounds(
    schedule: Schedule,
    flux: Attacked,
    client: subprocess.Popen[str],
    witness: Witness,
    sampler: Sampler,
    found: Figures,
) -> Iterator[tuple[float, float, float]]:
    """Attack; yields when each quiet and each busy period began, and when that ended."""
    most = schedule.rounds + (_MORE_ROUNDS if schedule.jobs else 0)
    for round_ in range(most):
        found.stretch = max(found.stretch, stretch(1.0))
        quiet = time.monotonic()
        strike(client, schedule.quiet, "decoy")
        _answer_of(client, flux)
        busy = time.monotonic()
        strike(client, schedule.busy)
        until(lambda: not flux.alive or sampler.over_limit.is_set(), schedule.busy)
        end = time.monotonic()
        if sampler.over_limit.is_set() or not flux.alive:
            client.kill()
        if answer := _answer_of(client, flux):
            found.attacker.append(answer)
        yield quiet, busy, time.monotonic()
        if client.poll() is not None or not flux.alive:
            return
        if schedule.jobs:
            found.rates.append((witness.rate(quiet, busy), witness.rate(busy, end)))
        enough = found.rate >= RATE or witness.waits("list", (busy, end)).worst > 2 * WORST
        if round_ + 1 >= schedule.rounds and enough:
            return


def stretch(seconds: float) -> float:
    """Work a little, now and then, for some seconds; returns by what factor that took longer
    than on a machine that has nothing else to do."""
    end = time.monotonic() + seconds
    factors = []
    while time.monotonic() < end:
        begin, used = time.monotonic(), time.thread_time()
        while time.thread_time() < used + _WORK:
            pass
        factors.append((time.monotonic() - begin) / _WORK)
        time.sleep(0.15)
    return max(1.0, median(factors))


def _answer_of(client: subprocess.Popen[str], flux: Attacked) -> dict[str, Any]:
    """Return what an attacker says of a round, nothing if it is not there to say it."""
    assert client.stdout is not None
    said = client.stdout
    until(lambda: not flux.alive or select.select([said], [], [], 0)[0], 120)
    line = said.readline() if flux.alive else ""
    found: dict[str, Any] = json.loads(line or "{}")
    return found


def _summarize(
    found: Figures, witness: Witness, periods: Sequence[tuple[float, float, float]]
) -> None:
    found.before = witness.waits("list", *((quiet, busy) for quiet, busy, _ in periods[:1]))
    attacked = [(busy, end) for _, busy, end in periods]
    found.beside = witness.waits("list", *attacked)
    found.machine = witness.waits("ping", *attacked)


def record(found: Figures) -> None:
    """Append figures to those that are there."""
    FIGURES.parent.mkdir(parents=True, exist_ok=True)
    with FIGURES.open("a", encoding="utf-8") as file:
        file.write(json.dumps({**asdict(found), "faults": found.faults()}) + "\n")


def table(lines: Sequence[str]) -> str:
    """Return figures as a table of Markdown; of equal names, the last one counts."""
    rows = [
        "| attack | alive | innocent p50 / p99 / worst, ms | machine's p99 / worst, ms "
        "| module MiB before, peak, after | reader, all, broker MiB | descriptors "
        "| rate of jobs | attacker's worst, s; outcomes | what does not hold |",
        "|" + "---|" * 10,
    ]
    for found in {json.loads(line)["name"]: json.loads(line) for line in lines}.values():
        rows.append(_row(found))
    return "\n".join(rows)


def _row(found: dict[str, Any]) -> str:
    beside, machine = found["beside"], found["machine"]
    faults = found.pop("faults")
    for name in ("before", "beside", "machine"):
        found[name] = Waits(**found[name])
    figures = Figures(**found)
    outcomes = "; ".join(f"{text[:60]} ×{n}" for text, n in figures.outcomes().items())
    took = max((round_["worst"] for round_ in figures.attacker), default=0.0)
    cells = [
        f"{figures.name} (load {figures.load:.0f}, ×{figures.stretch:.1f})",
        "yes" if figures.alive else "**no**",
        " / ".join(f"{1000 * beside[k]:.0f}" for k in ("p50", "p99", "worst")),
        " / ".join(f"{1000 * machine[k]:.0f}" for k in ("p99", "worst")),
        f"{figures.memory_before} → {figures.memory_peak} → {figures.memory_after}"
        + (" (broken off)" if figures.broken_off else ""),
        f"{figures.readers_peak}, {figures.all_peak}, {figures.broker_peak}",
        f"{figures.files_before} → {figures.files_peak} → {figures.files_after}",
        f"{figures.rate:.2f}" if figures.rates else "-",
        f"{took:.1f}; {outcomes}",
        "; ".join(faults) or "-",
    ]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


if __name__ == "__main__":
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else FIGURES
    print(table(path.read_text("utf-8").splitlines()))
