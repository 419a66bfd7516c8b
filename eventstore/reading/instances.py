# SPDX-License-Identifier: LGPL-3.0
"""Whether jobs can be of one cluster: what their ids tell of the instance that made them.

A job id counts milliseconds by a clock that is never set (flux-core, libutil/fluid.c): those
for which the instance has run. The time of a submission minus these, its *beginning*, is the
same for all jobs of a boot, and later for each boot that follows, also of an instance that was
made anew. If jobs of two beginnings were submitted during the same time, there were two
instances. One other thing causes that: the machine's clock was set back. Then all ids of one
boot are higher than those of the other, and its beginning is earlier by that much.
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
_SET_BACK = 86400.0  # seconds; a clock that was set back by more is not thought of
_FEWEST = 3  # jobs
_SAMPLES = 2000


class Boot(NamedTuple):
    """Jobs of one boot: its beginning, and the times of their first and last submission.

    These are in seconds since the epoch; ``lowest`` and ``highest`` are the milliseconds that
    ids count.
    """

    begun: int
    first: float
    last: float
    lowest: int
    highest: int
    jobs: int

    def joined(self, other: Boot) -> Boot:
        """Return a boot that has the jobs of both."""
        return Boot(
            self.begun, min(self.first, other.first), max(self.last, other.last),
            min(self.lowest, other.lowest), max(self.highest, other.highest),
            self.jobs + other.jobs,
        )  # fmt: skip


def boots(submissions: Iterable[tuple[int, float]]) -> list[Boot]:
    """Return the boots that (job id, time of submission) prove."""
    found: dict[int, Boot] = {}
    for jobid, time in submissions:
        if not isfinite(time):
            continue
        counted = jobid >> _MILLISECONDS
        begun = int(time - counted / 1000)
        one = Boot(begun, time, time, counted, counted, 1)
        found[begun] = found[begun].joined(one) if begun in found else one
    for begun in sorted(found):  # a boot on both sides of a whole second
        if begun in found and begun + 1 in found:
            found[begun] = found[begun].joined(found.pop(begun + 1))
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
    """Return a stored boot and a new one that are of two instances; None: there are none."""
    new = list(new)
    for one in stored:
        for other in new:
            together = min(one.last, other.last) - max(one.first, other.first)
            apart = abs(one.begun - other.begun)
            if together >= _LONGEST and apart > _LONGEST and not _set_back(one, other):
                return one, other
    return None


def _set_back(one: Boot, other: Boot) -> bool:
    """Whether the same clock may have given both, and the machine's was set back in between."""
    earlier, later = (one, other) if one.highest < other.lowest else (other, one)
    return earlier.highest < later.lowest and 0 < earlier.begun - later.begun <= _SET_BACK
