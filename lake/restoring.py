# SPDX-License-Identifier: LGPL-3.0
"""Making a store of the lake: the same events, to the byte, under the same numbers.

The files are in the order of jobs; rows are put in the order of arrival in a database beside
the new one, which is removed afterwards. What jobs that had not finished brought is not in a
lake: such numbers are left out, and `flux-jobdb gaps` says so.
"""

from __future__ import annotations

import os
import pickle
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import apsw

from eventstore.errors import StoreError
from eventstore.events import digest_chain
from eventstore.events.records import Notice, Record
from eventstore.ingest import inserts
from eventstore.maintenance.derived_rows import append_with_jobs
from eventstore.reading.event_log import head
from eventstore.storage.connection import Store
from eventstore.storage.sql import value
from lake.checking import broken_files, rows_of
from lake.columns import notice_of, record_of
from lake.manifest import Manifest

_BATCH = 2000


def restore(store: Store, lake: Path, manifest: Manifest) -> int:
    """Fill an empty store from a lake; returns the number of events. Raises StoreError."""
    if head(store.db):
        raise StoreError(f"{store.path}: it has events; name a new database for a lake")
    for what in broken_files(lake, manifest):
        raise StoreError(f"{lake}: {what}; nothing is stored")
    folder = Path(store.path).resolve().parent
    number, name = tempfile.mkstemp(dir=folder, prefix=".lake-")
    os.close(number)
    try:
        return _fill(store, lake, manifest, apsw.Connection(name))
    finally:
        Path(name).unlink()


def source_name(lake: Path | str, manifest: Manifest) -> str:
    """Return the name of the source of a store that is made of a lake: where it reached to."""
    return f"lake {lake} at {manifest.digest[:32]}"


def _fill(store: Store, lake: Path, manifest: Manifest, beside: apsw.Connection) -> int:
    try:
        beside.execute("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF")
        beside.execute("CREATE TABLE record (seq INTEGER PRIMARY KEY, data BLOB)")
        with beside:
            sql = "INSERT INTO record VALUES (?, ?)"
            for table in ("events", "notices"):
                rows = rows_of(lake, manifest.of(table))
                beside.executemany(sql, ((row["seq"], pickle.dumps(row)) for row in rows))
        found = (
            pickle.loads(data)  # noqa: S301 - what was written above
            for (data,) in beside.execute("SELECT data FROM record ORDER BY seq")
        )
        records = (record_of(row) if "jobid" in row else notice_of(row) for row in found)
        return _append(store, source_name(lake, manifest), records)
    except apsw.ConstraintError as error:
        raise StoreError(f"{lake}: an event is there twice") from error
    finally:
        beside.close()


def _append(store: Store, name: str, records: Iterator[Record | Notice]) -> int:
    """Append records in the order of seq, in batches of their own; returns how many events."""
    payloads, jobs, events = inserts.Payloads(), set[int](), 0
    now = time.time()
    with store.transaction() as db:
        sql = "INSERT INTO source (name, started) VALUES (?, ?)"
        db.execute(sql, (name, now))
        source = db.last_insert_rowid()
    chain, last = digest_chain.GENESIS, 0
    for number, some in enumerate(iter(lambda: list(islice(records, _BATCH)), []), 1):
        mine = [record for record in some if isinstance(record, Record)]
        notices = [record for record in some if isinstance(record, Notice)]
        texts = {
            table: [(r.seq, data) for r in mine if (data := getattr(r, table)) is not None]
            for table in ("jobspec", "R")
        }
        contents = digest_chain.Contents(mine, texts["jobspec"], texts["R"], notices, [])
        with store.transaction() as db:
            new = {r.job: (r.job, r.jobid, r.stream) for r in mine if r.job not in jobs}
            inserts.append_jobs(db, new.values())
            jobs |= new.keys()
            inserts.append_events(db, mine)
            for table, found in texts.items():
                payloads.append(db, table, found)
            for notice in notices:
                append_with_jobs(db, notice)
            proof = digest_chain.prove(chain, (number, source, now), contents)
            extent = (last + 1, some[-1].seq, 0)
            inserts.append_batch(db, (number, source, now), extent, proof)
        payloads.committed()
        chain, last, events = proof.digest, some[-1].seq, events + len(mine)
    with store.transaction() as db:
        whole = last == value(db, "SELECT (SELECT count(*) FROM event) + count(*) FROM notice")
        outcome = (
            "done" if whole else "recovered"
        )  # numbers that are left out are no fault then
        sql = "UPDATE source SET ended = ?, outcome = ? WHERE source = ?"
        db.execute(sql, (time.time(), outcome, source))
    return events
