# SPDX-License-Identifier: LGPL-3.0
"""Recovering a damaged database: copy the rows that can be read, name those that cannot.

Events keep their bytes, their seq, their batches and their sources. Missing events leave a gap,
which is filled when the same journal is ingested again, or by the next backlog. Bytes whose
checksum differs from the stored one become rejects. If nothing is missing, the new database has
the head digest of the old one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import apsw

from eventstore.errors import StoreError
from eventstore.events import digest_chain
from eventstore.ingest import inserts
from eventstore.maintenance.derived_rows import append_with_jobs, is_recovered, is_source
from eventstore.maintenance.salvage import Salvage, salvage
from eventstore.maintenance.trusted_rows import Batch, Losses, TrustedRows
from eventstore.storage.connection import Store, create_or_open
from eventstore.storage.sql import statements, value

SQL = statements(__file__)

Progress = Callable[[int, int], None]
"""Called with (done, total) seqs."""

_NUMBERED = ("event", "notice", "jobspec", "R")  # tables that have a seq


@dataclass
class Recovered:
    """What was copied; each of ``losses`` is a line that names what could not be."""

    events: int = 0
    head: bytes = digest_chain.GENESIS
    losses: list[str] = field(default_factory=list)


def recover(
    path: str,
    to: str,
    progress: Progress = lambda done, total: None,
    *,
    job_ids: Sequence[str] = (),
) -> Recovered:
    """Make the new database ``to`` from what can be read of ``path``, which stays as it is.

    ``job_ids``: SQL queries returning (job.key, job id) from the caller's own tables (the
    views). They are used if the table job is damaged.

    Raises StoreError if ``to`` exists already, or if nothing at all can be read.
    """
    if not Path(path).exists():
        raise StoreError(f"{path}: there is no such database")
    if Path(to).exists():
        raise StoreError(f"{to}: exists already; name a new file")
    with salvage(path, Path(to).resolve().parent) as found:
        if not found.readings:
            raise StoreError(f"{path}: nothing of it can be read; restore it from a backup")
        with create_or_open(to) as store:
            return _Recovery(found, store, job_ids).run(path, progress)


class _Recovery:
    def __init__(self, found: Salvage, store: Store, job_ids: Sequence[str]) -> None:
        self._found = found
        self._store = store
        self._result = Recovered()
        self._losses = Losses(self._result.losses, [])
        self._jobs = _jobs(found, job_ids)
        self._without_events = set(self._jobs)  # keys whose rows are not written
        self._payloads = inserts.Payloads()

    def run(self, path: str, progress: Progress) -> Recovered:
        batches = self._batches()
        trusted = TrustedRows(self._found, self._jobs, self._losses)
        with self._store.transaction() as db:
            self._copy_sources(db, batches)
        for batch in batches:
            with self._store.transaction() as db:
                self._append(db, batch, trusted.contents(batch))
            progress(batch.last, batches[-1].last)
        with self._store.transaction() as db:
            self._finish(db, path, batches)
        return self._result

    # -- which batches there were

    def _batches(self) -> list[Batch]:
        """Return all batches in order; placeholders stand for those whose rows are lost."""
        columns = "source, committed, first, last, checks, digest"
        rows = self._found.rows("batch", columns)
        batches: list[Batch] = []
        for number, copies in sorted(rows.items()):
            possible = [
                Batch(*row) for row in copies if Batch.is_possible(row, self._found.room)
            ]
            after = batches[-1].last + 1 if batches else 1
            if not possible or possible[0].first < after:
                continue
            self._add_placeholders(batches, number - 1, possible[0].first - 1)
            previous = batches[-1].digest if batches else digest_chain.GENESIS
            batches.append(possible[0]._replace(previous=previous))
        for name in _NUMBERED:
            for seq in self._found.beyond(name):
                self._losses.name(f"{name} {seq}: is no sequence number")
        top = max(self._found.highest(name) for name in _NUMBERED)
        if top > (batches[-1].last if batches else 0):
            self._add_placeholders(batches, len(batches) + 1, top)
        return batches

    def _add_placeholders(self, batches: list[Batch], number: int, last: int) -> None:
        """Add batches up to ``number`` and up to the seq ``last``."""
        while len(batches) < number:
            first = batches[-1].last + 1 if batches else 1
            if last >= first:
                self._losses.name(f"seq {first} to {last}: the digest that proves these events")
            batches.append(Batch(len(batches) + 1, 0, 0.0, first, last))

    # -- writing

    def _copy_sources(self, db: apsw.Connection, batches: list[Batch]) -> None:
        found = self._found.rows("source", "name, boot, started, ended, outcome")
        sources = {batch.source: (batch.source,) for batch in batches if batch.source}
        for number in sorted(sources.keys() | found.keys()):
            copies = [row for row in found.get(number, ()) if is_source(row)]
            if copies:
                db.execute(SQL["append_source"], copies[0])
            else:
                self._losses.name(f"source {number}: its row is lost")

    def _append(
        self, db: apsw.Connection, batch: Batch, contents: digest_chain.Contents
    ) -> None:
        self._append_jobs(db, {event.job for event in contents.events})
        inserts.append_events(db, contents.events)
        self._payloads.append(db, "jobspec", contents.jobspecs)
        self._payloads.append(db, "R", contents.Rs)
        for notice in contents.notices:
            append_with_jobs(db, notice)
        rejects = [
            row for row in contents.rejects if inserts.append_reject(db, batch.number, row)
        ]
        contents = contents._replace(rejects=rejects)
        header = (batch.number, batch.source, batch.committed)
        proof = digest_chain.prove(self._result.head, header, contents)
        rows = len(contents.events) + len(contents.notices)
        missing = batch.last - batch.first + 1 - rows
        lost = digest_chain.lost_checks(batch.checks, proof.checks, missing)
        proof = proof._replace(checks=proof.checks + lost)
        self._result.head = proof.digest
        self._result.events += len(contents.events)
        extent = (batch.first, batch.last, len(rejects))
        inserts.append_batch(db, header, extent, proof)

    def _append_jobs(self, db: apsw.Connection, keys: set[int]) -> None:
        new = sorted(keys & self._without_events)
        inserts.append_jobs(db, [(key, *self._jobs[key]) for key in new])
        self._without_events -= keys

    def _finish(self, db: apsw.Connection, path: str, batches: list[Batch]) -> None:
        """Add what was set aside, and a source that says that the store is not complete."""
        last = batches[-1].last if batches else 0
        complete = last == value(db, SQL["number_of_seqs"])
        if complete:
            for key in sorted(self._without_events):
                self._losses.name(f"job {self._jobs[key][0]} (key {key}): no event is of it")
        else:
            # Notices may name jobs of which all events are lost.
            self._append_jobs(db, self._without_events)
        if not self._result.losses and (complete or is_recovered(db)):
            return
        now = time.time()
        db.execute(SQL["append_recovery"], (path, now, now))
        rest = Batch(len(batches) + 1, db.last_insert_rowid(), now, last + 1, last)
        if self._losses.rejects:
            rows = digest_chain.Contents([], [], [], [], self._losses.rejects)
            self._append(db, rest, rows)


def _jobs(found: Salvage, job_ids: Sequence[str]) -> dict[int, tuple[int, int]]:
    """Return (jobid, stream) of each key, from the table, its index, or other tables."""
    jobs: dict[int, tuple[int, int]] = {}
    for sql in job_ids:
        jobs |= {key: (jobid, 1) for key, jobid in found.every(sql)}
    sql = "SELECT key, jobid, stream FROM job INDEXED BY sqlite_autoindex_job_1"
    jobs |= {key: (jobid, stream) for key, jobid, stream in found.every(sql)}
    rows = found.rows("job", "jobid, stream")
    jobs |= {key: (copies[0][1], copies[0][2]) for key, copies in rows.items()}
    keys: dict[tuple[int, int], int] = {}
    for key, names in jobs.items():
        if all(isinstance(item, int) for item in (key, *names)):
            keys.setdefault(names, key)
    return {key: names for names, key in keys.items()}
