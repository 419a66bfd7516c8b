# SPDX-License-Identifier: LGPL-3.0
"""Failing disks: a clear message, nothing acknowledged lost, and repeating fills the gap."""

from __future__ import annotations

from pathlib import Path

import pytest

from .torture.faults import KINDS, calls_of, try_calls

JOBS = 6


@pytest.mark.parametrize("kind", KINDS)
def test_each_call_may_fail(tmp_path: Path, kind: str) -> None:
    calls = calls_of(tmp_path, JOBS)
    targets = list(range(1 + KINDS.index(kind), calls, calls // 12))
    tried = try_calls(tmp_path, JOBS, targets, (kind,))
    assert len(targets) == tried.runs == tried.reported
    assert any(
        hint in message
        for message in tried.messages
        for hint in ("check the disk, then repeat", "no space left; free some")
    )
