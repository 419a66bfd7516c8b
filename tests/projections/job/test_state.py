# SPDX-License-Identifier: LGPL-3.0
"""The table of states and results, against flux-core's (job.h, libjob/state.c and result.c)."""

from __future__ import annotations

from projections.job import state

STATES = """
1   NEW      N  0x1f381
2   DEPEND   D  0x1f6d1
4   PRIORITY P  0x1f6a6
8   SCHED    S  0x1f4c5
16  RUN      R  0x1f3c3
32  CLEANUP  C  0x1f5d1
64  INACTIVE I  0x1f480
"""
RESULTS = """
1 COMPLETED CD 0x1f600 successful
2 FAILED    F  0x1f4a9 failed
4 CANCELED  CA 0x1f4a5 canceled
8 TIMEOUT   TO 0x231b  timeout
"""


def table(text: str) -> list[tuple[object, ...]]:
    rows = [row.split() for row in text.strip().splitlines()]
    return [(int(n), name, short, chr(int(e, 16)), *rest) for n, name, short, e, *rest in rows]


def test_states_and_results_are_flux_cores() -> None:
    assert table(STATES) == [tuple(one) for one in state.STATES]
    assert table(RESULTS) == [tuple(one) for one in state.RESULTS]
    assert [1 << bit for bit in range(7)] == [one.mask for one in state.STATES]


def test_states_that_have_a_name_together() -> None:
    assert [
        (14, "PENDING", "PD", ""),
        (48, "RUNNING", "RU", ""),
        (62, "ACTIVE", "A", ""),
    ] == [tuple(one) for one in state.COMBINED_STATES]


def test_keys_are_the_names_in_lower_case() -> None:
    keys = ["depend", "priority", "sched", "run", "cleanup", "inactive"]
    assert keys == [one.key for one in state.LISTED_STATES]
    assert "completed" == state.RESULTS[0].key
