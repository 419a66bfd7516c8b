# SPDX-License-Identifier: LGPL-3.0
"""Exporting what is new: each event of a finished job once, whatever stopped in between.

A run takes what the store has behind the last one, from one snapshot of it. Jobs that have not
finished wait. What comes late for a job that was exported is an amendment: files of their own,
which readers put beside the others; of a job's rows, the one with the highest ``exported``
counts. A job that later events turn back into an unfinished one (Flux sends no such events) has
amendments, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timezone
from heapq import merge
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import apsw
import pyarrow as pa

from eventstore.errors import StoreError
from eventstore.reading import event_log
from eventstore.storage.connection import Store
from eventstore.storage.sql import fetch, statements
from lake import manifest as manifests
from lake.checking import is_finished
from lake.columns import NOTICES, of_view
from lake.compaction import compact, keys_of
from lake.manifest import Manifest
from lake.writing import JOBS_OF_A_FILE, Output, parts

SQL = statements(__file__)


def export(store: Store, lake: Path, name: str | None, *, join: bool = False) -> Manifest:
    """Export what is new; returns the manifest. ``name``: the cluster's, if the store has none.

    With ``join``, amendments and small files are joined then. Raises StoreError: no name,
    another store's lake, another exporter (Locked), a disk error.
    """
    with store.snapshot() as db:
        of = manifests.cluster_of(store.path, db, name)
        with manifests.locked(lake, of):
            manifest = manifests.read(lake, of)
            manifests.check_same(db, lake, manifest)
            try:
                manifests.settle(lake, manifest)
                _Run(db, lake, manifest).run()
                if join:
                    compact(db, lake, manifest)
            except (OSError, pa.ArrowException) as error:
                raise StoreError(
                    f"{lake}: {getattr(error, 'strerror', None) or error}"
                ) from error
    return manifest


class _Run:
    def __init__(self, db: apsw.Connection, lake: Path, manifest: Manifest) -> None:
        self._db, self._lake, self._manifest = db, lake, manifest
        self._after, self._head = manifest.seq, event_log.head(db)
        self._name = f"{self._after + 1:012}-{self._head:012}"
        self._output = Output(db, lake, manifest.cluster, self._head)
        self._replaced: set[str] = set()
        self._left: set[int] = set()  # exported, and not finished any longer
        self._jobs = self._events = 0

    def run(self) -> None:
        batch = fetch(self._db, "SELECT batch, digest FROM batch ORDER BY batch DESC LIMIT 1")
        if not batch or self._head == self._after:
            return
        withdrawn = self._withdrawn()
        self._left = {key for _, key in withdrawn}
        changed = merge(self._changed(), withdrawn, key=itemgetter(0))
        for day, found in groupby(changed, key=itemgetter(0)):
            for shard, some in enumerate(parts(found, JOBS_OF_A_FILE)):
                self._write_jobs(f"day={day}/shard={shard}", [key for _, key in some])
        self._write_notices()
        manifest = self._manifest
        manifest.seq, (manifest.batch, digest) = self._head, batch[0]
        manifest.digest = digest.hex()
        manifest.jobs += self._jobs
        manifest.events += self._events
        manifests.replace(self._lake, manifest, self._replaced, self._output.files)

    def _changed(self) -> Iterator[tuple[str, int]]:
        """Yield (day of the end, key) of finished jobs of which something is new."""
        bounds = (self._after, self._head, self._after, self._head)
        for time, key in self._db.execute(SQL["changed"], bounds):
            yield _day(time), key

    def _withdrawn(self) -> list[tuple[str, int]]:
        """Return (day, key) of exported jobs that have not finished any longer, with news."""
        if not self._after:
            return []
        keys = {key for (key,) in fetch(self._db, SQL["withdrawn"], (self._after, self._head))}
        files = self._manifest.of("events") if keys else []
        found = {
            (file.day, key) for file in files for key in keys & keys_of(self._lake, [file])
        }
        return sorted((day.removeprefix("day="), key) for day, key in found)

    def _write_jobs(self, place: str, keys: list[int]) -> None:
        """Write the events and rows of jobs that ended on one day."""
        whole = [key for key in keys if not self._was_exported(key)]
        amended = sorted(set(keys) - set(whole))
        self._jobs += len(whole)
        if whole:
            self._events += self._output.write_jobs(place, self._name, whole)
        if amended:
            name = self._name + manifests.AMENDMENT
            self._events += self._output.write_jobs(place, name, amended, self._after)

    def _was_exported(self, key: int) -> bool:
        """Whether the last run found it finished."""
        if key in self._left:
            return True
        first = fetch(self._db, "SELECT min(seq) FROM event WHERE job = ?", (key,))[0][0]
        if self._after == 0 or first > self._after:
            return False
        return is_finished(self._db, key, self._after)

    def _write_notices(self) -> None:
        """Write the notices, and the states of nodes anew where something is new of them."""
        bounds = self._after, self._head
        found = fetch(self._db, SQL["kinds_of_notices"], bounds)
        if not found:
            return
        place = f"day={_day(max(time for _, time in found))}"
        rows = (dict(zip(NOTICES.names, row, strict=True))
                for row in self._db.execute(SQL["notices"], bounds))  # fmt: skip
        self._output.write("notices", place, self._name, NOTICES, rows)
        if not any(kind.startswith("resource") for kind, _ in found):
            return
        names = [row[1] for row in fetch(self._db, "PRAGMA table_info(node_states)")]
        rows = (dict(zip(names, row, strict=True))
                for row in self._db.execute("SELECT * FROM node_states"))  # fmt: skip
        self._replaced |= {file.path for file in self._manifest.of("nodes")}
        self._output.write("nodes", place, self._name, of_view(names), rows)


def _day(time: float) -> str:
    """Return the day of a time in UTC; beyond the calendar, its first or its last one."""
    try:
        return datetime.fromtimestamp(time, timezone.utc).date().isoformat()
    except (ValueError, OverflowError, OSError):
        return (date.min if time < 0 else date.max).isoformat()
