# SPDX-License-Identifier: LGPL-3.0
"""Proving that a lake is the store: whole files, and each event once, to the byte.

The store's digest chain proves the store (`flux-jobdb verify`); the manifest names the batch of
it that the lake reaches to.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import apsw
import pyarrow as pa
import pyarrow.parquet as pq

from eventstore.errors import StoreError
from eventstore.events.records import Record
from eventstore.reading import event_log
from eventstore.storage.connection import Store
from eventstore.storage.sql import fetch, value
from lake.columns import record_of
from lake.manifest import File, Manifest, check_same, place_of, read
from lake.writing import digest_of
from projections.engine.fold_batch import refold
from projections.job.state import INACTIVE

_TOGETHER = 4000  # events


def rows_of(lake: Path, files: Iterable[File]) -> Iterator[dict[str, Any]]:
    """Yield the rows of files, one file after the other, some thousands in memory at a time."""
    for file in files:
        with pq.ParquetFile(place_of(lake, file.path)) as found:
            for batch in found.iter_batches(5000):
                yield from batch.to_pylist()


def check(store: Store, lake: Path, cluster: str) -> Iterator[str]:
    """Yield what is wrong, a line each.

    Raises StoreError where the lake is another store's, or has nothing of this one.
    """
    with store.snapshot() as db:
        manifest = read(lake, cluster)
        if not manifest.batch and event_log.head(db):
            raise StoreError(f"{lake}: nothing of {cluster} was exported there")
        check_same(db, lake, manifest)
        broken = list(broken_files(lake, manifest))
        yield from broken
        if not broken:
            yield from _events(db, lake, manifest)


def broken_files(lake: Path, manifest: Manifest) -> Iterator[str]:
    """Yield what is wrong with files that are listed, a line each."""
    for file in manifest.files:
        path = place_of(lake, file.path)
        try:
            with open(path, "rb") as opened:
                found = digest_of(opened)
            if found != (file.sha256, file.bytes):
                yield f"{file.path}: its bytes are not those that were written"
            elif pq.read_metadata(path).num_rows != file.rows:
                yield f"{file.path}: it has not {file.rows} rows"
        except (OSError, pa.ArrowException) as error:
            yield f"{file.path}: {error}"


def _events(db: apsw.Connection, lake: Path, manifest: Manifest) -> Iterator[str]:
    """Compare each event, and see that none is there twice and none is left out."""
    seen: dict[int, int] = {}
    rows = rows_of(lake, manifest.of("events"))
    for some in iter(lambda: list(islice(rows, _TOGETHER)), []):
        keys = list(dict.fromkeys(row["job"] for row in some))
        stored = {record.seq: record for _, records in event_log.records_of(db, keys)
                  for record in records}  # fmt: skip
        for row in some:
            one = stored.get(row["seq"])
            if one is None or _columns(one) != _columns(record_of(row)):
                yield f"event {row['seq']}: it is not the one of the store"
            seen[row["job"]] = seen.get(row["job"], 0) + 1
    for (key,) in fetch(db, "SELECT job FROM inactive ORDER BY job"):
        yield from _lacking(db, key, seen.pop(key, 0), manifest.seq)
    for key, count in seen.items():  # not finished now
        seqs = [record.seq for _, records in event_log.records_of(db, [key], manifest.seq)
                for record in records]  # fmt: skip
        if any(is_finished(db, key, seq) for seq in seqs):
            yield from _lacking(db, key, count, manifest.seq)
        else:
            yield f"job {key}: it is there, and has not finished"


def _lacking(db: apsw.Connection, key: int, found: int, seq: int) -> Iterator[str]:
    expected = value(
        db, "SELECT count(*) FROM event WHERE job = ? AND seq <= ?", (key, seq)
    )  # fmt: skip
    if found != expected and (found or is_finished(db, key, seq)):
        yield f"job {key}: the lake has not the {expected} events that the store has"


def _columns(record: Record) -> tuple[Any, ...]:
    return (record.seq, record.job, record.jobid, record.stream, record.replayed,
            record.anchor, record.entry.data, record.jobspec, record.R)  # fmt: skip


def is_finished(db: apsw.Connection, key: int, seq: int) -> bool:
    """Whether a job was a finished one where the store had ``seq`` as its last number."""
    job = refold(db, key, seq)
    return job is not None and job.state == INACTIVE
