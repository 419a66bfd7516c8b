# SPDX-License-Identifier: LGPL-3.0
"""Ten guests attack in all ways for an hour, while jobs run.

    python -m tests.flux.attacks.torture.soak [--minutes 60] [--jobs N] [--guests 10]

The module runs beside flux-core's, under another name, and both see the same jobs from the
first to the last: answers are compared all the time, and all of them in the end. What an
innocent client waits for, memory and descriptors are watched; memory must not grow; `verify`
holds. Prints figures; exit status 1 where something does not hold.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from eventstore.maintenance.verify import verify_chain
from eventstore.storage.connection import open_readonly
from eventstore.storage.sql import fetch
from projections.engine.views import first_fault
from tests.flux.attacks.instance import Attacked, until
from tests.flux.attacks.sampler import Sampler, descriptors, memory
from tests.flux.attacks.siege import P99, WORST, Waits, Witness, stretch
from tests.support.flux.instance import Instances, program

OURS, THEIRS = "jobdb", "job-list"
PERIOD = 10.0
"""Seconds between two looks at memory and two comparisons."""
PARALLEL = 48
"""Jobs at once. At each commit, Flux's KVS writes a directory anew that has an entry for each
256 ms in which jobs were submitted (they are the middle bits of job ids, RFC 19). So a commit
takes longer each minute, and the more jobs it is for, the more can run."""
COMPARED = 25
"""Finished jobs whose answers are compared each time."""
COMPARER = 4101
"""The user who compares them."""
ALONE = 60.0
"""Seconds for which jobs run on when the guests have gone."""
SLOWEST = 50
"""Jobs a second that run then at least: for those that are left, the time is longer."""
MOST = 12 * 2**30
"""Bytes at which the soak is broken off, before it takes the machine with it: Flux's KVS and
its content cache grow with the jobs."""
MOST_GROWTH = 1.1, 20
"""How memory may grow from the second quarter to the last one: a factor, and MiB besides."""
_MIB = 2**20


class Look(NamedTuple):
    """One look: seconds since the beginning, MiB of the module, descriptors, jobs finished."""

    at: float
    memory: int
    files: int
    jobs: int


class Soak:
    """One run; ``faults`` names what does not hold."""

    def __init__(self, flux: Attacked, database: Path, seconds: float) -> None:
        self.flux, self.database, self.seconds = flux, database, seconds
        self.looks: list[Look] = []
        self.periods: list[tuple[Waits, Waits]] = []
        self.innocent = self.machine = Waits()  # of the whole time
        self.outcomes: Counter[str] = Counter()
        self.attacks = self.compared = 0
        self.faults: list[str] = []
        self.rate_alone = 0.0  # of jobs, when the guests have gone
        self.stretch = stretch(3.0)  # before any attack

    def run(self, jobs: int, guests: int, sampler: Sampler) -> None:
        finished = self.flux.folder / "finished"
        worker = self.flux.client("jobs", str(finished), str(jobs), str(PARALLEL))
        # As a user of its own: what a user asks at once holds up the user's other questions.
        comparer = self.flux.client("compare", THEIRS, OURS, guest=True, userid=COMPARER)
        attackers = [self._guest(number) for number in range(guests)]
        try:
            with Witness(self.flux, with_jobs=False) as witness:
                begin = time.monotonic()
                self._watch(witness, comparer, finished, sampler)
                whole = begin, time.monotonic()
                self.innocent = witness.waits("list", whole)
                self.machine = witness.waits("ping", whole)
                for number, (client, output) in enumerate(attackers):
                    self._take(number, client, output)
            self._all_run(worker, finished, jobs)
            self._compare_all()
        finally:
            for client in (worker, comparer, *(c for c, _ in attackers)):
                client.kill()
                with contextlib.suppress(ValueError):  # the other end is closed
                    client.communicate()

    def _guest(self, number: int) -> tuple[subprocess.Popen[str], Path]:
        words = ["guest", OURS, str(self.seconds), str(number)]
        output = self.flux.folder / f"guest-{number}"
        return self.flux.client(*words, guest=True, userid=4201 + number, output=output), output

    def _watch(self, witness: Witness, comparer: Any, finished: Path, sampler: Sampler) -> None:
        begin = time.monotonic()
        rng = random.Random(1)
        while (now := time.monotonic()) < begin + self.seconds:
            time.sleep(PERIOD)
            if not self.flux.alive:
                break
            end = time.monotonic()
            done = finished.read_text("ascii").count("\n") if finished.exists() else 0
            size, files = memory(self.flux.module) // _MIB, descriptors(self.flux.module)
            self.looks.append(Look(end - begin, size, files, done))
            witness.settle()
            period = now, end
            self.periods.append((witness.waits("list", period), witness.waits("ping", period)))
            self._judge(*self.periods[-1])
            print(self.looks[-1], *self.periods[-1], file=sys.stderr, flush=True)
            self._compare(rng, comparer)
            if sampler.over_limit.is_set():
                self.faults.append("broken off: the memory of the machine is in danger")
                return
        if not self.flux.alive:
            self.faults += ["the instance or the module has ended", *self._last_words()]

    def _last_words(self) -> list[str]:
        """Return what the broker's log, which goes with the folder, says in the end."""
        lines = [line for line in self.flux.logged().splitlines() if ".debug[" not in line]
        return lines[-20:]

    def _judge(self, beside: Waits, machine: Waits) -> None:
        at = f"at {self.looks[-1].at:.0f} s"
        p99 = P99 * self.stretch + machine.p99
        if beside.p99 > p99 or beside.worst > WORST * self.stretch + machine.worst:
            self.faults.append(f"{at}: {beside}, while the machine: {machine}")
        if beside.missing or beside.errors:
            self.faults.append(f"{at}: {beside.missing} unanswered, {beside.errors} errors")

    def _compare(self, rng: random.Random, comparer: Any) -> None:
        with open_readonly(str(self.database)) as store:
            ids = [jobid for (jobid,) in fetch(store.db, _FINISHED)]
        some = rng.sample(ids, min(COMPARED, len(ids)))
        try:
            comparer.stdin.write(" ".join(map(str, some)) + "\n")
            comparer.stdin.flush()
            said = comparer.stdout.readline()
        except BrokenPipeError:
            said = ""
        if not said:
            self.faults.append("answers are compared no longer: one of the services failed")
            return
        self.compared += len(some)
        if differing := json.loads(said):
            self.faults.append(f"answers differ for {differing}")

    def _take(self, number: int, client: subprocess.Popen[str], output: Path) -> None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            client.wait(120)
        lines = output.read_text("utf-8").splitlines()
        for line in lines:
            found = json.loads(line)
            self.outcomes.update(found["outcomes"])
        self.attacks += len(lines)
        if client.poll() != 0:
            self.faults.append(f"guest {number} did not come to its end: {client.poll()}")

    def _all_run(self, worker: subprocess.Popen[str], finished: Path, jobs: int) -> None:
        def count() -> int:
            return finished.read_text("ascii").count("\n")

        begin, before = time.monotonic(), count()
        enough = max(ALONE, (jobs - before) / SLOWEST)
        until(lambda: not self.flux.alive or (bool(jobs) and count() >= jobs), enough)
        self.rate_alone = (count() - before) / (time.monotonic() - begin)
        worker.kill()
        if count() < jobs:
            self.faults.append(f"{count()} of {jobs} jobs have run")
        self.flux.flux("cancel", "--all")
        self.flux.flux("queue", "drain")

    def _compare_all(self) -> None:
        with self.flux.client("differ", THEIRS, OURS) as client:
            said, _ = client.communicate(timeout=600)
        self.faults += json.loads(said or '["the answers could not be compared"]')

    def judge_memory(self) -> None:
        quarter = len(self.looks) // 4
        if not quarter:
            return
        early = median(look.memory for look in self.looks[quarter : 2 * quarter])
        late = median(look.memory for look in self.looks[-quarter:])
        factor, more = MOST_GROWTH
        if late > early * factor + more:
            self.faults.append(f"the module grows: {early:.0f} MiB, then {late:.0f} MiB")

    def judge_database(self) -> None:
        with open_readonly(str(self.database)) as store:
            fault = verify_chain(store).fault or first_fault(store.db)
        if fault is not None:
            self.faults.append(f"verify: {fault}")

    def figures(self) -> dict[str, object]:
        lists, machine = zip(*self.periods, strict=True) if self.periods else ((), ())
        sizes = [look.memory for look in self.looks]
        return {
            "seconds": self.seconds,
            "load": os.getloadavg(),
            "stretch": round(self.stretch, 2),
            "attacks": self.attacks,
            "outcomes": {text[:80]: n for text, n in self.outcomes.most_common(40)},
            "compared": self.compared,
            "innocent, whole": asdict(self.innocent),
            "machine, whole": asdict(self.machine),
            "innocent p99, of a period": max((w.p99 for w in lists), default=0),
            "machine's p99, of a period": max((w.p99 for w in machine), default=0),
            "periods": len(self.periods),
            "jobs a second without guests, in the end": round(self.rate_alone, 1),
            "jobs a second": [round(look.jobs / look.at, 1) for look in self.looks[-1:]],
            "MiB, first, most, last": [*sizes[:1], max(sizes, default=0), *sizes[-1:]],
            "descriptors, first, most, last": [
                *[look.files for look in self.looks[:1]],
                max((look.files for look in self.looks), default=0),
                *[look.files for look in self.looks[-1:]],
            ],
            "jobs": self.looks[-1].jobs if self.looks else 0,
            "faults": self.faults,
        }


_FINISHED = "SELECT jobid FROM inactive ORDER BY job DESC LIMIT 2000"


def soak(minutes: float, jobs: int, guests: int) -> dict[str, object]:
    """Run a soak in an instance of its own; returns its figures."""
    with tempfile.TemporaryDirectory() as folder:
        instances = Instances(program(), Path(folder))
        database = Path(folder) / "jobs.sqlite"
        flux = Attacked(instances, f"dbpath={database}", service=OURS)
        run = Soak(flux, database, 60 * minutes)
        try:
            with Sampler(flux.module, flux.broker, MOST) as sampler:
                run.run(jobs, guests, sampler)
        finally:
            flux.stop()
        run.judge_memory()
        run.judge_database()
        return {
            **run.figures(),
            "module's, a reader's, the broker's peak, MiB": [
                peak // _MIB
                for peak in (sampler.peak, sampler.readers_peak, sampler.broker_peak)
            ],
        }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--jobs", type=int, default=0, help="how many must run; 0: any number")
    parser.add_argument("--guests", type=int, default=10)
    given = parser.parse_args()
    found = soak(given.minutes, given.jobs, given.guests)
    print(json.dumps(found, indent=1))
    return bool(found["faults"])


if __name__ == "__main__":
    sys.exit(main())
