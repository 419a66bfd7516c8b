# SPDX-License-Identifier: LGPL-3.0
"""kill -9: a process is killed at random moments, and started again with all of its input.

``python -m tests.reliability.torture.kill --seconds 60``; tests/reliability/test_kill.py for
a moment.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import struct
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from cli.accounting.feed import ACCOUNTING, consumer_of, feed
from cli.accounting.flux_accounting_db import Target
from eventstore.ingest.writer import Writer
from eventstore.maintenance.verify import verify_chain
from eventstore.reading.event_log import head
from eventstore.storage.connection import open_readonly
from eventstore.storage.sql import fetch
from projections.engine.consumer_cursor import Consumer
from projections.engine.rebuild import rebuild
from projections.queries.accounting_feed import finished_jobs, json_line
from tests.reliability.torture.report import Line, report
from tests.reliability.torture.workload import batches, contents, count, ingest, opened, remove
from tests.support.accounting_db import create, rows

Task = Callable[[Callable[[int], None]], None]
"""The child's work; its argument is a function that reports committed events to the parent."""


class Killed(NamedTuple):
    """How a child ended: whether it was killed, and the last number that it had reported."""

    early: bool
    acknowledged: int


def run_and_kill(task: Task, delay: float) -> Killed:
    """Fork a child that does ``task``; kill -9 it if it lives after ``delay`` seconds."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            task(lambda number: _tell(writer, number))
            code = 0
        finally:
            os._exit(code)
    os.close(writer)
    status = _wait(child, delay)
    told = b""
    while part := os.read(reader, 65536):
        told += part
    os.close(reader)
    assert status in {0, signal.SIGKILL}, f"the child failed by itself: status {status}"
    numbers = struct.unpack(f"{len(told) // 8}q", told[: len(told) // 8 * 8])
    return Killed(status != 0, numbers[-1] if numbers else 0)


def _tell(pipe: int, number: int) -> None:
    os.write(pipe, struct.pack("q", number))


def _wait(child: int, delay: float) -> int:
    deadline = time.monotonic() + delay
    while time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return status
        time.sleep(min(0.002, delay / 10))
    os.kill(child, signal.SIGKILL)
    return os.waitpid(child, 0)[1]


def ingesting(path: str, parts: Sequence[Sequence[bytes]]) -> Task:
    """Return the task of ingesting a journal from its beginning."""

    def task(acknowledge: Callable[[int], None]) -> None:
        store, views = opened(path)
        with store:
            writer = Writer(store, "journal", views)
            for part in parts:
                writer.append(part)
                acknowledge(count(store))
            writer.close()

    return task


def rebuilding(path: str, chunk: int) -> Task:
    """Return the task of rebuilding all views."""

    def task(acknowledge: Callable[[int], None]) -> None:
        store, views = opened(path)
        with store:
            rebuild(views, None, lambda done, total: acknowledge(done), chunk=chunk)

    return task


class Figures(NamedTuple):
    """The number of kills, and how often the work was completed."""

    kills: int
    rounds: int


def torture_ingest(folder: Path, seconds: float, seed: int, jobs: int) -> Figures:
    """Kill a child that ingests, again and again; raises AssertionError where one is lost."""
    parts = batches(jobs, 50)
    whole, path = str(folder / "whole.sqlite"), str(folder / "killed.sqlite")
    ingest(whole, parts)
    expected = contents(whole)
    acknowledged = 0

    def survived(killed: Killed) -> None:
        nonlocal acknowledged
        acknowledged = max(acknowledged, killed.acknowledged)
        if acknowledged:
            with open_readonly(path) as store:
                there = count(store)
                assert acknowledged <= there, f"{acknowledged} acknowledged, {there} there"
                assert verify_chain(store).fault is None
        if not killed.early:
            assert expected == contents(path)
            remove(path)
            acknowledged = 0

    return _torture(lambda: ingesting(path, parts), survived, seconds, seed)


def torture_rebuild(folder: Path, seconds: float, seed: int, jobs: int) -> Figures:
    """Kill a child that rebuilds views: the old views stay, and the rebuild is resumed."""
    path = str(folder / "rebuilt.sqlite")
    ingest(path, batches(jobs, 500))
    expected = contents(path)

    def survived(_: Killed) -> None:
        assert expected == contents(path)

    return _torture(lambda: rebuilding(path, 200), survived, seconds, seed)


def accounting(path: str, to: str, printed: Path) -> Task:
    """Return the task of feeding an accounting database, and of printing what is new."""

    def task(acknowledge: Callable[[int], None]) -> None:
        with open_readonly(path) as store, Target(to) as target:
            acknowledge(feed(store, target, consumer_of(store, target)).added)
            consumer = Consumer(path, "printer")
            with store.snapshot() as db:
                window = consumer.unread(db, ACCOUNTING)
                text = b"".join(
                    json_line(seq, record)
                    for seq, record in finished_jobs(db, window.after, window.upto, 0.0)
                )
            with open(printed, "ab") as file:
                file.write(b"\n" + text)  # what a kill cut short is a line of its own
                file.flush()
                os.fsync(file.fileno())
            consumer.done(window.end)

    return task


def torture_accounting(folder: Path, seconds: float, seed: int, jobs: int) -> Figures:
    """Kill a child that feeds accounting, while jobs go on to end.

    Each finished job is in the target once, and as it would be without any kill; the printer
    has had each at least once.
    """
    parts = batches(jobs, max(20, jobs // 2))
    path, to = str(folder / "jobs.sqlite"), str(folder / "accounting.sqlite")
    printed, number = folder / "printed", 0
    create(to)

    def begin() -> None:
        for name in (path, f"{path}-consumers"):
            remove(name)
        remove(to)
        printed.write_bytes(b"")
        create(to)
        ingest(path, parts[:1])

    def survived(killed: Killed) -> None:
        nonlocal number
        with Target(to) as target:  # which undoes what the kill left half-done
            assert fetch(target.db, "PRAGMA integrity_check") == [("ok",)]
        there = rows(to)
        with open_readonly(path) as store, store.snapshot() as db:
            wanted = [record._asdict() for _, record in finished_jobs(db, 0, head(db), 0.0)]
        known = {row["id"]: row for row in wanted}
        assert all(known[int(row["id"])] == row | {"id": int(row["id"])} for row in there)
        if killed.early:
            return
        assert len(there) == len(known)
        lines = [line for line in printed.read_bytes().splitlines() if line.endswith(b"}")]
        assert {json.loads(line)["id"] for line in lines} == set(known)
        number += 1
        if number % len(parts):
            ingest(path, parts[: number % len(parts) + 1])
        else:
            begin()

    begin()
    return _torture(lambda: accounting(path, to, printed), survived, seconds, seed)


def _torture(
    task: Callable[[], Task], survived: Callable[[Killed], None], seconds: float, seed: int
) -> Figures:
    random_ = random.Random(seed)
    kills = rounds = 0
    end = time.monotonic() + seconds
    while not rounds or time.monotonic() < end:
        early, patience = True, random_.choice((0.02, 0.05, 0.2))
        while early:
            in_time = time.monotonic() < end
            killed = run_and_kill(task(), random_.uniform(0, patience) if in_time else 60.0)
            survived(killed)
            early = killed.early
            kills += early
            patience *= 1.05  # so that there is an end, on a slow machine as well
        rounds += 1
    return Figures(kills, rounds)


def main() -> None:
    """Kill for a while, and report the numbers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--jobs", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    tortures = {
        "ingest": torture_ingest,
        "rebuild": torture_rebuild,
        "accounting": torture_accounting,
    }
    for name, torture in tortures.items():
        with tempfile.TemporaryDirectory() as folder:
            seconds = options.seconds / len(tortures)
            figures = torture(Path(folder), seconds, options.seed, options.jobs)
        told = f"{figures.rounds} times to the end; all as without a kill"
        report(Line("kill -9", f"kills of {name}", figures.kills, told))


if __name__ == "__main__":
    main()
