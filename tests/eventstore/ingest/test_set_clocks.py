# SPDX-License-Identifier: LGPL-3.0
"""Events stand in the order in which they came, also where the clock was set back."""

from __future__ import annotations

import pytest

from eventstore.ingest.writer import Writer
from eventstore.reading import event_log
from tests.support.field_jobs import EPOCH, SENTINEL, STEPS, backlog, event, job, response
from tests.support.recordings import new_store

JOBID = 1 << 24
UNTIL = STEPS.index("alloc") + 1


@pytest.mark.parametrize("again", [0, 1, 2])
def test_after_a_backlog_that_was_known_already(again: int) -> None:
    """The module starts again; then the clock is set back by a minute, and the job goes on."""
    store, _ = new_store()
    shown = job(1, last="alloc")
    Writer(store, "first").append([*shown, *job(2)])
    for number in range(again):
        lines = [backlog(shown), backlog(job(2)), SENTINEL]
        assert 0 == Writer(store, f"start {number}").append(lines).new
    writer = Writer(store, "last")
    writer.append([backlog(shown), backlog(job(2)), SENTINEL])
    for index, name in enumerate(STEPS[UNTIL:]):
        writer.append([response(JOBID, event(EPOCH - 60 + index, name))])
    (key,) = store.db.execute("SELECT key FROM job WHERE jobid = ?", (JOBID,)).fetchone()
    found = [record.entry.name for record in event_log.job_records(store.db, key, 2**62)]
    assert list(STEPS) == found
