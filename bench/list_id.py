# SPDX-License-Identifier: LGPL-3.0
"""``job-list.list-id``: one job, all attributes.

Floor: its text, read from a table by its key.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from functools import partial
from typing import Any

import apsw

from joblist.service import Service

from .common import Bench, Row, ask, put, repeat
from .questions import ALL, newest

_MANY = 500


def measure(bench: Bench) -> Iterator[Row]:
    """Ask for jobs here and there in each history."""
    for history in bench.histories():
        with history.service() as service:
            wanted = _some(service, history.jobs)
            answers = _all(service, wanted)
            db = apsw.Connection(":memory:")
            db.execute("CREATE TABLE text (jobid INTEGER PRIMARY KEY, data BLOB NOT NULL)")
            for one, answer in zip(wanted, answers, strict=True):
                db.execute("INSERT INTO text VALUES (?, ?)", (one["id"], answer))
            taken, floor = repeat(partial(_all, service, wanted), partial(_bare, db, wanted))
        micro = 1e6 / len(wanted)
        yield Row("list-id", f"one job of {history.jobs:,}", taken.best * micro, "us",
                  floor=floor.best * micro, floor_of="bare reading")  # fmt: skip


def _some(service: Service, jobs: int) -> list[dict[str, Any]]:
    """Return requests for jobs of all times."""
    found = json.loads(ask(service, newest(most=jobs, attrs=[]))[0])["jobs"]
    chosen = random.Random(1).sample(found, min(_MANY, len(found)))
    return [{"id": job["id"], "attrs": ALL} for job in chosen]


def _all(service: Service, wanted: list[dict[str, Any]]) -> list[bytes]:
    return [put(service, "job-list.list-id", request)[0] for request in wanted]


def _bare(db: apsw.Connection, wanted: list[dict[str, Any]]) -> None:
    for request in wanted:
        db.execute("SELECT data FROM text WHERE jobid = ?", (request["id"],)).fetchall()
