# SPDX-License-Identifier: LGPL-3.0
"""Synthetic journals: seeded, of realistic shape, as many jobs as one likes.

Eleven events a job, jobspec and R; two hundred users, four queues, a few thousand names,
jobs of 1 to 64 nodes of 4096. Lines come as live responses do: jobs interleaved, one event
each. ``python -m bench.generate 1000`` prints the journal of a thousand jobs.
"""

from __future__ import annotations

import heapq
import random
import sys
from collections.abc import Iterator

EPOCH = 1_700_000_000.0
_QUEUES = ("batch", "batch", "batch", "debug", "gpu", "long")
_APPS = ("lammps", "namd", "hpl", "vasp", "ior", "amber", "cp2k", "train", "preproc", "post")
_NODES = 4096


def journal(
    jobs: int, seed: int = 1, *, rate: float = 50.0, start: float = EPOCH
) -> Iterator[bytes]:
    """Return the lines of a journal of ``jobs`` jobs, submitted ``rate`` a second."""
    random_ = random.Random(seed)
    waiting: list[tuple[float, int, bytes]] = []
    yield b'{"id":-1,"events":[]}'
    for number in range(jobs):
        submitted = start + number / rate
        for order, (time, line) in enumerate(life(random_, number, submitted)):
            heapq.heappush(waiting, (time, number * 16 + order, line))
        while waiting and waiting[0][0] < submitted:
            yield heapq.heappop(waiting)[2]
    while waiting:
        yield heapq.heappop(waiting)[2]


def backlog(jobs: int, seed: int = 1, *, rate: float = 50.0) -> Iterator[bytes]:
    """Return the same jobs as a backlog shows them: a line a job, annotations left out."""
    random_ = random.Random(seed)
    for number in range(jobs):
        lines = [line for _, line in life(random_, number, EPOCH + number / rate)]
        events, jobspec, r = [], b"", b""
        for line in lines:
            body = line[line.index(b"[") + 1 :]
            event, _, tail = body.partition(b"]" if b'],"' in body else b"]}")
            if b'"name":"annotations"' in line:
                continue
            if b'],"jobspec":' in line:
                event, _, tail = body.partition(b'],"jobspec":')
                jobspec = tail[:-1]
            elif b'],"R":' in line:
                event, _, tail = body.rpartition(b'],"R":')
                r = tail[:-1]
            else:
                event = body.removesuffix(b"]}")
            events.append(event)
        head = lines[0][: lines[0].index(b",")]
        yield b'%b,"events":[%b],"jobspec":%b,"R":%b}' % (head, b",".join(events), jobspec, r)
    yield b'{"id":-1,"events":[]}'


def life(random_: random.Random, number: int, submitted: float) -> list[tuple[float, bytes]]:
    """Return (time, line) of each event of one job, in order."""
    jobid = (int((submitted - EPOCH) * 1000) << 24) | (number & 0x3FF)
    user = 1000 + int(random_.paretovariate(0.6)) % 200
    queue = random_.choice(_QUEUES)
    name = f"{random_.choice(_APPS)}-{random_.randrange(400)}"
    nodes = 1 << random_.randrange(7)
    first = random_.randrange(_NODES - nodes)
    cores = random_.choice((1, 8, 32))
    core = f"0-{cores - 1}" if cores > 1 else "0"
    duration = random_.choice((600.0, 3600.0, 7200.0, 86400.0))
    run = min(random_.expovariate(1 / 120.0), duration)
    status = random_.choices((0, 256, 9), (90, 8, 2))[0]
    ranks = f"{first}-{first + nodes - 1}" if nodes > 1 else f"{first}"
    hosts = f"node[{ranks}]" if nodes > 1 else f"node{first}"
    now = submitted
    lines: list[tuple[float, bytes]] = []

    def post(delay: float, event: str, context: str = "", extra: str = "") -> None:
        nonlocal now
        now = round(now + delay, 7)
        tail = f',"context":{context}' if context else ""
        text = f'{{"timestamp":{now!r},"name":"{event}"{tail}}}'
        lines.append((now, f'{{"id":{jobid},"events":[{text}]{extra}}}'.encode()))

    jobspec = (
        f'{{"resources":[{{"type":"node","count":{nodes},"with":[{{"type":"slot","count":1,'
        f'"label":"task","with":[{{"type":"core","count":{cores}}}]}}]}}],"tasks":[{{"command":'
        f'["./{name}","--input","case-{random_.randrange(10_000)}.in"],"slot":"task","count":'
        f'{{"per_slot":1}}}}],"attributes":{{"system":{{"duration":{duration},"cwd":'
        f'"/p/lustre/user{user}/run{random_.randrange(1000)}","queue":"{queue}","bank":"bank'
        f'{user % 20}","job":{{"name":"{name}"}},"shell":{{"options":{{"rlimit":{{"cpu":-1,'
        f'"core":16384}}}}}},"constraints":{{"properties":["{queue}"]}}}}}},"version":1}}'
    )
    post(0, "submit", f'{{"userid":{user},"urgency":16,"flags":0,"version":1}}',
         f',"jobspec":{jobspec}')  # fmt: skip
    post(0.0105, "validate")
    post(0.0108, "depend")
    post(0.00002, "priority", f'{{"priority":{random_.randrange(1_000_000)}}}')
    waits = random_.expovariate(1 / 20.0)
    summary = f'{{"sched":{{"resource_summary":"rank[{ranks}]/core[{core}]"}}}}'
    post(waits, "annotations", f'{{"annotations":{summary}}}')
    start = now
    r = (
        f'{{"version":1,"execution":{{"R_lite":[{{"rank":"{ranks}","children":{{"core":'
        f'"{core}"}}}}],"starttime":{start!r},"expiration":{start + duration!r},"nslots":'
        f'{nodes},"nodelist":["{hosts}"],"properties":{{"{queue}":"{ranks}"}}}}}}'
    )
    post(0.000007, "alloc", f'{{"annotations":{summary}}}', f',"R":{r}')
    post(0.0032, "start")
    post(run, "finish", f'{{"status":{status}}}')
    post(0.0101, "release", '{"ranks":"all","final":true}')
    post(0.00003, "free")
    post(0.000008, "clean")
    return lines


if __name__ == "__main__":
    for text in journal(int(sys.argv[1])):
        sys.stdout.buffer.write(text + b"\n")
