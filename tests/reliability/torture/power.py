# SPDX-License-Identifier: LGPL-3.0
"""Power loss: the disk as it may be found at every point of a workload.

``python -m tests.reliability.torture.power`` tries every point;
tests/reliability/test_power_loss.py some.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from eventstore.ingest.writer import Writer
from eventstore.storage.connection import SYNCHRONOUS
from projections.engine.rebuild import rebuild
from tests.reliability.torture.disk import FATES, Log, Replay, recording
from tests.reliability.torture.report import Line, report
from tests.reliability.torture.workload import batches, fault, later, opened, remove, stored

NAME = "jobs.sqlite"


class Workload(NamedTuple):
    """The recorded calls, and which events were committed after how many of them."""

    log: Log
    acknowledged: list[tuple[int, int]]  # (calls so far, seq)

    def promised(self, point: int, synchronous: str) -> int:
        """Return up to which seq events must be there after a power loss at ``point``.

        With `full`, all that was acknowledged; with `normal`, what was acknowledged before
        the write-ahead log was last synced, which is before each checkpoint.
        """
        if synchronous == "normal":
            calls = range(point - 1, -1, -1)
            point = next((i for i in calls if self.log.ops[i].kind == "sync"), 0)
        return max((seq for calls, seq in self.acknowledged if calls <= point), default=0)

    def begun(self, point: int) -> int:
        """Return up to which seq events may be there: one batch may be in progress."""
        return next((seq for calls, seq in self.acknowledged if calls >= point), 2**62)


def record(folder: Path, synchronous: str, jobs: int) -> Workload:
    """Make a database, append, rebuild, close, open again and append more; record it all."""
    path = str(folder / NAME)
    acknowledged = []
    with recording() as log:
        for parts, name in ((batches(jobs, 25), "one"), ([later(jobs)[:90]], "two")):
            store, views = opened(path, synchronous)
            with store:
                writer = Writer(store, name, views)
                for part in parts:
                    writer.append(part)
                    acknowledged.append((len(log.ops), stored(store)))
                rebuild(views, chunk=100)
                writer.close()
    remove(path)
    return Workload(log, acknowledged)


class Tried(NamedTuple):
    """The numbers of points and disks, and of disks that lacked committed events."""

    points: int
    disks: int
    behind: int


def try_points(
    workload: Workload, points: Iterable[int], synchronous: str, folder: Path, seed: int = 1
) -> Tried:
    """Open the store after a power loss at each point; raises AssertionError."""
    replay = Replay(workload.log)
    path = str(folder / NAME)
    count = disks = behind = 0
    for point in points:
        replay.advance(point)
        count += 1
        for fate in FATES:
            replay.write(folder, fate, seed)
            where = f"synchronous={synchronous}, call {point}, unsynced writes {fate}"
            behind += _check(path, workload, point, synchronous, where)
            remove(path)
            disks += 1
    return Tried(count, disks, behind)


def _check(path: str, workload: Workload, point: int, synchronous: str, where: str) -> bool:
    store, _ = opened(path, synchronous)
    with store:
        found = fault(store)
        assert found is None, f"{where}: {found}"
        seq = stored(store)
    least, most = workload.promised(point, synchronous), workload.begun(point)
    assert least <= seq <= most, f"{where}: seq {seq} is stored, of {least} to {most}"
    return seq < workload.promised(point, "full")


def main() -> None:
    """Try every point of both levels, or every n-th."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=30)
    parser.add_argument("--step", type=int, default=1, help="try every n-th call")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    for synchronous in SYNCHRONOUS:
        with tempfile.TemporaryDirectory() as folder:
            workload = record(Path(folder), synchronous, options.jobs)
            points = range(0, len(workload.log.ops) + 1, options.step)
            tried = try_points(workload, points, synchronous, Path(folder), options.seed)
        assert synchronous == "normal" or tried.behind == 0
        figures = (
            f"{tried.points:,} points of {len(workload.log.ops):,} calls; on {tried.behind} "
            "disks committed events had to be ingested again"
        )
        report(Line("power loss", f"disks, synchronous={synchronous}", tried.disks, figures))


if __name__ == "__main__":
    main()
