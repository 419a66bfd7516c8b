# SPDX-License-Identifier: LGPL-3.0
"""``job-list.list``: the newest jobs, with all attributes or those of ``flux jobs``.

Active jobs come first; their texts are computed for each answer.

Floor: the same texts, read from a plain table and joined.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from bench.histories import ACTIVE, Bench, add_active
from bench.questions import FLUX_JOBS, STREAMED, ask, bare_texts, newest
from bench.report import Row, duration
from bench.timing import repeat
from joblist.config import Config
from joblist.service import Service
from projections.engine.views import Views

__all__ = ["measure"]


def measure(bench: Bench) -> Iterator[Row]:
    """Time each request on each history; then on one that has active jobs."""
    questions = {
        "newest 1,000, all attributes": (newest(), False),
        "newest 1,000, as flux jobs asks": (newest(attrs=FLUX_JOBS), False),
        "20,000 streamed, all attributes": (newest(most=STREAMED), True),
    }
    for history in bench.histories():
        with history.service() as service:
            for what, (request, streaming) in questions.items():
                bare = bare_texts(ask(service, request))
                ours = partial(ask, service, request, streaming=streaming)
                taken, floor = repeat(ours, bare)
                yield duration("list", f"{what}, of {history.jobs:,}", taken, floor.wall,
                             "bare reading")  # fmt: skip
    with bench.histories()[0].copy() as store:
        views = Views(store)
        add_active(views, bench.jobs)
        service = Service(store, Config(), active=views.unfinished)
        (taken,) = repeat(lambda: ask(service, newest(most=ACTIVE)))
        yield duration("list", "1,000 active, all attributes", taken)
