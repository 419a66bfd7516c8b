# SPDX-License-Identifier: LGPL-3.0
"""Writing files of a lake: each has a name that engines leave out, until it is listed."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import apsw
import pyarrow as pa
import pyarrow.parquet as pq

from eventstore.reading import event_log
from eventstore.storage.sql import fetch, statements
from lake import manifest as manifests
from lake.columns import EVENTS, event_row, of_view
from lake.manifest import File

_T = TypeVar("_T")
SQL = statements(__file__)
JOBS_OF_A_FILE = 50_000
_TOGETHER = 50_000  # rows of a row group
_WORDS = ["name", "queue", "project", "bank", "state", "result", "host", "kind"]
_LEVEL = 9  # of zstd


class Output:
    """New files of a cluster, which the manifest does not list yet: ``files``."""

    def __init__(self, db: apsw.Connection, lake: Path, cluster: str, head: int) -> None:
        self._db, self._lake, self._cluster, self._head = db, lake, cluster, head
        self.files: list[File] = []

    def write_jobs(self, place: str, name: str, keys: Sequence[int], after: int = 0) -> int:
        """Write rows of finished jobs, and their events behind a seq; returns how many events.

        ``place``: the folders below that of the cluster.
        """
        count = self.write("events", place, name, EVENTS, self._event_rows(keys, after))
        columns = [row[1] for row in fetch(self._db, "PRAGMA table_info(jobs)")]
        schema = of_view([*columns, "exported"])
        self.write("jobs", place, name, schema, self._job_rows(columns, keys))
        return count

    def _event_rows(self, keys: Sequence[int], after: int) -> Iterator[dict[str, Any]]:
        for _, records in event_log.records_of(self._db, keys, self._head):
            for position, record in enumerate(records):
                if record.seq > after:
                    yield event_row(record, position)

    def _job_rows(self, columns: list[str], keys: Sequence[int]) -> Iterator[dict[str, Any]]:
        for key in keys:
            for row in self._db.execute(SQL["job"], (key,)):
                yield {**dict(zip(columns, row, strict=True)), "exported": self._head}

    def write(
        self,
        table: str,
        place: str,
        name: str,
        schema: pa.Schema,
        rows: Iterator[dict[str, Any]],
    ) -> int:
        """Write a file; returns how many rows it has. There is none for no rows."""
        path = f"{table}/cluster={self._cluster}/{place}/{name}.parquet"
        aside = manifests.part_of(self._lake / path)
        aside.parent.mkdir(parents=True, exist_ok=True)
        count = 0
        with pq.ParquetWriter(
            aside, schema, compression="zstd", compression_level=_LEVEL,
            use_dictionary=[name for name in _WORDS if name in schema.names],
            data_page_size=2**22,
        ) as writer:  # fmt: skip
            for some in parts(rows, _TOGETHER):
                writer.write_table(pa.Table.from_pylist(some, schema))
                count += len(some)
        if not count:
            aside.unlink()
            return 0
        self.files.append(_listed(aside, path, count))
        return count


def _listed(aside: Path, path: str, rows: int) -> File:
    """Sync a file, and return its entry in the manifest."""
    with open(aside, "rb") as file:
        os.fsync(file.fileno())
        digest, size = digest_of(file)
    return File(path, rows, digest, size)


def parts(items: Iterator[_T], size: int) -> Iterator[list[_T]]:
    """Yield lists of so many items; the last one may have fewer."""
    while part := list(islice(items, size)):
        yield part


def digest_of(file: BinaryIO) -> tuple[str, int]:
    """Return SHA-256 and size of a file."""
    digest, size = hashlib.sha256(), 0
    while data := file.read(2**20):
        digest.update(data)
        size += len(data)
    return digest.hexdigest(), size
