# SPDX-License-Identifier: LGPL-3.0
"""A guest who looks for requests that hold up others.

    python -m tests.flux.attacks.torture.fuzz_guest [--requests 10000] [--seed N] [--longest S]

starts an instance and lets a search run in it. While each request is being answered, an
owner's list of five jobs is asked for, over and over, and a ping of another module, which
shows what the machine does. Requests that held up the list most are changed a little and
tried again. What is not answered after ``--longest`` seconds is given up, by closing the
connection. ``--gene JSON`` tries one request alone. Each fault is printed to the standard
error as it is found, and how far the search is.
"""

from __future__ import annotations

import argparse
import heapq
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from errno import EPROTO
from pathlib import Path
from typing import Any

from tests.flux.attacks.torture.genes import Gene, changed, fresh, request

MOST_HELD = 0.5
"""Seconds that an innocent client may be held up by any request."""
STRETCH = float(os.environ.get("ATTACK_STRETCH", "1"))
"""How much longer than its processor's time work takes on this machine (`siege.stretch`)."""
_SERVICE = "job-list"
_FIVE = {"max_entries": 5, "attrs": ["state"]}
_ELITE = 40  # requests that are gone on with
_FRESH = 0.3  # the part of requests that owe nothing to these
_PATIENCE = 60.0  # seconds without a response, after which none is waited for
_LONGEST = 600.0  # seconds that one request is waited for, and its responses are read
_TELL = 50  # requests between two lines of the standard error
_AGAIN = 2  # times that a request must hold others once more, before it is said to
_ENOUGH = 10  # faults, after which no more are looked for
_MOST_RESPONSES = 2 * int(os.environ.get("ATTACK_JOBS", "100000"))
_LONG = "answered, but not to its end"
_GIVEN_UP = "given up before it was answered"
_ENDED = "list"
"""The only method whose streams end: of the others, one response is all, or all for now."""
_ENODATA = 61
_TICK = os.sysconf("SC_CLK_TCK")


