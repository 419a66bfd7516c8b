# SPDX-License-Identifier: LGPL-3.0
"""``--as-of``: answers for a time in the middle of the history, with a thousand jobs alive.

Floor: decoding the events of these jobs up to then, without reading or folding them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial

import msgspec

from bench.histories import Bench, History
from bench.questions import ask, newest
from bench.report import Row, duration
from bench.timing import repeat
from eventstore.reading import event_log
from joblist.service import Service

__all__ = ["measure"]

_ALIVE = newest({"states": ["active"]}, most=0)


def measure(bench: Bench) -> Iterator[Row]:
    """Time a list of the jobs that were active, and one of the newest jobs."""
    for history in bench.histories():
        with history.service(as_of=history.middle) as service:
            bare, alive = _bare(history, service)
            questions = {f"the {alive:,} active": _ALIVE, "the newest 1,000": newest()}
            for what, request in questions.items():
                taken, floor = repeat(partial(ask, service, request), bare)
                yield duration("as-of", f"{what}, of {history.jobs:,}", taken, floor.wall,
                             "bare decoding", target=100)  # fmt: skip


def _bare(history: History, service: Service) -> tuple[Callable[[], object], int]:
    jobs = json.loads(ask(service, _ALIVE)[0])["jobs"]
    events: list[bytes] = []
    with history.reading() as db:
        for job in jobs:
            for record in event_log.of_jobid(db, job["id"]):
                if record.entry.timestamp <= history.middle:
                    events += filter(None, (record.entry.data, record.jobspec, record.R))
    decode = msgspec.json.decode
    return lambda: [decode(event) for event in events], len(jobs)
