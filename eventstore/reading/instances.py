# SPDX-License-Identifier: LGPL-3.0
"""Whether jobs can be of one cluster: what their ids tell of the instance that made them.

An id counts milliseconds by a clock that is never set (flux-core, libutil/fluid.c): those since
the instance began, without the times when it was down. A submission's time less these is
therefore the same for all jobs of a boot, and later for each boot that follows, also of an
instance that was made anew. Two such beginnings whose jobs were submitted in the same time are
two instances: no restart, no clock that was set and no order of files makes that.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from math import isfinite
from typing import NamedTuple

import apsw

from eventstore.storage.sql import fetch, statements, value

SQL = statements(__file__)
_MILLISECONDS = 24  # where they begin in an id: behind 14 bits of a rank, 10 of a counter
_LONGEST = 60.0  # seconds: what is shorter, or nearer to each other, proves nothing
_FEWEST = 3  # jobs
_SAMPLES = 2000


class Boot(NamedTuple):
    """Jobs of one clock: when it began, and the times of their first and last submission."""

    begun: int
    first: float
    last: float
    jobs: int


def boots(submissions: Iterable[tuple[int, float]]) -> list[Boot]:
    """Return the boots that (job id, time of submission) prove."""
    found: dict[int, Boot] = {}
    for jobid, time in submissions:
        if not isfinite(time):
            continue
        begun = int(time - (jobid >> _MILLISECONDS) / 1000)
        _, first, last, jobs = found.get(begun, (0, time, time, 0))
        found[begun] = Boot(begun, min(first, time), max(last, time), jobs + 1)
    for begun in sorted(found):  # a boot on both sides of a whole second
        if begun in found and begun + 1 in found:
            one, other = found[begun], found.pop(begun + 1)
            found[begun] = Boot(begun, min(one.first, other.first), max(one.last, other.last),
                                one.jobs + other.jobs)  # fmt: skip
    return [
        boot for boot in found.values()
        if boot.jobs >= _FEWEST and boot.last - boot.first >= _LONGEST
    ]  # fmt: skip


def stored_boots(db: apsw.Connection) -> list[Boot]:
    """Return the boots of stored jobs, as some thousands of them show them."""
    highest = value(db, "SELECT coalesce(max(key), 0) FROM job")
    step = max(highest // _SAMPLES, 1)
    keys = json.dumps(list(range(1, highest + 1, step)))
    return boots(fetch(db, SQL["submissions"], (keys,)))


def contradiction(stored: Iterable[Boot], new: Iterable[Boot]) -> tuple[Boot, Boot] | None:
    """Return a stored boot and a new one that went on at the same time, or None."""
    new = list(new)
    for one in stored:
        for other in new:
            together = min(one.last, other.last) - max(one.first, other.first)
            if together >= _LONGEST and abs(one.begun - other.begun) > _LONGEST:
                return one, other
    return None
