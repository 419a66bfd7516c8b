# SPDX-License-Identifier: LGPL-3.0
"""Appending: recognise what is stored, append the rest verbatim, one transaction a batch.

Batches are atomic: events, the batch's digest and what participants derive of the events
(views, for one) are committed together or not at all. A batch that fails changes nothing, in
the database or in memory, and can be given again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

import apsw

from eventstore.events.encoding import to_json
from eventstore.events.journal_line import Reject
from eventstore.ingest.backlog import Backlog
from eventstore.ingest.batch_rows import BatchRows
from eventstore.ingest.counts import Counts
from eventstore.ingest.inserts import Payloads
from eventstore.ingest.intake import Intake
from eventstore.ingest.job_places import JobPlaces
from eventstore.ingest.resource_intake import ResourceIntake
from eventstore.ingest.unit_of_work import Participant, UnitOfWork
from eventstore.reading.cluster import check_name, is_new
from eventstore.reading.event_log import latest
from eventstore.storage.connection import Store


class Writer:
    """Appends what one source brings, in order. A store has one writer at a time.

    ``name`` is the source's: a path, or a broker's URI. ``participants`` are applied in this
    order to each batch, inside its transaction.

    ``boot`` names the broker's boot that the source comes from, where that is known: a
    broker that starts again has lost what its job manager kept in memory (annotations), and
    a notice makes views drop it, too.

    ``expected`` is given where the source begins with a complete backlog: it returns the keys
    of the jobs that the backlog ought to have. A notice says that those it lacks are gone.

    ``live``: lines are given as they come, so that a purge, or the absence of a job, has the
    time at which it was seen. Otherwise, it has a time of the journal.

    ``counts`` says what the committed batches brought; ``clock`` returns seconds since the
    epoch. Errors of SQLite come out as StoreError.
    """

    def __init__(
        self,
        store: Store,
        name: str,
        *participants: Participant,
        boot: str | None = None,
        expected: Callable[[], Iterable[int]] | None = None,
        live: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.counts = Counts()
        self._store = store
        self._clock = clock
        awaited = None if expected is None else set(expected())
        with store.transaction() as db:
            backlog = Backlog(db, boot, awaited)
            sql = "INSERT INTO source (name, boot, started) VALUES (?, ?, ?)"
            db.execute(sql, (name, boot, clock()))
            self.source = db.last_insert_rowid()
            places, resources = JobPlaces(), ResourceIntake(boot, live=live)
            seen = clock if live else None
            self._intake = Intake(places, backlog, resources, latest(db), seen)
        self._payloads = Payloads()
        memory = (self._intake, places, backlog, resources, self._payloads)
        self._unit = UnitOfWork(store, memory, participants)

    def close(self, outcome: str = "done") -> None:
        """Record how the source ended.

        The boot of a source is that of its job manager. A source that had the resource journal
        alone loses it: the first job journal of that boot still has to show a restart.
        """
        alone = 0 < self.counts.responses == self.counts.of_resources
        no_boot = ", boot = NULL" if alone else ""
        with self._store.transaction() as db:
            sql = f"UPDATE source SET ended = ?, outcome = ?{no_boot} WHERE source = ?"
            db.execute(sql, (self._clock(), outcome, self.source))

    def append(self, lines: Iterable[bytes]) -> Counts:
        """Append what ``lines`` bring, in one transaction; returns what they brought.

        Where it raises (StoreError, or what a participant raised), nothing of them is stored,
        and they can be given again.
        """
        with self._unit.batch() as db:
            rows = self._intake.begin(db)
            self._intake.take_all(lines)
            self._finish(db, rows)
        self.counts.add(self._intake.counts)
        return self._intake.counts

    def name_cluster(self, name: str) -> None:
        """Store the name of the cluster that all events are of; raises StoreError.

        A database has one: it is given once.
        """
        if not is_new(self._store.db, self._store.path, name):
            return
        with self._unit.batch() as db:
            rows = self._intake.begin(db)
            data = to_json({"cluster": check_name(name)})
            rows.add_notice("cluster", data, 0.0, self._clock())
            self._finish(db, rows)

    def set_aside(self, line: bytes, reason: str) -> None:
        """Store a line as a reject, where an error of this program keeps `append` from it."""
        with self._unit.batch() as db:
            rows = self._intake.begin(db)
            self._intake.take_reject(Reject(reason, line))
            self._finish(db, rows)
        self.counts.add(self._intake.counts)

    def _finish(self, db: apsw.Connection, rows: BatchRows) -> None:
        if rows.records or rows.rejects:
            number = rows.finish(self._payloads, self.source, self._clock())
            self._unit.apply(db, number, rows.records)


def name_cluster(store: Store, name: str, *participants: Participant) -> None:
    """Name the cluster of a database that has no name; raises StoreError for another one."""
    if is_new(store.db, store.path, check_name(name)):
        writer = Writer(store, f"--cluster {name}", *participants)
        writer.name_cluster(name)
        writer.close()
