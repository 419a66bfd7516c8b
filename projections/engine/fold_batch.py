# SPDX-License-Identifier: LGPL-3.0
"""Folding a batch: from stored records to each job's state before and after them.

The states of unfinished jobs are kept in memory, because ordinary events change these only.
Other jobs change when an event is read late, when they are purged, or when they reappear after
the job manager had lost them: they are then folded again from their stored events (`refold`).

The result depends on the stored records alone, not on how they are cut into batches.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from math import inf
from typing import Any, NamedTuple

import apsw
import msgspec

from eventstore.events.encoding import to_msgpack
from eventstore.events.records import Notice, Record
from eventstore.reading import event_log
from eventstore.storage.sql import value
from projections.engine.fold_whole import Boot, decode_boot, fold_whole
from projections.job.reducers import fold, gone, purged, rebooted
from projections.job.state import INACTIVE, Job


class Change(NamedTuple):
    """A job's state before and after a batch; None if there is no job (see `fold`)."""

    before: Job | None
    after: Job | None


_Changes = dict[int, Change]
_Step = tuple[int, Job | None, Job | None]  # a job's key, and its state before and after
_PART = 256  # jobs changed by a notice that are held at once


class _JobsForm(msgspec.Struct):
    jobs: list[int]


_decode_jobs = msgspec.json.Decoder(_JobsForm).decode


class JobStates:
    """The states of unfinished jobs at a checkpoint, by key: `fold` advances them.

    Jobs of other parts than ``part`` are ignored. The last call of `fold` can be undone.
    """

    def __init__(
        self, unfinished: dict[int, Job], last_key: int, part: event_log.Part = event_log.ALL
    ) -> None:
        self.unfinished = unfinished
        self._last_key = last_key  # the highest key that has occurred
        self._part = part
        self._kept_key = last_key  # before the last `fold`
        self._before: dict[int, Job | None] = {}  # states that it changed, as they were
        self._keys: dict[int, tuple[int, ...]] | None = None  # by job id, once asked for

    def keep(self) -> None:
        """Keep what was changed: it cannot be undone any more."""
        self._kept_key = self._last_key
        self._before = {}

    def undo(self) -> None:
        """Have all states as they were before the last `fold`, unless it was kept."""
        self._last_key = self._kept_key
        for key, before in self._before.items():
            self._set(key, before)
        self._before = {}

    def of_id(self, jobid: int) -> list[Job]:
        """Return the unfinished jobs with this id, the newest first."""
        if self._keys is None:
            self._keys = {}
            for job in self.unfinished.values():
                self._keys[job.id] = (*self._keys.get(job.id, ()), job.key)
        keys = self._keys.get(jobid, ())
        return [self.unfinished[key] for key in sorted(keys, reverse=True)]

    def _set(self, key: int, job: Job | None) -> None:
        """Have this state of a job; None: it is not unfinished."""
        kept = self.unfinished.pop(key, None) if job is None else self.unfinished.get(key)
        if job is not None:
            self.unfinished[key] = job
        if self._keys is None or (kept is None) is (job is None):
            return
        jobid = (job or kept).id  # type: ignore[union-attr]
        others = tuple(other for other in self._keys.get(jobid, ()) if other != key)
        if job is not None:
            others = (*others, key)
        if others:
            self._keys[jobid] = others
        else:
            self._keys.pop(jobid, None)

    def fold(
        self, db: apsw.Connection, records: Sequence[Record | Notice]
    ) -> Iterator[dict[int, Change]]:
        """Fold records, given in the order of seq; yields the changed jobs, by key.

        They come in parts, because one notice may change a million jobs: a part has all jobs
        that events changed, or some hundreds that a notice did. Each is to be used before the
        next one is asked for, which takes its place.
        """
        self.keep()
        found: _Changes = {}
        events: dict[int, list[Record]] = {}
        for record in records:
            if isinstance(record, Record):
                events.setdefault(record.job, []).append(record)
                continue
            if record.kind not in _BY_NOTICE:
                continue  # what the resource module sent concerns no job
            self._fold_events(db, events, found)
            events = {}
            for key, before, after in _BY_NOTICE[record.kind](self, db, record, found):
                self._note(found, key, before, after)
                if len(found) >= _PART:
                    yield found
                    found.clear()
        self._fold_events(db, events, found)
        yield found

    def _fold_events(
        self, db: apsw.Connection, events: dict[int, list[Record]], found: _Changes
    ) -> None:
        for key, records in events.items():
            before = self._state(db, key, records[0].seq - 1, found)
            # A missing job reappeared: refold it from all of its stored events. It may be an
            # inactive one.
            was_gone = before is None or bool(before.t_purged)
            late = any([record.anchor is not None for record in records])  # noqa: C419 - quicker
            if late or (was_gone and key <= self._last_key):
                after = refold(db, key, max(record.seq for record in records))
            else:
                after = fold(before, records)
            self._note(found, key, before, after)
            self._last_key = max(self._last_key, key)

    def _by_boot(self, db: apsw.Connection, notice: Notice, _: _Changes) -> Iterator[_Step]:
        memos = decode_boot(notice.data).memos
        for key, before in list(self.unfinished.items()):
            seqs = memos.get(str(key), [])
            if before.annotations is not None or seqs:
                yield key, before, rebooted(before, event_log.by_seq(db, seqs))

    def _by_purge(
        self, db: apsw.Connection, notice: Notice, found: _Changes
    ) -> Iterator[_Step]:
        for jobid in _decode_jobs(notice.data).jobs:
            for key in filter(self._mine, event_log.keys(db, jobid)):
                if value(db, "SELECT seq FROM purged WHERE job = ?", (key,)) != notice.seq:
                    continue
                before = self._state(db, key, notice.seq - 1, found)
                if before is not None and before.state == INACTIVE and not before.t_purged:
                    yield key, before, purged(before, notice.time)

    def _by_absence(
        self, db: apsw.Connection, notice: Notice, found: _Changes
    ) -> Iterator[_Step]:
        for key in filter(self._mine, _decode_jobs(notice.data).jobs):
            before = self._state(db, key, notice.seq - 1, found)
            if before is not None:
                yield key, before, gone(before, notice.time)

    def _mine(self, key: int) -> bool:
        parts, mine = self._part
        return key % parts == mine

    def _state(self, db: apsw.Connection, key: int, upto: int, found: _Changes) -> Job | None:
        """Return a job's state: as this part has it, else as it was up to a seq."""
        if key in found:
            return found[key].after
        state = self.unfinished.get(key)
        if state is None and key <= self._last_key:
            state = refold(db, key, upto)
        return state

    def _note(self, found: _Changes, key: int, before: Job | None, after: Job | None) -> None:
        first = found.get(key)
        found[key] = Change(before if first is None else first.before, after)
        kept = self.unfinished.get(key)
        state = after if after is not None and after.state != INACTIVE else None
        if state is not None or kept is not None:
            self._before.setdefault(key, kept)
            self._set(key, state)


