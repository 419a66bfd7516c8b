# SPDX-License-Identifier: LGPL-3.0
"""The requests that are timed, also beside flux-core's module; asking them; their floor."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import apsw

from joblist.protocol.requests import Credential
from joblist.service import Request, Service

__all__ = [
    "ABSENT",
    "ALL",
    "FLUX_JOBS",
    "HOST",
    "NEWEST",
    "STREAMED",
    "WINDOW",
    "ask",
    "bare_texts",
    "filtered",
    "newest",
]

ALL = ["all"]
FLUX_JOBS = [
    "annotations", "dependencies", "duration", "name", "nnodes", "nodelist", "ntasks",
    "priority", "queue", "result", "state", "t_cleanup", "t_run", "urgency", "userid",
]  # fmt: skip
"""What ``flux jobs`` asks for, with its default format (flux/job/info.py)."""
ABSENT = "no-job-has-this-name"
HOST = "node2000"
BUSY, RARE = 1001, 1015
"""Users with a third and with less than a hundredth of all jobs."""
NEWEST = 1000
WINDOW = 100.0
"""Seconds in which about seven hundred jobs start."""
STREAMED = 20_000


def newest(
    constraint: dict[str, Any] | None = None, *, most: int = NEWEST, attrs: list[str] = ALL
) -> dict[str, Any]:
    """Return a request for the newest ``most`` jobs that match."""
    wanted = {"and": []} if constraint is None else constraint
    return {"max_entries": most, "attrs": attrs, "since": 0.0, "constraint": wanted}


def filtered(moment: float) -> dict[str, dict[str, Any]]:
    """Return requests with constraints, by name; ``moment`` is a time within the history."""
    window = [{"t_run": [f">={moment}"]}, {"t_run": [f"<={moment + WINDOW}"]}]
    return {
        "a busy user's newest 1,000": newest({"userid": [BUSY]}),
        "a rare user's newest 1,000": newest({"userid": [RARE]}),
        "a name that does not occur": newest({"name": [ABSENT]}),
        "all jobs of one host": newest({"hostlist": [HOST]}, most=0),
        "newest 500 of one host": newest({"hostlist": [HOST]}, most=500),
        "a window of t_run": newest({"and": window}, most=0),
    }


def ask(service: Service, request: dict[str, Any], *, streaming: bool = False) -> list[bytes]:
    """Answer a ``job-list.list`` request of the instance's owner."""
    text = json.dumps(request).encode()
    return service.answer(Request("job-list.list", text, Credential(), streaming))


def bare_texts(answer: Sequence[bytes]) -> Callable[[], object]:
    """Return the floor of an answer: reading its texts from a plain table and joining them."""
    jobs = [json.dumps(job, separators=(",", ":")) for job in json.loads(answer[0])["jobs"]]
    db = apsw.Connection(":memory:")
    db.execute("CREATE TABLE text (job INTEGER PRIMARY KEY, data TEXT NOT NULL)")
    db.executemany("INSERT INTO text (data) VALUES (?)", [(job,) for job in jobs])

    def read() -> bytes:
        texts = [data for (data,) in db.execute("SELECT data FROM text ORDER BY job DESC")]
        return ",".join(texts).encode()

    return read
