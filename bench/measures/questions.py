# SPDX-License-Identifier: LGPL-3.0
"""The questions that are timed, here and beside flux-core's module."""

from __future__ import annotations

from typing import Any

ALL = ["all"]
FLUX_JOBS = [
    "annotations", "dependencies", "duration", "name", "nnodes", "nodelist", "ntasks",
    "priority", "queue", "result", "state", "t_cleanup", "t_run", "urgency", "userid",
]  # fmt: skip
"""What ``flux jobs`` asks for, with its default format (flux/job/info.py)."""
ABSENT = "no-job-has-this-name"
HOST = "node2000"
BUSY, RARE = 1001, 1015
"""Users with a third, and with less than a hundredth of all jobs."""
NEWEST = 1000
WINDOW = 100.0
"""Seconds in which about seven hundred jobs start."""
STREAMED = 20_000


def newest(
    constraint: dict[str, Any] | None = None, *, most: int = NEWEST, attrs: list[str] = ALL
) -> dict[str, Any]:
    """Ask for the newest ``most`` jobs that match."""
    wanted = {"and": []} if constraint is None else constraint
    return {"max_entries": most, "attrs": attrs, "since": 0.0, "constraint": wanted}


def filtered(moment: float) -> dict[str, dict[str, Any]]:
    """Return the questions with a filter; ``moment`` is one of the history."""
    window = [{"t_run": [f">={moment}"]}, {"t_run": [f"<={moment + WINDOW}"]}]
    return {
        "a busy user's newest 1,000": newest({"userid": [BUSY]}),
        "a rare user's newest 1,000": newest({"userid": [RARE]}),
        "a name that does not occur": newest({"name": [ABSENT]}),
        "all jobs of one host": newest({"hostlist": [HOST]}, most=0),
        "newest 500 of one host": newest({"hostlist": [HOST]}, most=500),
        "a window of t_run": newest({"and": window}, most=0),
    }
