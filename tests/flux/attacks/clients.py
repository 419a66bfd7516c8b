# SPDX-License-Identifier: LGPL-3.0
"""Processes of their own, with Flux's Python: who is attacked, and who attacks.

innocent SERVICE FILE     every 50 ms asks for a list of five jobs, and for a ping of a module
                          that has nothing to do with job-list: what that takes is the
                          machine's. FILE: ``KIND SENT [LATENCY ERRNO]`` a line, in seconds
jobs FILE [COUNT]         keeps mock jobs running, some at once; FILE: a time a finished job
ask TOPIC                 answers the request on standard input
attack SERVICE KIND INFLIGHT [RATE]
                          for each line ``SECONDS`` on standard input, attacks for that long
                          and prints a JSON object that says what came of it; RATE: requests
                          a second, at most. ``SECONDS decoy``: the same requests go to a
                          service that is not there, so that the broker has them to carry
guest SERVICE SECONDS SEED
                          attacks in all ways by turns; prints such an object for each
compare ONE OTHER         for each line of ids on standard input, prints those for which the
                          services' list-id differ
differ ONE OTHER          prints in what the services' lists of all jobs and stats differ
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from collections import Counter, deque
from collections.abc import Callable
from itertools import cycle
from math import inf
from typing import Any

import flux  # type: ignore[import-not-found]
from flux.constants import FLUX_RPC_STREAMING  # type: ignore[import-not-found]

from tests.flux.attacks.payloads import PLANS, Ask, listing
from tests.support.flux.tool import jobspec, signed

PERIOD = 0.05
"""Seconds between two questions of the innocent client."""
GRACE = 45.0
"""Seconds that an attacker waits for its last answers."""
_WAITABLE = 4  # FLUX_JOB_WAITABLE (flux-core, job.h)
_ENODATA = 61
Figures = dict[str, object]
"""What came of an attack: sent, responses, worst (seconds) and outcomes, by their number."""
_FIVE = {"max_entries": 5, "attrs": ["state"]}


def innocent(service: str, path: str) -> None:
    handle = flux.Flux()
    with open(path, "a", buffering=1, encoding="ascii") as file:

        def came(rpc: Any, kind: str, sent: float) -> None:
            errno: int | None = 0
            try:
                rpc.get()
            except OSError as error:
                errno = error.errno
            file.write(f"{kind} {sent:.6f} {time.monotonic() - sent:.6f} {errno}\n")

        def tick(*_: Any) -> None:
            for kind, topic, request in (
                ("list", f"{service}.list", _FIVE),
                ("ping", "job-info.ping", {"seq": 0}),
            ):
                sent = time.monotonic()
                file.write(f"{kind} {sent:.6f}\n")
                handle.rpc(topic, request).then(came, kind, sent)

        handle.timer_watcher_create(0.0, tick, repeat=PERIOD).start()
        handle.reactor_run()


def jobs(path: str, count: str = "0", parallel: str = "8") -> None:
    handle = flux.Flux()
    user, left = os.getuid(), int(count) or 2**40
    with open(path, "a", buffering=1, encoding="ascii") as file:

        def submit() -> None:
            nonlocal left
            left -= 1
            if left < 0:
                return
            request = {"J": signed(jobspec(1), user), "urgency": 16, "flags": _WAITABLE}
            handle.rpc("job-ingest.submit", request).then(submitted)

        def submitted(rpc: Any) -> None:
            handle.rpc("job-manager.wait", {"id": rpc.get()["id"]}).then(finished)

        def finished(rpc: Any) -> None:
            rpc.get()
            file.write(f"{time.monotonic():.6f}\n")
            submit()

        for _ in range(int(parallel)):
            submit()
        handle.reactor_run()


def ask(topic: str) -> None:
    try:
        print(flux.Flux().rpc(topic, sys.stdin.read()).get_str())
    except OSError as error:
        print(f"error {error.errno} {error.strerror}")


class Attack:
    """Sends requests as long as it is told to, some at once, and counts what comes back."""

    def __init__(self, service: str, asks: list[Ask], inflight: int, rate: float = inf) -> None:
        self.service, self._asks, self._inflight = service, cycle(asks), inflight
        self._handle = flux.Flux()
        self._outcomes: Counter[str] = Counter()
        self._pending: dict[int, Any] = {}
        self._timers: deque[Any] = deque(maxlen=inflight)  # one that is gone does not fire
        self._end = 0.0
        self._worst = 0.0
        self._sent = self._responses = 0
        self._period, self._next = 1 / rate, 0.0  # seconds; when the next may be sent

    def run(self, seconds: float) -> Figures:
        self._outcomes.clear()
        self._end = time.monotonic() + seconds
        for _ in range(self._inflight):
            self._send()
        timer = self._handle.timer_watcher_create(seconds + GRACE, self._give_up)
        timer.start()
        timer.unref()
        if self._pending:
            self._handle.reactor_run()
        timer.stop()
        self._outcomes["never answered"] += len(self._pending)
        self._pending.clear()
        return self._figures()

    def _figures(self) -> Figures:
        return {
            "sent": self._sent,
            "responses": self._responses,
            "worst": round(self._worst, 3),
            "outcomes": {text: n for text, n in self._outcomes.items() if n},
        }

    def _give_up(self, *_: Any) -> None:
        self._handle.reactor_stop()

    def _send(self) -> None:
        self._next = max(self._next, time.monotonic() - self._period) + self._period
        asked = next(self._asks)
        flags = FLUX_RPC_STREAMING if asked.streaming else 0
        topic = f"{self.service}.{asked.method}"
        rpc = self._handle.rpc(topic, asked.text, flags=flags)
        self._sent += 1
        self._pending[id(rpc)] = rpc
        rpc.then(self._came, asked.streaming, time.monotonic())

    def _came(self, rpc: Any, streaming: bool, sent: float) -> None:
        outcome = "answered"
        try:
            rpc.get_str()
            self._responses += 1
            if streaming:
                rpc.reset()
                return
        except OSError as error:
            if error.errno != _ENODATA:
                outcome = f"{error.errno}: {rpc.error_string()}"
        self._outcomes[outcome] += 1
        self._worst = max(self._worst, time.monotonic() - sent)
        self._pending.pop(id(rpc), None)
        self._go_on()

    def _go_on(self, *_: Any) -> None:
        now = time.monotonic()
        if now >= self._end:
            if not self._pending:
                self._handle.reactor_stop()
        elif now >= self._next:
            self._send()
        else:
            timer = self._handle.timer_watcher_create(self._next - now, self._go_on)
            timer.start()
            self._timers.append(timer)

    # -- attacks that are no requests one after the other

    def hold(self, asks: list[Ask], seconds: float, *, read: bool) -> Figures:
        """Send all at once and hold them, reading what comes or not; then read, and leave."""
        self._end = 0.0
        self._asks = cycle(asks)
        for _ in asks:
            self._send()
        if not read:
            time.sleep(seconds)
        timer = self._handle.timer_watcher_create(seconds if read else 2.0, self._give_up)
        timer.start()
        self._handle.reactor_run()
        self._outcomes["held"] = len(self._pending)
        self._pending.clear()
        self._handle = flux.Flux()  # what is forgotten is closed, and so are its requests
        return self._figures()


def held(count: int, asked: Ask, *, read: bool) -> Callable[[Attack, float], Figures]:
    return lambda attack, seconds: attack.hold([asked] * count, seconds, read=read)


def unknown_ids(attack: Attack, seconds: float) -> Figures:
    first = time.time_ns() % 2**40
    asks = [Ask("list-id", f'{{"id":{first + n},"attrs":["all"]}}') for n in range(2000)]
    return attack.hold(asks, seconds, read=True)


def waited_states(attack: Attack, seconds: float) -> Figures:
    """Wait for the end of a job that does not end: each wait is a request of its own."""
    request = {"max_entries": 0, "attrs": ["urgency"], "constraint": {"states": ["sched"]}}
    found = flux.Flux().rpc(f"{attack.service}.list", request).get()["jobs"]
    job = next(job for job in found if job["urgency"] == 0)
    asked = Ask("list-id", f'{{"id":{job["id"]},"attrs":["all"],"state":64}}')
    return attack.hold([asked] * 20_000, seconds, read=True)


def disconnects(attack: Attack, seconds: float) -> Figures:
    """Open connections, ask each for long streams, and leave them at once."""
    asked = listing(most="0", attrs='["all"]', streaming=True)
    end, count = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        handle = flux.Flux()
        topics = [f"{attack.service}.list"] * 10 + [f"{attack.service}.job-stats"]
        rpcs = [handle.rpc(t, asked.text, flags=FLUX_RPC_STREAMING) for t in topics]
        del rpcs, handle  # which closes the connection
        count += 1
    return {"sent": 11 * count, "responses": 0, "worst": 0.0, "outcomes": {"left": count}}


SPECIAL: dict[str, Callable[[Attack, float], Figures]] = {
    "unread-streams": held(1000, listing(most="2000", attrs="[]", streaming=True), read=False),
    "unread-lists": held(300, listing(most="5000", attrs='["all"]'), read=False),
    "watchers": held(5000, Ask("job-stats", "{}", streaming=True), read=True),
    "unread-watchers": held(2000, Ask("job-stats", "{}", streaming=True), read=False),
    "unknown-ids": unknown_ids,
    "waited-states": waited_states,
    "disconnects": disconnects,
}
TOGETHER = SPECIAL | {
    "unread-lists": held(10, listing(most="5000", attrs='["all"]'), read=False),
}
"""Of ten guests at once: what nobody reads is kept by the broker, which has no bound for it."""


def attack(service: str, kind: str, inflight: str, rate: str = "inf") -> None:
    asks = PLANS[kind]() if kind in PLANS else []
    attacker = Attack(service, asks, int(inflight), float(rate))
    decoy = Attack("nobody", asks, int(inflight), float(rate))
    print("ready", flush=True)
    for line in sys.stdin:
        seconds, *to_nobody = line.split()
        if kind in PLANS:
            found = (decoy if to_nobody else attacker).run(float(seconds))
        elif to_nobody:  # who is not there holds nothing
            time.sleep(float(seconds))
            found = {}
        else:
            found = SPECIAL[kind](attacker, float(seconds))
        print(json.dumps(found), flush=True)


def guest(service: str, seconds: str, seed: str) -> None:
    rng = random.Random(int(seed))
    end = time.monotonic() + float(seconds)
    while time.monotonic() < end:
        kind = rng.choice([*PLANS, *TOGETHER])
        attacker = Attack(service, PLANS[kind]() if kind in PLANS else [], rng.randrange(1, 4))
        for_ = min(5.0, max(0.1, end - time.monotonic()))
        found = TOGETHER[kind](attacker, for_) if kind in TOGETHER else attacker.run(for_)
        print(json.dumps({"kind": kind, **found}), flush=True)
        del attacker  # its connection, too


def compare(one: str, other: str) -> None:
    handle = flux.Flux()
    for line in sys.stdin:
        differing = []
        for jobid in map(int, line.split()):
            request = {"id": jobid, "attrs": ["all"]}
            rpcs = [handle.rpc(f"{service}.list-id", request) for service in (one, other)]
            answers = [rpc.get() for rpc in rpcs]
            if answers[0] != answers[1]:
                differing.append(jobid)
        print(json.dumps(differing), flush=True)


def differ(one: str, other: str) -> None:
    found: list[str] = []
    asked: list[tuple[str, dict[str, object]]] = [
        ("list", {"max_entries": 0, "attrs": ["all"]}),
        ("job-stats", {}),
    ]
    for method, request in asked:
        answers = []
        for service in (one, other):
            handle = flux.Flux()
            if method == "list":
                answers.append(all_jobs(handle, service, request))
            else:
                answers.append([handle.rpc(f"{service}.{method}", request).get()])
        if len(answers[0]) != len(answers[1]):
            found.append(f"{method}: {len(answers[0])} and {len(answers[1])}")
        pairs = zip(*answers, strict=False)
        found += [f"{method}: {a} and {b}" for a, b in pairs if a != b][:5]
    print(json.dumps(found))


def all_jobs(handle: Any, service: str, request: dict[str, object]) -> list[Any]:
    """Return a list of all jobs, taken as a stream."""
    rpc = handle.rpc(f"{service}.list", request, flags=FLUX_RPC_STREAMING)
    jobs_: list[Any] = []
    while True:
        try:
            jobs_ += rpc.get()["jobs"]
        except OSError as error:
            if error.errno != _ENODATA:
                raise
            return jobs_
        rpc.reset()


if __name__ == "__main__":
    commands: dict[str, Callable[..., None]] = {
        "innocent": innocent,
        "jobs": jobs,
        "ask": ask,
        "attack": attack,
        "guest": guest,
        "compare": compare,
        "differ": differ,
    }
    commands[sys.argv[1]](*sys.argv[2:])
