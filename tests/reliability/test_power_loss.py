# SPDX-License-Identifier: LGPL-3.0
"""Power loss: what `synchronous` promises holds, whatever became of unsynced writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from eventstore.storage.connection import SYNCHRONOUS
from tests.reliability.torture.disk import Log, Op, Replay
from tests.reliability.torture.power import record, try_points


@pytest.mark.parametrize("synchronous", SYNCHRONOUS)
def test_the_store_is_whole_and_has_what_was_promised(tmp_path: Path, synchronous: str) -> None:
    workload = record(tmp_path, synchronous, jobs=12)
    calls = len(workload.log.ops)
    syncs = [i + 1 for i, op in enumerate(workload.log.ops) if op.kind == "sync"]
    points = sorted({*range(0, calls, calls // 30), *syncs[::4], calls})
    tried = try_points(workload, points, synchronous, tmp_path)
    assert 3 * len(points) == tried.disks
    if synchronous == "full":
        assert tried.behind == 0


def test_normal_may_lose_the_last_batches_and_full_would_show_it(tmp_path: Path) -> None:
    workload = record(tmp_path, "normal", jobs=12)
    points = [
        calls for calls, _ in workload.acknowledged
        if workload.promised(calls, "normal") < workload.promised(calls, "full")
    ]  # fmt: skip
    assert try_points(workload, points, "normal", tmp_path).behind > 0
    with pytest.raises(AssertionError, match="synchronous=full"):
        try_points(workload, points, "full", tmp_path)


def test_the_disk_keeps_what_was_synced_and_may_tear_the_rest(tmp_path: Path) -> None:
    log = Log()
    log.ops += [
        Op("write", "f", 0, b"a" * 2000),
        Op("sync", "f"),
        Op("write", "f", 500, b"b" * 2000),
        Op("delete", "f"),
    ]
    replay = Replay(log)
    found = {}
    for point in (1, 3, 4):
        replay.advance(point)
        for fate in ("kept", "dropped"):
            replay.write(tmp_path, fate, 1)
            path = tmp_path / "f"
            found[point, fate] = path.read_bytes() if path.exists() else None
            path.unlink(missing_ok=True)
    synced, written = b"a" * 2000, b"a" * 500 + b"b" * 2000
    assert found == {
        (1, "kept"): synced, (1, "dropped"): None,
        (3, "kept"): written, (3, "dropped"): synced,
        (4, "kept"): None, (4, "dropped"): synced,
    }  # fmt: skip
    replay = Replay(log)
    replay.advance(3)
    torn = set()
    for seed in range(50):
        replay.write(tmp_path, "torn", seed)
        content = (tmp_path / "f").read_bytes()
        assert content[:500] == synced[:500]
        torn.add(content)
    assert len(torn) > 10
