# SPDX-License-Identifier: LGPL-3.0
"""What runs in the instance: loads modules, sends requests, prints times as JSON.

    compare JOBS FOLDER     flux-core's module and ours side by side
    alone JOBS FOLDER       ours only, with what only it is asked
    throughput JOBS         makes jobs, with whatever job-list is loaded

Responses are not decoded: that takes as long for both modules, and would hide the difference.
Each module has a process of its own.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from errno import ENODATA
from functools import partial
from pathlib import Path
from typing import Any

import flux  # type: ignore[import-not-found]
from flux.constants import FLUX_RPC_STREAMING  # type: ignore[import-not-found]

from bench.histories import RATE
from bench.questions import ALL, FLUX_JOBS, STREAMED, filtered, newest
from bench.timing import ROOT, Clocked, repeat
from tests.support.journal_generator import EPOCH

__all__ = [
    "Instance",
    "Payload",
    "alone",
    "compare",
    "ids",
    "in_turn",
    "main",
    "manage",
    "ours",
    "questions",
    "started",
    "throughput",
]

THEIRS, OURS = "job-list", "jobdb"
_MODULE = str(ROOT / "joblist/job-list.py")
_MANAGER = str(Path(__file__).with_name("job-manager.py"))
_IDS = 100
_REST = 0.2  # seconds until the last events are stored

Payload = dict[str, Any]


class Instance:
    """A connection to the instance that this runs in."""

    def __init__(self) -> None:
        self.handle = flux.Flux()
        self._broker = int(self.handle.attr_get("broker.pid"))
        self._pids: dict[str, int] = {}

    def load(self, name: str, *words: str) -> None:
        """Load a module, by words of ``flux module load``, and remember its process."""
        before = self._children()
        subprocess.run(["flux", "module", "load", "--exec", *words], check=True)  # noqa: S607
        (self._pids[name],) = self._children() - before

    def remove(self, name: str) -> None:
        """Remove a module."""
        subprocess.run(["flux", "module", "remove", name], check=True)  # noqa: S607

    def _children(self) -> set[int]:
        tasks = Path(f"/proc/{self._broker}/task").glob("*/children")
        return {int(pid) for task in tasks for pid in task.read_text("ascii").split()}

    def peak(self, name: str) -> float:
        """Return the peak memory of a module's process, in MB."""
        status = Path(f"/proc/{self._pids[name]}/status").read_text("ascii")
        (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024 / 1e6

    def processor(self, name: str) -> float:
        """Return the processor time of a module's process, in seconds."""
        return _processor(self._pids[name])

    def processor_of_ours(self) -> float:
        """Return that of all processes that run our module."""
        return sum(map(_processor, filter(_is_ours, self._children())))

    def ask(self, topic: str, payload: Payload) -> str:
        """Return a response, as text."""
        text: str = self.handle.rpc(topic, payload).get_str()
        return text

    def stream(self, topic: str, payload: Payload) -> int:
        """Read a streamed response to its end; returns the number of its bytes."""
        rpc = self.handle.rpc(topic, payload, 0, FLUX_RPC_STREAMING)
        size = 0
        while True:
            try:
                size += len(rpc.get_str())
            except OSError as error:
                if error.errno != ENODATA:
                    raise
                return size
            rpc.reset()


def manage(instance: Instance, backlog: str) -> float:
    """Load the module that stands in for the job manager; returns the seconds it took.

    That is the time that any module written in Python needs to start.
    """
    question = ("play", {"file": os.devnull})
    return started(instance, "job-manager", question, _MANAGER, f"backlog={backlog}")


def started(instance: Instance, name: str, question: tuple[str, Payload], *words: str) -> float:
    """Load a module; returns the seconds until it has answered."""
    begun = time.perf_counter()
    instance.load(name, *words)
    instance.ask(f"{name}.{question[0]}", question[1])
    return time.perf_counter() - begun


def ours(folder: str) -> tuple[str, ...]:
    """Return the words that load our module, with a database in ``folder``."""
    return (f"--name={OURS}", _MODULE, f"dbpath={folder}/jobs.sqlite")


def questions(instance: Instance, moment: float) -> dict[str, Callable[[str], object]]:
    """Return the requests that are timed, by name: functions of the service's name."""

    def listed(payload: Payload) -> Callable[[str], object]:
        return lambda name: instance.ask(f"{name}.list", payload)

    def streamed(attrs: list[str]) -> Callable[[str], object]:
        payload = newest(most=STREAMED, attrs=attrs)
        return lambda name: instance.stream(f"{name}.list", payload)

    return {
        "newest 1,000, all attributes": listed(newest()),
        "newest 1,000, as flux jobs asks": listed(newest(attrs=FLUX_JOBS)),
        "20,000 streamed, all attributes": streamed(ALL),
        "20,000 streamed, as flux jobs asks": streamed(FLUX_JOBS),
        **{what: listed(payload) for what, payload in filtered(moment).items()},
    }


def ids(instance: Instance, name: str) -> Callable[[str], object]:
    """Return a function that asks for a sample of jobs, one by one."""
    jobs = json.loads(instance.ask(f"{name}.list", newest(most=0, attrs=[])))["jobs"]
    some = random.Random(1).sample([job["id"] for job in jobs], min(_IDS, len(jobs)))

    def each(name: str) -> None:
        for jobid in some:
            instance.ask(f"{name}.list-id", {"id": jobid, "attrs": ALL})

    return each


def in_turn(instance: Instance, question: Callable[[str], object]) -> list[Clocked]:
    """Time both modules in turn; returns the best time of each, and its mean processor time."""
    before = [instance.processor(name) for name in (THEIRS, OURS)]
    asked = Counter[str]()

    def ask(name: str) -> None:
        asked[name] += 1
        question(name)

    best = repeat(partial(ask, THEIRS), partial(ask, OURS))
    return [
        Clocked(timing.wall, (instance.processor(name) - start) / asked[name])
        for timing, name, start in zip(best, (THEIRS, OURS), before, strict=True)
    ]


def compare(jobs: int, folder: str) -> Payload:
    """Time the same requests to both modules, in turn."""
    instance = Instance()
    manage(instance, f"{folder}/backlog.jsonl")
    first = ("list", newest(most=1))
    taken: Payload = {}
    taken["first ingest"] = [None, (started(instance, OURS, first, *ours(folder)), 0.0)]
    instance.remove(OURS)
    walls = [
        started(instance, THEIRS, first, THEIRS),
        started(instance, OURS, first, *ours(folder)),
    ]
    taken["replay"] = list(zip(walls, map(instance.processor, (THEIRS, OURS)), strict=True))
    moment = EPOCH + jobs / RATE / 2
    asked = questions(instance, moment)
    asked[f"list-id, {_IDS} times"] = ids(instance, OURS)
    for what, question in asked.items():
        taken[what] = in_turn(instance, question)
    instance.ask("job-manager.play", {"file": f"{folder}/active.jsonl"})
    question = questions(instance, moment)["newest 1,000, all attributes"]
    taken["1,000 active, all attributes"] = in_turn(instance, question)
    memory = [instance.peak(THEIRS), instance.peak(OURS)]
    instance.remove(THEIRS)
    instance.remove(OURS)
    instance.remove("job-manager")
    return {"taken": taken, "memory": memory}


def alone(jobs: int, folder: str) -> Payload:
    """Time our module only: while it stores a backlog, and when it reads that again."""
    instance = Instance()
    first = ("list", newest(most=1))
    taken: Payload = {"bare start": manage(instance, f"{folder}/backlog.jsonl")}
    memory: Payload = {}
    taken["first ingest"] = started(instance, OURS, first, *ours(folder))
    memory["first ingest"] = instance.peak(OURS)
    instance.remove(OURS)
    # job-stats and stored jobs are answered while the backlog is still read.
    taken["first answer: job-stats"] = started(instance, OURS, ("job-stats", {}), *ours(folder))
    begun = time.perf_counter()
    instance.ask(f"{OURS}.list", newest(most=1))
    taken["replay"] = time.perf_counter() - begun + taken["first answer: job-stats"]
    for what, question in questions(instance, EPOCH + jobs / RATE / 2).items():
        (timing,) = repeat(partial(question, OURS))
        taken[what] = timing.wall
    memory["replayed and asked"] = instance.peak(OURS)
    instance.ask("job-manager.play", {"file": f"{folder}/active.jsonl"})
    (timing,) = repeat(lambda: instance.ask(f"{OURS}.list", newest()))
    taken["1,000 active, all attributes"] = timing.wall
    memory["with 1,000 active"] = instance.peak(OURS)
    instance.remove(OURS)
    instance.remove("job-manager")
    # With an empty backlog, as if the job manager had purged all jobs: no reading to wait for.
    manage(instance, os.devnull)
    taken["first answer: list"] = started(instance, OURS, ("list", newest()), *ours(folder))
    instance.remove(OURS)
    instance.remove("job-manager")
    return {"taken": taken, "memory": memory}


def _processor(pid: int) -> float:
    tasks = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(task.read_text("ascii").split()[0]) for task in tasks) / 1e9


