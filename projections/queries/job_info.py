# SPDX-License-Identifier: LGPL-3.0
"""One job's eventlog, jobspec and R from the event store: what job-info looks up in the KVS."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import apsw

from eventstore.events.records import Record
from eventstore.reading import event_log
from projections.job.reducers import fold
from projections.job.state import Job

_UPDATES = {"jobspec": "jobspec-update", "R": "resource-update"}


class Lookup(NamedTuple):
    """A job's records, in the job's order, and its state after them."""

    records: Sequence[Record]
    job: Job | None

    def text(self, key: str, *, original: bool = False) -> bytes | None:
        """Return eventlog, jobspec or R; None if it was never received.

        jobspec and R have the job's updates applied, unless ``original`` is set.
        """
        if key == "eventlog":
            return b"".join(record.entry.data + b"\n" for record in self.records)
        current = getattr(self.job, key, None)
        if original or current is None:
            return self._first(key)
        return bytes(current)

    def updated_before_seen(self, key: str) -> bool:
        """Return whether jobspec or R, as stored, is known to have updates applied already."""
        carrier = next((r for r in self.records if getattr(r, key, None) is not None), None)
        updated = any(record.entry.name == _UPDATES.get(key) for record in self.records)
        return carrier is not None and carrier.replayed and updated

    def _first(self, key: str) -> bytes | None:
        found = (getattr(record, key) for record in self.records)
        return next((data for data in found if data is not None), None)


def find(db: apsw.Connection, jobid: int) -> Lookup | None:
    """Return the newest job of this id; None if there is none."""
    for key in event_log.keys(db, jobid):
        records = event_log.job_records(db, key)
        if records:
            return Lookup(records, fold(None, records))
    return None
