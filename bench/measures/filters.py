# SPDX-License-Identifier: LGPL-3.0
"""``job-list.list`` with constraints: users, names, hosts, times; and how they grow.

Floor: the texts of the answer, read from a table of nothing but them and joined.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial

from bench.common import Bench, Row, answer, ask, bare_texts, repeat
from bench.measures.questions import filtered

MOST_GROWTH = 1.5
"""How much longer an answer of as many jobs may take in the larger history."""
_SAME = 0.1  # answers differ by less than that share of their jobs


def measure(bench: Bench) -> Iterator[Row]:
    """Put each question to each history."""
    smaller: dict[str, tuple[int, float]] = {}
    for history in bench.histories():
        with history.service() as service:
            for what, request in filtered(history.middle).items():
                found = ask(service, request)
                jobs = len(json.loads(found[0])["jobs"])
                taken, floor = repeat(partial(ask, service, request), bare_texts(found))
                yield answer("filters", f"{what}: {jobs:,} of {history.jobs:,}", taken,
                             floor.wall, "bare reading")  # fmt: skip
                if history.jobs == bench.jobs:
                    smaller[what] = jobs, taken.processor
                elif abs(jobs - smaller[what][0]) <= _SAME * jobs:
                    growth = taken.processor / smaller[what][1]
                    yield Row("filters", f"{what}: growth", growth, "x", MOST_GROWTH)
