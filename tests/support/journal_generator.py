# SPDX-License-Identifier: LGPL-3.0
"""Synthetic journals: seeded, of realistic shape, of any number of jobs.

Eleven events a job, jobspec and R; two hundred users, four queues, a few thousand names,
jobs of 1 to 64 nodes of 4096. Lines come as live responses do: jobs interleaved, one event
each. ``python -m tests.support.journal_generator 1000`` prints that of a thousand jobs.

A job depends on the seed and its number only, so that a backlog can show the same jobs in
another order without any of them being kept in memory.
"""

from __future__ import annotations

import heapq
import random
import sys
from collections.abc import Callable, Iterator
from math import gcd
from typing import NamedTuple

EPOCH = 1_700_000_000.0
EVENTS = 11
"""Events of a job that has run."""
_QUEUES = ("batch", "batch", "batch", "debug", "gpu", "long")
_APPS = ("lammps", "namd", "hpl", "vasp", "ior", "amber", "cp2k", "train", "preproc", "post")
_NODES = 4096
_STARTED = 7  # events that a job has when it has started


class Posted(NamedTuple):
    """One event: its time in seconds since the epoch, its text, and what comes with it."""

    time: float
    name: str
    text: str
    jobspec: str = ""
    R: str = ""


def journal(
    jobs: int,
    seed: int = 1,
    *,
    rate: float = 50.0,
    start: float = EPOCH,
    first: int = 0,
    running: int = 0,
) -> Iterator[bytes]:
    """Return the lines of a journal of ``jobs`` jobs, submitted ``rate`` a second.

    ``first`` is the number of the first one; the last ``running`` start, and do not finish.
    """
    random_ = random.Random()
    waiting: list[tuple[float, int, bytes]] = []
    yield b'{"id":-1,"events":[]}'
    for number in range(first, first + jobs):
        submitted = start + number / rate
        lines = life(_of_job(random_, seed, number), number, submitted)
        reached = EVENTS if number < first + jobs - running else _STARTED
        for order, (time, line) in enumerate(lines[:reached]):
            heapq.heappush(waiting, (time, number * 16 + order, line))
        while waiting and waiting[0][0] < submitted:
            yield heapq.heappop(waiting)[2]
    while waiting:
        yield heapq.heappop(waiting)[2]


def backlog(
    jobs: int, seed: int = 1, *, rate: float = 50.0, start: float = EPOCH, running: int = 0
) -> Iterator[bytes]:
    """Return the same jobs as a backlog shows them: a line a job, annotations left out.

    They come as the job manager's hash has them: finished ones first, in no order.
    """
    random_ = random.Random()
    finished = jobs - running
    for number in (*_scattered(finished), *range(finished, jobs)):
        jobid, events = _life(_of_job(random_, seed, number), number, start + number / rate)
        known = events[: EVENTS if number < finished else _STARTED]
        texts = ",".join(event.text for event in known if event.name != "annotations")
        jobspec = known[0].jobspec
        r = next(event.R for event in known if event.R)
        yield f'{{"id":{jobid},"events":[{texts}],"jobspec":{jobspec},"R":{r}}}'.encode()
    yield b'{"id":-1,"events":[]}'


def life(random_: random.Random, number: int, submitted: float) -> list[tuple[float, bytes]]:
    """Return (time, line) of each event of one job, in order."""
    jobid, events = _life(random_, number, submitted)
    lines = []
    for time, _, text, jobspec, r in events:
        extra = f',"jobspec":{jobspec}' if jobspec else f',"R":{r}' if r else ""
        lines.append((time, f'{{"id":{jobid},"events":[{text}]{extra}}}'.encode()))
    return lines


def real(number: float) -> str:
    """Return a number as Flux writes it (jansson): 17 digits, and always as a real."""
    text = f"{number:.17g}"
    return text if "." in text or "e" in text else text + ".0"


def _of_job(random_: random.Random, seed: int, number: int) -> random.Random:
    random_.seed(seed << 32 | number)
    return random_


