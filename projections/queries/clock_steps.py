# SPDX-License-Identifier: LGPL-3.0
"""Jobs of the accounting feed while whose life the clock was set.

The events of one job are scattered among those of the others, so that reading them job by job
takes longer than reading the feed itself. Two consecutive events of a job whose times cannot
be subtracted enclose a *break* in the order of arrival: an event that is followed by an
earlier one, or by a number without an event, or that has a time of a clock that was not set.
In one scan all breaks are found; only jobs with a break between their first and their last
event are read.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterator
from itertools import islice

import apsw

from eventstore.events.encoding import to_json
from eventstore.reading import event_log
from eventstore.storage.sql import fetch, statements
from projections.job.clock import UNSET_BEFORE, Step, steps

SQL = statements(__file__)
_SPARSE = 50
"""Events a job: where the scan would read more, each job is read instead."""
_TOGETHER = 1000  # jobs that are read at once


def clock_steps(
    db: apsw.Connection, after: int, upto: int, since: float = 0.0
) -> Iterator[tuple[int, list[Step]]]:
    """Yield (job id, where the clock was set) of each job of the feed that has that.

    The jobs are those of `accounting_feed.finished_jobs`, in its order. Their rows have the
    times that came, as flux-accounting's script would take them.
    """
    suspects = _suspects(db, after, upto, since)
    while some := list(islice(suspects, _TOGETHER)):
        bindings = (to_json(some).decode(), UNSET_BEFORE)
        for key, jobid, seq in fetch(db, SQL["unordered"], bindings):
            entries = (record.entry for record in event_log.job_records(db, key, seq))
            found = steps((entry.timestamp, entry.name) for entry in entries)
            if found:
                yield jobid, found


def _suspects(db: apsw.Connection, after: int, upto: int, since: float) -> Iterator[int]:
    """Yield the seqs of jobs that may have two times that cannot be subtracted, ascending."""
    ((jobs, first),) = fetch(db, SQL["extent"], (after, upto, since))
    if not jobs:
        return
    breaks = None
    if upto - first <= jobs * _SPARSE:
        bounds = (first, upto, UNSET_BEFORE)
        breaks = array("q", (seq for (seq,) in db.execute(SQL["breaks"], bounds)))
        if not breaks:
            return
    for begin, seq in fetch(db, SQL["lives"], (after, upto, since)):
        if breaks is None or bisect_left(breaks, begin) < bisect_left(breaks, seq):
            yield seq
