# SPDX-License-Identifier: LGPL-3.0
"""Exports that are killed at any moment: each row is there once, and whole."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import pytest

from tests.lake.asking import (
    check_back,
    export,
    finished_texts,
    newest,
    rows,
    stored_jobs,
    texts,
)
from tests.support import field_jobs
from tests.support.command import Command
from tests.support.journal_generator import journal

KILLS = int(os.environ.get("LAKE_KILLS", "6"))
"""How many runs are killed, of each kind."""


def killed_after(jobdb: Command, lake: Path, seconds: float, *words: str) -> bool:
    """Kill an export after some time; returns whether it still ran."""
    process = jobdb.start("export", "--cluster=tuolumne", *words, str(lake))
    time.sleep(seconds)
    was_running = process.poll() is None
    process.kill()
    process.communicate()
    return was_running


@pytest.mark.parametrize("words", [(), ("--compact",)], ids=["export", "compact"])
def test_killed_at_any_moment(words: tuple[str, ...], tmp_path: Path) -> None:
    """Between two kills come more jobs, a late event and a purge; each row is there once."""
    jobdb, lake, choice = Command(tmp_path), tmp_path / "lake", random.Random(7)
    lines = list(journal(40 * KILLS))
    jobdb.ingest(lines[: len(lines) // (KILLS + 1)])
    begun = time.monotonic()
    export(jobdb, lake, *words)
    longest = 1.5 * (time.monotonic() - begun)
    killed = 0
    for number in range(1, KILLS + 1):
        late = field_jobs.event(field_jobs.EPOCH + 5 + number, "memo", {"late": number})
        jobdb.ingest([
            *lines[: len(lines) * (number + 1) // (KILLS + 1)],
            *(field_jobs.job(1) if number == 1 else [field_jobs.response(1 << 24, late)]),
            *([b'{"jobs":[16777216]}'] if number == KILLS // 2 else []),
        ])  # fmt: skip
        killed += killed_after(jobdb, lake, choice.uniform(0.0, longest), *words)
        found = texts(lake)  # what the manifest lists is whole at any time, and there once
        assert set(found) <= set(finished_texts(jobdb))
    assert killed > KILLS // 3
    export(jobdb, lake, *words)
    assert finished_texts(jobdb) == texts(lake)
    assert stored_jobs(jobdb.db, "state = 'INACTIVE'") == newest(lake)
    if words:
        assert len(newest(lake)) == len(rows(lake, "jobs"))
    export(jobdb, lake, "--verify")
    files = {path.relative_to(lake).as_posix() for path in lake.rglob("*.parquet")}
    assert not any("part" in name for name in files)
    check_back(jobdb, lake, tmp_path)