def _is_ours(pid: int) -> bool:
    return _MODULE.encode() in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")


def throughput(jobs: int) -> dict[str, float]:
    """Run jobs that do nothing.

    Returns the ``speed`` in jobs a second, and the ``processor`` time in seconds that processes
    of modules took for each: of ours, where it is job-list, as flux-core's has none.
    """
    from flux.job import JobspecV1, submit_async  # type: ignore[import-not-found] # noqa: PLC0415

    instance = Instance()
    handle = instance.handle
    jobspec = JobspecV1.from_command(["true"])
    jobspec.setattr("system.exec.test.run_duration", "0.001s")
    text = jobspec.dumps()
    used, begun = instance.processor_of_ours(), time.perf_counter()
    pending = [submit_async(handle, text) for _ in range(jobs)]
    for future in pending:
        future.get_id()
    handle.rpc("job-manager.drain").get()
    taken = time.perf_counter() - begun
    time.sleep(_REST)
    return {"speed": jobs / taken, "processor": (instance.processor_of_ours() - used) / jobs}


def main(command: str, jobs: str, *words: str) -> None:
    """Run a part, and print its results."""
    functions: dict[str, Callable[..., object]] = {
        "compare": compare,
        "alone": alone,
        "throughput": throughput,
    }
    print(json.dumps(functions[command](int(jobs), *words)))


if __name__ == "__main__":
    main(*sys.argv[1:])
