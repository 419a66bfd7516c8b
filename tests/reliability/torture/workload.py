# SPDX-License-Identifier: LGPL-3.0
"""The workload of the torture tests, and the invariants that are checked afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from eventstore.events.records import Record
from eventstore.ingest.writer import Writer
from eventstore.maintenance.verify import verify_chain
from eventstore.reading import event_log
from eventstore.storage.connection import Store, create_or_open
from eventstore.storage.sql import fetch, value
from projections.definitions.interface import schema_of
from projections.engine.rebuild import rebuild, refresh
from projections.engine.verify_views import differing
from projections.engine.views import Views, first_fault
from tests.support.journal_generator import EPOCH, journal

SMALL_LOG = 24  # pages of write-ahead log before a checkpoint, so that there are many


def batches(jobs: int, size: int, *, seed: int = 1) -> list[list[bytes]]:
    """Return a journal with purges and rejects in it, cut into batches of ``size`` lines."""
    lines = list(journal(jobs, seed=seed, rate=0.5))
    ids = [line[6 : line.index(b",")] for line in lines if b'"name":"submit"' in line]
    lines.insert(len(lines) * 2 // 3, b'{"jobs":[%b]}' % b",".join(ids[: len(ids) // 3]))
    lines.insert(len(lines) // 3, b"what nobody can read")
    return [lines[start : start + size] for start in range(0, len(lines), size)]


def later(jobs: int, seed: int = 9) -> list[bytes]:
    """Return the journal of other jobs, of another day."""
    return list(journal(jobs, seed=seed, start=EPOCH + 1e6))


def opened(path: str, synchronous: str = "normal") -> tuple[Store, Views]:
    """Open a store for writing, with frequent checkpoints, and its views up to date."""
    store = create_or_open(path, synchronous=synchronous)
    try:
        store.db.execute(f"PRAGMA wal_autocheckpoint = {SMALL_LOG}")
        views = Views(store)
        refresh(views)
    except BaseException:
        store.close()
        raise
    return store, views


def ingest(path: str, parts: Sequence[Sequence[bytes]], synchronous: str = "normal") -> None:
    """Append batches, rebuild the views, and close."""
    store, views = opened(path, synchronous)
    with store:
        writer = Writer(store, "journal", views)
        for part in parts:
            writer.append(part)
        rebuild(views, chunk=200)
        writer.close()


def stored(store: Store) -> int:
    """Return up to which seq events are stored."""
    with store.snapshot() as db:
        return event_log.head(db)


def fault(store: Store) -> str | None:
    """Return the fault that `flux-jobdb verify` would report; None where there is none."""
    found = verify_chain(store).fault
    if found is not None:
        return found
    with store.snapshot() as db:
        return first_fault(db) or differing(db)


def contents(path: str) -> dict[str, list[tuple[object, ...]]]:
    """Return all rows of events and views, without the times at which they were stored."""
    with create_or_open(path) as store:
        views = Views(store)
        tables = ["job", "notice", "purged", "fold"]
        for projection in views.projections:
            tables += schema_of(projection.schema).tables
        found = {name: sorted(fetch(store.db, f"SELECT * FROM {name}"), key=repr)
                 for name in tables}  # fmt: skip
        with store.snapshot() as db:
            # As they came: how they are kept depends on how they were cut into batches.
            events = [record for record in event_log.records(db) if isinstance(record, Record)]
        found["event"] = [
            (e.seq, e.job, e.replayed, e.anchor, e.entry.data, e.jobspec, e.R) for e in events
        ]
        found["reject"] = sorted(fetch(store.db, "SELECT jobid, reason, data FROM reject"))
        return found


def remove(path: str) -> None:
    """Remove a database and what SQLite keeps beside it."""
    for suffix in ("", "-wal", "-shm", "-journal", "-lock"):
        Path(path + suffix).unlink(missing_ok=True)


def count(store: Store) -> int:
    """Return how many events there are."""
    return int(value(store.db, "SELECT count(*) FROM event"))