def used(pid: int) -> float:
    """Return the processor time of a process, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


class Tried:
    """What came of one request: seconds of processor time of the module's own process, the
    longest that another question and a ping took meanwhile, and what was said."""

    def __init__(self, gene: Gene, size: int) -> None:
        self.gene, self.size = gene, size
        self.used = self.held = self.machine = self.took = 0.0
        self.responses = 0
        self.outcome = "never answered"

    @property
    def beyond(self) -> float:
        """Seconds that the request, and not the machine, held others up."""
        return self.held - self.machine

    @property
    def too_long(self) -> bool:
        return self.beyond > MOST_HELD * STRETCH

    def figures(self) -> dict[str, object]:
        numbers = {k: round(getattr(self, k), 3) for k in ("used", "held", "machine", "took")}
        rest = {"bytes": self.size, "responses": self.responses, "outcome": self.outcome}
        return {**numbers, **rest, "gene": self.gene}


class Guest:
    """Sends requests as a guest, and looks as the owner what that does to others."""

    def __init__(self, module: int, longest: float) -> None:
        import flux  # type: ignore[import-not-found]  # noqa: PLC0415

        self._module = module
        self._connect = flux.Flux
        self._owner = self._connect()
        os.environ.update(FLUX_HANDLE_USERID="4201", FLUX_HANDLE_ROLEMASK="0x2")
        self._guest = self._connect()
        self._longest = longest

    def attempt(self, gene: Gene) -> Tried:
        """Try a request, until it is answered to its end."""
        asked = request(gene)
        tried = Tried(gene, len(asked.text))
        before, begin = used(self._module), time.monotonic()
        rpc = self._guest.rpc(
            f"{_SERVICE}.{asked.method}", asked.text, flags=2 if asked.streaming else 0
        )
        last = begin
        while time.monotonic() < min(last + _PATIENCE, begin + self._longest):
            self._look(tried)
            before_it = tried.responses
            outcome = self._outcome(rpc, tried, streaming=asked.streaming)
            if outcome is None and tried.responses and asked.method != _ENDED:
                outcome = _LONG
                self._guest = self._connect()
            if outcome is not None:
                tried.outcome = outcome
                break
            if tried.responses > before_it:
                last = time.monotonic()
        else:  # what goes on ends with the connection, and is in nobody's way afterwards
            if time.monotonic() < last + _PATIENCE and tried.responses <= _MOST_RESPONSES:
                tried.outcome = _LONG if tried.responses else _GIVEN_UP
            self._guest = self._connect()
        tried.took = time.monotonic() - begin
        tried.used = used(self._module) - before
        return tried

    def _look(self, tried: Tried) -> None:
        for name, topic, payload in (
            ("held", f"{_SERVICE}.list", _FIVE),
            ("machine", "job-info.ping", {"seq": 0}),
        ):
            begin = time.monotonic()
            self._owner.rpc(topic, payload).get()
            took = time.monotonic() - begin
            setattr(tried, name, max(getattr(tried, name), took))

    def _outcome(self, rpc: Any, tried: Tried, *, streaming: bool) -> str | None:
        """Take responses for a moment; returns what was said, None if that is not all yet."""
        end = time.monotonic() + 0.05
        while time.monotonic() < end:
            try:
                rpc.wait_for(0.005)
            except TimeoutError:
                return None
            try:  # apart from that: a response may say ETIMEDOUT, too
                rpc.get_str()
            except OSError as error:
                if error.errno == _ENODATA:
                    return "answered"
                return f"{error.errno}: {rpc.error_string()}"
            except UnicodeDecodeError as error:  # Flux cuts texts after 159 bytes
                return f"{EPROTO}: {error.object.decode(errors='replace')}"
            tried.responses += 1
            if not streaming:
                return "answered"
            rpc.reset()
        return None


def search(guest: Guest, requests: int, seed: int) -> dict[str, object]:
    """Try requests; returns figures, with ``faults`` that name what does not hold."""
    rng = random.Random(seed)
    best: list[tuple[float, int, Tried]] = []
    outcomes: Counter[str] = Counter()
    worst = Tried(Gene(), 0)
    faults: list[dict[str, object]] = []
    for number in range(requests):
        if len(best) < _ELITE or rng.random() < _FRESH:
            gene = fresh(rng)
        else:
            gene = changed(rng, rng.choice(best)[2].gene, rng.choice(best)[2].gene)
        tried = guest.attempt(gene)
        outcomes[tried.outcome[:70]] += 1
        worst = max(worst, tried, key=lambda t: t.beyond)
        heapq.heappush(best, (tried.beyond, number, tried))
        if len(best) > _ELITE:
            heapq.heappop(best)
        unclear = not _clear(tried.outcome)
        if unclear or (tried.too_long and _again(guest, gene)):
            faults.append(tried.figures())
            print("fault:", json.dumps(faults[-1]), file=sys.stderr, flush=True)
            if len(faults) == _ENOUGH:
                break
        if (number + 1) % _TELL == 0:
            print(
                f"{number + 1} requests, held {worst.held:.3f} s at worst (the machine: "
                f"{worst.machine:.3f} s), {len(faults)} faults",
                file=sys.stderr,
                flush=True,
            )
    return {
        "requests": sum(outcomes.values()),
        "seed": seed,
        "worst": worst.figures(),
        "held most": [t.figures() for _, _, t in heapq.nlargest(10, best)],
        "outcomes": dict(outcomes.most_common()),
        "faults": faults,
    }


def _again(guest: Guest, gene: Gene) -> bool:
    """Whether it was the request, and not the machine."""
    return all(guest.attempt(gene).too_long for _ in range(_AGAIN))


def _clear(outcome: str) -> bool:
    if outcome in {"answered", _LONG, _GIVEN_UP}:
        return True
    _, _, text = outcome.partition(": ")
    return bool(text.strip()) and "internal error" not in text


def run(requests: int, seed: int, gene: str = "", longest: float = _LONGEST) -> dict[str, Any]:
    """Search in an instance of its own; returns `search`'s figures."""
    from tests.flux.attacks import history  # noqa: PLC0415 - Flux's Python needs none of it
    from tests.flux.attacks.instance import Attacked  # noqa: PLC0415
    from tests.flux.attacks.siege import stretch  # noqa: PLC0415
    from tests.support.flux.instance import Instances, program  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as folder:
        instances = Instances(program(), Path(folder))
        flux = Attacked(instances, f"dbpath={history.long_history(Path(folder))}")
        try:
            words = [instances.program, "python", __file__, "inside", str(flux.module)]
            done = subprocess.run(
                [*words, str(requests), str(seed), gene, str(longest)],
                stdout=subprocess.PIPE,
                text=True,
                check=False,
                env={**flux.env, "ATTACK_STRETCH": str(stretch(3.0))},
            )
            alive = flux.alive
        finally:
            flux.stop()
    found: dict[str, Any] = json.loads(done.stdout) if done.stdout else {"faults": []}
    if not alive or done.returncode:
        found["faults"].append("the instance or the module has ended")
    return found


def inside(module: str, requests: str, seed: str, gene: str, longest: str) -> None:
    """Run in Flux's Python, in the instance."""
    guest = Guest(int(module), float(longest))
    if gene:
        figures = guest.attempt(Gene(*json.loads(gene))).figures()
        print(json.dumps({**figures, "faults": []}))
    else:
        print(json.dumps(search(guest, int(requests), int(seed))))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 10**6)
    parser.add_argument("--gene", default="")
    parser.add_argument("--longest", type=float, default=_LONGEST)
    given = parser.parse_args()
    found = run(given.requests, given.seed, given.gene, given.longest)
    print(json.dumps(found, indent=1))
    return bool(found["faults"])


if __name__ == "__main__":
    if sys.argv[1:2] == ["inside"]:
        inside(*sys.argv[2:])
    else:
        sys.exit(main())
