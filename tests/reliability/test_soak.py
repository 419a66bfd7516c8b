# SPDX-License-Identifier: LGPL-3.0
"""A short load, that its checks can fail, and that readers do not keep the log growing."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from eventstore.storage import connection as store_module
from eventstore.storage.connection import create_or_open, open_readonly
from eventstore.storage.sql import value
from tests.reliability.torture.readers import adds_up
from tests.reliability.torture.soak import STEADY, Figures, Sample, soak


def test_every_answer_adds_up_while_jobs_come(tmp_path: Path) -> None:
    figures = soak(tmp_path, jobs=1500, readers=1, rate=1.0)
    assert figures.events == 1500 * 11
    asked = {kind.removeprefix("module ") for kind in figures.questions}
    assert {"job-stats", "stats-get", "list"} <= asked


def test_statistics_that_do_not_add_up_are_noticed() -> None:
    states = {"depend": 0, "priority": 0, "sched": 1, "run": 0, "cleanup": 0, "inactive": 2}
    endings = {"successful": 1, "failed": 1, "canceled": 0, "timeout": 0}
    one = {"job_states": {**states, "total": 3}, **endings}
    adds_up({**one, "queues": [one]})
    with pytest.raises(AssertionError):
        adds_up({**one, "queues": []})
    with pytest.raises(AssertionError):
        adds_up({**one, "failed": 2, "queues": [one]})


def test_growth_is_noticed() -> None:
    steady = [Sample(n * 100, 10**8, n * 50_000, 10**6) for n in range(1, 101)]
    Figures(STEADY, 10_000, {}, 0, 0, steady).check()
    leaking = [s._replace(memory=10**8 + s.events * 10_000) for s in steady]
    with pytest.raises(AssertionError, match="memory"):
        Figures(STEADY, 10_000, {}, 0, 0, leaking).check()
    swelling = [s._replace(file=s.events**2) for s in steady]
    with pytest.raises(AssertionError, match="grew by"):
        Figures(STEADY, 10_000, {}, 0, 0, swelling).check()
    logging = [s._replace(wal=2**40) for s in steady]
    with pytest.raises(AssertionError, match="log grew"):
        Figures(STEADY, 10_000, {}, 0, 0, logging).check()


def test_readers_in_turns_do_not_keep_the_log_growing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a reader at all times, SQLite alone would never reset its log."""
    limit = 2**19
    monkeypatch.setattr(store_module, "MOST_LOG", limit)
    monkeypatch.setattr(store_module, "LOG_PAUSE", 0.0)
    monkeypatch.setattr(store_module, "LOG_PATIENCE", 5000)
    path = str(tmp_path / "jobs.sqlite")
    end = threading.Event()
    held = threading.Semaphore(0)
    turn = [threading.Semaphore(1), threading.Semaphore(0)]

    def read(mine: threading.Semaphore, others: threading.Semaphore) -> None:
        with open_readonly(path) as reader:
            while not end.is_set():
                mine.acquire()
                with reader.snapshot() as db:
                    value(db, "SELECT count(*) FROM event")
                    others.release()  # who holds another snapshot before this one goes
                    held.release()
                    time.sleep(0.01)

    with create_or_open(path) as store:
        threads = [threading.Thread(target=read, args=(turn[i], turn[1 - i])) for i in (0, 1)]
        for thread in threads:
            thread.start()
        largest = 0
        try:
            for _ in range(20):
                assert held.acquire(timeout=20)
                with store.transaction() as db:
                    db.execute("INSERT INTO jobspec (data) VALUES (zeroblob(200000))")
                largest = max(largest, Path(path + "-wal").stat().st_size)
        finally:
            end.set()
            for semaphore in turn:
                semaphore.release()
            for thread in threads:
                thread.join()
    assert largest < 3 * limit, largest
