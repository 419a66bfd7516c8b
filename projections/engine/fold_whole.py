# SPDX-License-Identifier: LGPL-3.0
"""Folding one job from all of its stored events, and from the notices that concern it: pure.

Whoever has these, from a database or from files, gets the state that batches led to.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from math import inf

import msgspec

from eventstore.events.records import Notice, Record
from projections.job.reducers import fold, gone, purged, rebooted
from projections.job.state import INACTIVE, Job

Named = Sequence[tuple[int, float]]
"""(seq, time) of the notices of a kind that name a job, by seq."""


class _BootForm(msgspec.Struct):
    memos: dict[str, list[int]]


class Boot:
    """Another boot of the broker: its place in the order of arrival, its time, its memos."""

    def __init__(self, notice: Notice) -> None:
        self.seq, self.time = notice.seq, notice.time
        self._data = notice.data

    @cached_property
    def memos(self) -> dict[str, list[int]]:
        """The seqs of the memos that the job manager kept, by the job's key as text."""
        return decode_boot(self._data).memos


decode_boot = msgspec.json.Decoder(_BootForm).decode


def fold_whole(
    records: Sequence[Record],
    boots: Iterable[Boot] = (),
    purges: Named = (),
    losses: Named = (),
    *,
    until: float = inf,
) -> Job | None:
    """Return a job's state, given all of its records in the job's order; None: no job.

    ``purges`` and ``losses`` are the notices that the job was purged, or is gone. ``until``
    (seconds since the epoch): as it was then. It has the events up to the last one with a
    timestamp of at most that, since timestamps need not be monotonic.
    """
    there = len(records)
    while there and records[there - 1].entry.timestamp > until:
        there -= 1
    records = records[:there]
    job = _with_boots(records, [boot for boot in boots if boot.time <= until])
    if job is not None and job.state == INACTIVE:
        for seq, time in purges:
            if time <= until and _ended(records, seq):
                job = purged(job, time)
    for seq, time in losses:
        held = all(record.seq < seq for record in records)
        if job is not None and held and time <= until:
            job = gone(job, time)
    return job


def _with_boots(records: Sequence[Record], boots: Sequence[Boot]) -> Job | None:
    """Fold records, and each boot after the last record that was stored before it."""
    job: Job | None = None
    done = 0
    first = min((record.seq for record in records), default=0) if boots else 0
    for boot in boots:
        if boot.seq < first:
            continue  # there was no job yet
        end = max(
            (i + 1 for i, record in enumerate(records) if record.seq < boot.seq), default=0
        )
        job = fold(job, records[done:end])
        done = max(done, end)
        if job is not None and job.state != INACTIVE:
            seqs = boot.memos.get(str(job.key), [])
            job = rebooted(job, [record for record in records if record.seq in seqs])
    return fold(job, records[done:])


def _ended(records: Sequence[Record], seq: int) -> bool:
    """Return whether a job that is inactive now was it before ``seq``: only such are purged."""
    before = [record for record in records if record.seq < seq]
    if len(before) == len(records):
        return True
    job = fold(None, before)
    return job is not None and job.state == INACTIVE
