# SPDX-License-Identifier: LGPL-3.0
"""What grows with one message, or with one job's late events: bounded."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

import apsw
import pytest

from eventstore.events.dedup import anchored
from eventstore.ingest.writer import Writer
from tests.support.command import Command, eventually, running
from tests.support.field_jobs import EPOCH, backlog, event, job, recorded, response
from tests.support.processes.memory import peak_memory
from tests.support.recordings import new_store

MIB = 2**20


def purging(jobs: int) -> float:
    """Return how much memory (MiB) the purge of all of so many jobs takes."""
    store, views = new_store()
    writer = Writer(store, "test", views)
    for first in range(1, jobs + 1, 500):
        writer.append([backlog(job(n)) for n in range(first, min(first + 500, jobs + 1))])
    ids = ",".join(str(n << 24) for n in range(1, jobs + 1))
    return peak_memory(lambda: writer.append([b'{"jobs":[%b]}' % ids.encode()])) / MIB


def test_a_purge_takes_little_more_for_more_jobs() -> None:
    """Jobs are taken in parts of some hundreds; what remains is their ids.

    A job that is held takes 4 KiB, so that 1,200 would take 4.8 MiB. Garbage that waits for its
    collector, and caches that fill, are some tenths of a MiB, more or less in each run.
    """
    more = purging(1500) - purging(300)
    assert more < 1.5


def test_what_a_purge_of_many_does_is_right() -> None:
    store, views = new_store()
    writer = Writer(store, "test", views)
    writer.append([backlog(job(n)) for n in range(1, 601)])
    ids = ",".join(str(n << 24) for n in range(1, 601, 2))
    writer.append([b'{"jobs":[%b]}' % ids.encode()])
    sql = "SELECT count(*), count(t_purged) FROM inactive"
    assert [(600, 300)] == store.db.execute(sql).fetchall()
    assert [(300,)] == store.db.execute("SELECT count(*) FROM purged").fetchall()


SHAPES: dict[str, Callable[[int], bytes]] = {
    "a large jobspec": lambda n: response(
        5 << 24, event(EPOCH, "submit", {"userid": 1, "urgency": 16, "flags": 0, "version": 1}),
        jobspec={"version": 1, "x": "y" * n},
    ),
    "a large context": lambda n: response(5 << 24, event(EPOCH, "memo", {"x": "y" * n})),
    "a long backlog": lambda n: backlog(
        job(5, also={"clean": [event(EPOCH + 20 + i, "memo", {"x": "y" * 1000})
                               for i in range(n // 1000)]})
    ),
}  # fmt: skip


@pytest.mark.xfail(strict=True, reason="it takes 2 to 2.5 times as much as itself")
@pytest.mark.parametrize("shape", SHAPES)
def test_a_large_response_takes_little_more_than_itself(shape: str) -> None:
    line = SHAPES[shape](3 * MIB)
    store, views = new_store()
    writer = Writer(store, "test", views)
    assert peak_memory(lambda: writer.append([line])) < 2 * len(line)


def steps(work: Callable[[], Any]) -> int:
    """Return how many lines of Python some work runs."""
    found = 0

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal found
        del frame, argument
        found += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return found


def late(count: int) -> int:
    """Return the steps that the order of a job with so many late events takes."""
    rows = [(1, None), *((seq, seq - 1) for seq in range(2, count))]
    rows[count // 2] = (count // 2 + 1, 0)
    return steps(lambda: anchored(rows))


def test_late_events_take_steps_by_their_number() -> None:
    assert 0 < late(2000) < 4.1 * late(500)  # four times as many; squared it would be sixteen


def test_the_order_of_late_events() -> None:
    """Each stands behind its anchor, the last that came first."""
    rows = [(10, None), (11, None), (12, 10), (13, 10), (14, 0), (15, 13), (16, None), (17, 99)]
    assert [14, 10, 13, 15, 12, 11, 16] == [rows[i][0] for i in anchored(rows)][-7:]
    assert rows[anchored(rows)[0]][0] == 17  # behind nothing that is known: at the beginning


def test_a_follower_waits_while_its_view_is_being_rebuilt(jobdb: Command) -> None:
    jobdb.ingest(recorded("odd-clocks"))
    # Another process holds the database for writing, and has not finished the view yet.
    with running(jobdb.start("ingest", "-")) as writer:
        assert eventually(lambda: jobdb.stats()["sources"] == 2)
        db = apsw.Connection(str(jobdb.db))
        db.set_busy_timeout(5000)
        ((version,),) = db.execute(
            "SELECT version FROM view WHERE name = 'accounting'"
        ).fetchall()
        db.execute("UPDATE view SET version = '0.0' WHERE name = 'accounting'")
        out = jobdb.folder / "out"
        with (
            out.open("wb") as file,
            running(jobdb.start("accounting", "--json", "--follow", stdout=file)) as follower,
        ):
            time.sleep(2.5)
            assert follower.poll() is None
            assert b"" == out.read_bytes()
            db.execute("UPDATE view SET version = ? WHERE name = 'accounting'", (version,))
            db.close()
            assert eventually(lambda: out.read_bytes().count(b"\n") == 8)
            follower.send_signal(signal.SIGINT)
            _, err = follower.communicate(timeout=20)
        writer.communicate(timeout=20)
    # Beside the jobs whose clock was set, which are named as in any run.
    assert ["views are being rebuilt"] == [
        line[line.index("views") :][:23]
        for line in err.decode().splitlines()
        if "clock" not in line
    ]