_BY_NOTICE = {
    "boot": JobStates._by_boot,
    "gone": JobStates._by_absence,
    "purge": JobStates._by_purge,
}
"""What follows from each kind of notice: functions that yield jobs before and after it."""


def refold(
    db: apsw.Connection, key: int, upto: int, *, until: float | None = None
) -> Job | None:
    """Fold a job from its stored events with seq <= ``upto``.

    With ``until`` (seconds since the epoch), only the events up to the last one, in the job's
    order, with a timestamp of at most that: timestamps need not be monotonic.
    """
    return next(iter(refold_jobs(db, [key], upto, until=inf if until is None else until)))


def refold_jobs(
    db: apsw.Connection, keys: Sequence[int], upto: int, *, until: float
) -> Iterator[Job | None]:
    """Yield jobs folded as `refold` does; events of many jobs are read at once."""
    boots = [Boot(notice) for notice in event_log.boots(db) if notice.seq <= upto]
    purges, losses = event_log.purges_of(db, keys, upto), event_log.gone_since(db, keys, upto)
    for key, records in event_log.records_of(db, keys, upto):
        named = purges.get(key, ()), losses.get(key, ())
        yield fold_whole(records, boots, *named, until=until)


def encode_states(jobs: Iterable[Job]) -> list[tuple[int, bytes]]:
    """Return (key, MessagePack) of each state, as the table ``fold`` has them."""
    return [(job.key, to_msgpack(job)) for job in jobs]


def decode_state(data: bytes) -> Job:
    """Return the state that ``encode_states`` wrote."""
    job: Job = _decode(data)
    return job


_decode: Any = msgspec.msgpack.Decoder(Job).decode
