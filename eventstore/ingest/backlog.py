# SPDX-License-Identifier: LGPL-3.0
"""What has to be kept in mind while a source's backlog is read, until its end is there.

A journal begins with a backlog: all events of each job that the job manager has, and a
response of the id SENTINEL behind them. What the complete backlog shows, and what it does not
show, is stored as notices:

    boot    the broker started again since other sources were read: its job manager has lost
            what it kept in memory, but for the memos that the backlog shows
    gone    jobs that a complete backlog ought to have and does not have
"""

from __future__ import annotations

from collections.abc import Iterable

import apsw
from msgspec import Struct

from eventstore.events.encoding import to_json
from eventstore.ingest.batch_rows import BatchRows
from eventstore.reading.event_log import head, knows_boot, latest


class _Seen(Struct):
    """What the current batch saw."""

    rebooted: bool
    memos: list[tuple[int, int]] = []  # (job key, seq)
    jobs: set[int] = set()
    ended: bool = False


class Backlog:
    """The backlog of one source.

    ``boot`` names the broker's boot that the source comes from, None where that is not known.
    ``awaited`` are keys of jobs that a complete backlog must show; None: none is expected.
    """

    def __init__(self, db: apsw.Connection, boot: str | None, awaited: set[int] | None) -> None:
        self._boot = boot
        self._awaited = awaited  # those that were not shown yet; None: no longer looked for
        # seqs of the memos shown, by job key: those in the KVS, which a restart does not take
        # away. None: the backlog is over.
        self._memos: dict[int, list[int]] | None = {}
        self._has_history = head(db) > 0  # whether other sources came before
        self._joined = latest(db)  # the time that events had reached before this source
        other_boot = boot is not None and not knows_boot(db, boot)
        self._rebooted = self._has_history and other_boot
        self._batch = _Seen(self._rebooted)

    @property
    def awaits_jobs(self) -> bool:
        """Whether jobs are awaited that may not be in the backlog."""
        return self._awaited is not None and not self._batch.ended

    def saw_job(self, key: int) -> None:
        """Note a job that the source shows."""
        if self.awaits_jobs:
            self._batch.jobs.add(key)

    def saw_memo(self, key: int, seq: int) -> None:
        """Note a memo that a backlog shows; behind the end of this one, none counts."""
        self._batch.memos.append((key, seq))

    def saw_restart(self) -> None:
        """Note an event that the job manager posts only when it starts again."""
        self._batch.rebooted = self._batch.rebooted or self._has_history

    def end(self, rows: BatchRows) -> None:
        """Add the notices that follow from the complete backlog."""
        memos, absent = self._all_memos(), self._absent()
        rebooted = self._batch.rebooted
        self._batch = _Seen(rebooted=False, ended=True)
        if absent:
            self._add_gone(rows, absent)
        if rebooted:
            data = {"boot": self._boot, "memos": {str(k): seqs for k, seqs in memos.items()}}
            # The restart was later than all that was read before this source.
            rows.add_notice("boot", to_json(data), self._joined)

    def committed(self) -> None:
        """Keep what the batch saw."""
        if self._batch.ended:
            self._memos = self._awaited = None
        elif self._memos is not None:
            _add_memos(self._memos, self._batch.memos)
        if self._awaited is not None:
            self._awaited -= self._batch.jobs
        self._rebooted = self._batch.rebooted
        self._batch = _Seen(self._rebooted)

    def rolled_back(self) -> None:
        """Drop what the batch saw."""
        self._batch = _Seen(self._rebooted)

    def _all_memos(self) -> dict[int, list[int]]:
        if self._memos is None or self._batch.ended:
            return {}
        memos = {key: list(seqs) for key, seqs in self._memos.items()}
        _add_memos(memos, self._batch.memos)
        return memos

    def _absent(self) -> list[int]:
        """Return the keys of jobs that the backlog ought to have had, and has not."""
        if self._awaited is None or self._batch.ended:
            return []
        return sorted(self._awaited - self._batch.jobs)

    def _add_gone(self, rows: BatchRows, absent: list[int]) -> None:
        db = rows.flushed()
        # When they were purged is not known exactly: after all that was read before this
        # source, and before the backlog was seen, whose time is taken.
        data = to_json({"jobs": absent})
        seq = rows.add_notice("gone", data, self._joined, rows.seen)
        sql = "INSERT INTO gone (job, seq) VALUES (?, ?)"
        db.executemany(sql, [(key, seq) for key in absent])


def _add_memos(memos: dict[int, list[int]], more: Iterable[tuple[int, int]]) -> None:
    for key, seq in more:
        memos.setdefault(key, []).append(seq)
