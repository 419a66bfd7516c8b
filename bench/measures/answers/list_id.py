# SPDX-License-Identifier: LGPL-3.0
"""``job-list.list-id``: one job, all attributes.

Floor: its text, read from a table by its key.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from functools import partial

import apsw

from bench.histories import Bench
from bench.questions import ALL, ask, newest
from bench.report import Row, duration
from bench.timing import repeat
from joblist.protocol.requests import Credential
from joblist.service import Request, Service

__all__ = ["measure"]

_MANY = 500


def measure(bench: Bench) -> Iterator[Row]:
    """Time requests for a sample of the jobs of each history."""
    for history in bench.histories():
        with history.service() as service:
            ids = _some(service, history.jobs)
            requests = [_request(jobid) for jobid in ids]
            answers = _all(service, requests)
            db = apsw.Connection(":memory:")
            db.execute("CREATE TABLE text (jobid INTEGER PRIMARY KEY, data BLOB NOT NULL)")
            db.executemany("INSERT INTO text VALUES (?, ?)", zip(ids, answers, strict=True))
            taken, floor = repeat(partial(_all, service, requests), partial(_bare, db, ids))
        yield duration("list-id", f"one job of {history.jobs:,}", taken, floor.wall,
                     "bare reading", unit="us", calls=len(ids))  # fmt: skip


def _some(service: Service, jobs: int) -> list[int]:
    """Return the ids of a sample of all jobs."""
    found = json.loads(ask(service, newest(most=jobs, attrs=[]))[0])["jobs"]
    return [job["id"] for job in random.Random(1).sample(found, min(_MANY, len(found)))]


def _request(jobid: int) -> Request:
    text = json.dumps({"id": jobid, "attrs": ALL}).encode()
    return Request("job-list.list-id", text, Credential(), streaming=False)


def _all(service: Service, requests: list[Request]) -> list[bytes]:
    return [service.answer(request)[0] for request in requests]


def _bare(db: apsw.Connection, ids: list[int]) -> None:
    for jobid in ids:
        db.execute("SELECT data FROM text WHERE jobid = ?", (jobid,)).fetchall()
