# SPDX-License-Identifier: LGPL-3.0
"""``job-list.list`` with constraints: users, names, hosts, times; and how they grow.

Floor: the texts of the answer, read from a plain table and joined.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial

from bench.histories import Bench
from bench.questions import ask, bare_texts, filtered
from bench.report import Row, duration
from bench.timing import repeat

__all__ = ["MOST_GROWTH", "measure"]

MOST_GROWTH = 1.5
"""The largest ratio of times for as many jobs, in the larger and the smaller history."""
_SAME = 0.1  # as many jobs: their numbers differ by less than this share


def measure(bench: Bench) -> Iterator[Row]:
    """Time each request on each history."""
    smaller: dict[str, tuple[int, float]] = {}
    for history in bench.histories():
        with history.service() as service:
            for what, request in filtered(history.middle).items():
                found = ask(service, request)
                jobs = len(json.loads(found[0])["jobs"])
                taken, floor = repeat(partial(ask, service, request), bare_texts(found))
                yield duration("filters", f"{what}: {jobs:,} of {history.jobs:,}", taken,
                             floor.wall, "bare reading")  # fmt: skip
                if history.jobs == bench.jobs:
                    smaller[what] = jobs, taken.processor
                elif abs(jobs - smaller[what][0]) <= _SAME * jobs:
                    growth = taken.processor / smaller[what][1]
                    yield Row("filters", f"{what}: growth", growth, "x", MOST_GROWTH)