def _scattered(count: int) -> Iterator[int]:
    """Return the numbers below ``count``, each once, scattered as the keys of a hash are."""
    step = next((s for s in range(count * 5 // 8 | 1, 2 * count) if gcd(s, count) == 1), 1)
    return (number * step % count for number in range(count))


class _Job(NamedTuple):
    """What a job asked for and was given, as its texts show it."""

    number: int
    user: int
    queue: str
    name: str
    nodes: int
    first: int  # rank of its first node
    cores: int  # of each node
    duration: float  # limit, in seconds
    run: float  # seconds
    status: int

    @property
    def core(self) -> str:
        """The cores of each node, as an idset."""
        return f"0-{self.cores - 1}" if self.cores > 1 else "0"

    @property
    def ranks(self) -> str:
        """The ranks of its nodes, as an idset."""
        return (
            f"{self.first}-{self.first + self.nodes - 1}" if self.nodes > 1 else f"{self.first}"
        )

    @property
    def hosts(self) -> str:
        """Its nodes, as a hostlist."""
        return f"node[{self.ranks}]" if self.nodes > 1 else f"node{self.ranks}"

    @property
    def where(self) -> str:
        """Its resources, as the scheduler summarizes them."""
        ranks = f"rank[{self.ranks}]" if self.nodes > 1 else f"rank{self.ranks}"
        return f"{ranks}/core[{self.core}]" if self.cores > 1 else f"{ranks}/core{self.core}"


def _drawn(random_: random.Random, number: int) -> _Job:
    """Draw a job. The order of the draws is part of what makes journals reproducible."""
    uniform = random_.random
    user = 1000 + int(random_.paretovariate(0.6)) % 200
    queue = _QUEUES[int(uniform() * 6)]
    name = f"{_APPS[int(uniform() * 10)]}-{int(uniform() * 400)}"
    nodes = 1 << int(uniform() * 7)
    first = int(uniform() * (_NODES - nodes))
    cores = (1, 8, 32)[int(uniform() * 3)]
    duration = (600.0, 3600.0, 7200.0, 86400.0)[int(uniform() * 4)]
    run = min(random_.expovariate(1 / 120.0), duration)
    luck = uniform()
    status = 0 if luck < 0.9 else 256 if luck < 0.98 else 9
    return _Job(number, user, queue, name, nodes, first, cores, duration, run, status)


def _jobspec(job: _Job, uniform: Callable[[], float]) -> str:
    return (
        f'{{"resources":[{{"type":"node","count":{job.nodes},"with":[{{"type":"slot","count":1,'
        f'"label":"task","with":[{{"type":"core","count":{job.cores}}}]}}]}}],"tasks":[{{'
        f'"command":["./{job.name}","--input","case-{int(uniform() * 10_000)}.in"],"slot":'
        f'"task","count":{{"per_slot":1}}}}],"attributes":{{"system":{{"duration":'
        f'{job.duration},"cwd":"/p/lustre/user{job.user}/run{int(uniform() * 1000)}","queue":'
        f'"{job.queue}","bank":"bank{job.user % 20}","job":{{"name":"{job.name}"}},"shell":'
        f'{{"options":{{"rlimit":{{"cpu":-1,"core":16384}}}}}},"constraints":{{"properties":'
        f'["{job.queue}"]}}}}}},"version":1}}'
    )


def _allocated(job: _Job, began: float) -> str:
    """Return the R of a job."""
    return (
        f'{{"version":1,"execution":{{"R_lite":[{{"rank":"{job.ranks}","children":{{"core":'
        f'"{job.core}"}}}}],"starttime":{real(began)},'
        f'"expiration":{real(began + job.duration)},'
        f'"nslots":{job.nodes},"nodelist":["{job.hosts}"],"properties":{{"{job.queue}":'
        f'"{job.ranks}"}}}}}}'
    )


def _life(random_: random.Random, number: int, submitted: float) -> tuple[int, list[Posted]]:
    """Return the id and the events of one job."""
    uniform = random_.random
    jobid = (int((submitted - EPOCH) * 1000) << 24) | (number & 0x3FF)
    job = _drawn(random_, number)
    now = submitted
    events: list[Posted] = []

    def post(
        after: float, event: str, context: str = "", jobspec: str = "", r: str = ""
    ) -> None:
        nonlocal now
        now += after
        tail = f',"context":{context}' if context else ""
        text = f'{{"timestamp":{real(now)},"name":"{event}"{tail}}}'
        events.append(Posted(now, event, text, jobspec, r))

    def about(seconds: float) -> float:
        """Return a duration near ``seconds`` that never repeats, as on a real machine."""
        return seconds * (0.5 + uniform())

    jobspec = _jobspec(job, uniform)
    post(about(0.001), "submit", f'{{"userid":{job.user},"urgency":16,"flags":0,"version":1}}',
         jobspec=jobspec)  # fmt: skip
    post(about(0.0105), "validate")
    post(about(0.0108), "depend")
    post(about(0.00002), "priority", f'{{"priority":{int(uniform() * 1_000_000)}}}')
    summary = f'{{"sched":{{"resource_summary":"{job.where}"}}}}'
    post(random_.expovariate(1 / 20.0), "annotations", f'{{"annotations":{summary}}}')
    r = _allocated(job, now - about(0.001))
    post(about(0.000007), "alloc", f'{{"annotations":{summary}}}', r=r)
    post(about(0.0032), "start")
    post(job.run, "finish", f'{{"status":{job.status}}}')
    post(about(0.0101), "release", '{"ranks":"all","final":true}')
    post(about(0.00003), "free")
    post(about(0.000008), "clean")
    return jobid, events


if __name__ == "__main__":
    for line in journal(int(sys.argv[1])):
        sys.stdout.buffer.write(line + b"\n")
