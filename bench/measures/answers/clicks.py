# SPDX-License-Identifier: LGPL-3.0
"""The writer while people click: ten of them ask for pages, one after another, without a pause.

Events come 9,000 a second, as a busy broker's do. What a batch takes is compared with the same
without people, in turn; they and the server are processes of their own.
"""

from __future__ import annotations

import http.client
import random
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from bench.histories import RATE, Bench, chunks, history
from bench.report import Row
from bench.timing import ROOT, Clocked, clocked
from eventstore.ingest.writer import Writer
from projections.engine.views import Views
from tests.support.journal_generator import journal

__all__ = ["main", "measure"]

PEOPLE = 10
MOST_SLOWER = 1.02
EVENTS = 9000.0
"""A second."""
_TURNS = 6
_BATCHES = 12
_LINES = 900  # a batch, which is a tenth of a second
_ADDRESSES = (
    "/", "/jobs", "/jobs?states=failed", "/jobs?user=1001", "/nodes", "/about",
    "/reports?kind=jobs&by=day", "/reports?kind=usage&group=queue", "/metrics",
)  # fmt: skip


def measure(bench: Bench) -> Iterator[Row]:
    """Append with and without people, by turns."""
    stored = history(bench.folder, bench.jobs)
    more = journal(10**6, rate=RATE, first=bench.jobs + 10**6, seed=2)  # as many as are taken
    batches = chunks(more, _LINES)
    with stored.copy() as store:
        writer = Writer(store, "bench", Views(store))
        alone, among = [], []
        clicks: list[int] = []
        for _ in range(_TURNS):
            alone.append(_appended(writer, batches))
            with _people(store.path, clicks):
                among.append(_appended(writer, batches))
        writer.close()
    of = f"while {PEOPLE} people click, of {stored.jobs:,} jobs"
    for what, place in (("wall time", 0), ("processor time", 1)):
        old, new = (statistics.median(one[place] for one in found) for found in (alone, among))
        yield Row("clicks", f"a batch's {what} {of}", new / old, "x", MOST_SLOWER)
    yield Row("clicks", f"pages a second {of}", sum(clicks) / _TURNS / 1.2, "1/s")


def _appended(writer: Writer, batches: Iterator[list[bytes]]) -> Clocked:
    """Append some batches at the rate of events; returns the sums of what they took."""
    found = []
    due = time.monotonic()
    for _ in range(_BATCHES):
        lines = next(batches)
        time.sleep(max(due - time.monotonic(), 0.0))
        due += len(lines) / EVENTS
        found.append(clocked(lambda lines=lines: writer.append(lines)))  # type: ignore[misc]
    return Clocked(sum(one.wall for one in found), sum(one.processor for one in found))


@contextmanager
def _people(path: str, clicks: list[int]) -> Iterator[None]:
    """Serve the database, and have people ask for its pages; adds how many they got."""
    words = [sys.executable, "-m", "flux_jobdb", "--db", path, "web", "--port", "0"]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, cwd=ROOT, stdout=pipe, text=True) as server:
        assert server.stdout is not None
        address = server.stdout.readline().split()[-1]
        asking = [sys.executable, "-m", __spec__.name, address]
        with subprocess.Popen(asking, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as people:
            assert people.stdout is not None
            people.stdout.readline()  # all of them have got a page
            yield
            clicks.append(int(people.communicate()[0]))
        server.terminate()


def main(address: str) -> None:
    """Be ten people, until standard input ends; prints how many pages they got."""
    found = urlsplit(address)
    counts, is_over = [0] * PEOPLE, threading.Event()
    ready = threading.Barrier(PEOPLE + 1)

    def click(number: int) -> None:
        choice = random.Random(number)
        client = http.client.HTTPConnection(found.hostname or "", found.port)
        client.request("GET", f"/?{found.query}")
        answer = client.getresponse()
        answer.read()
        cookie = (answer.getheader("set-cookie") or "").split(";")[0]
        ready.wait()
        while not is_over.is_set():
            client.request("GET", choice.choice(_ADDRESSES), headers={"Cookie": cookie})
            answer = client.getresponse()
            answer.read()
            assert answer.status == 200, answer.status
            counts[number] += 1
        client.close()

    people = [threading.Thread(target=click, args=(number,)) for number in range(PEOPLE)]
    for one in people:
        one.start()
    ready.wait()
    print("ready", flush=True)
    sys.stdin.read()
    is_over.set()
    for one in people:
        one.join()
    print(sum(counts))


if __name__ == "__main__":
    main(sys.argv[1])
