# SPDX-License-Identifier: LGPL-3.0
"""kill -9 at random moments: no event lost, none twice, views as after a rebuild."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.reliability.torture.kill import (
    run_and_kill,
    torture_accounting,
    torture_ingest,
    torture_rebuild,
)


def test_a_killed_ingest_is_begun_again(tmp_path: Path) -> None:
    figures = torture_ingest(tmp_path, seconds=3, seed=1, jobs=60)
    assert figures.kills > 3


def test_a_killed_rebuild_is_taken_up_again(tmp_path: Path) -> None:
    figures = torture_rebuild(tmp_path, seconds=3, seed=1, jobs=60)
    assert figures.kills > 3


def test_a_killed_accounting_is_begun_again(tmp_path: Path) -> None:
    figures = torture_accounting(tmp_path, seconds=3, seed=1, jobs=60)
    assert figures.kills > 3


def test_the_driver_sees_what_a_child_said_and_how_it_ended() -> None:
    def works(acknowledge: object) -> None:
        acknowledge(7)  # type: ignore[operator]
        time.sleep(60)

    killed = run_and_kill(works, 0.3)
    assert (True, 7) == killed
    assert (False, 0) == run_and_kill(lambda _: None, 60)
    with pytest.raises(AssertionError, match="failed by itself"):
        run_and_kill(lambda _: 1 / 0, 60)  # type: ignore[arg-type]
