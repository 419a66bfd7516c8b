# SPDX-License-Identifier: LGPL-3.0
"""flux-accounting's database: adds job records to its ``jobs`` table, and writes no other.

The known schemas are those that flux-accounting's create_db.py made, version by version
(``PRAGMA user_version``). The rows are those that its own script adds: a job is identified by
its id, and an existing row is left alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

import apsw

from cli.accounting.lock_holders import holders
from eventstore.errors import Locked, NotOurs, StoreError, TooNew, translated
from eventstore.storage.sql import fetch, value
from projections.queries.accounting_feed import JobRecord

__all__ = ["VERSIONS", "Mark", "Refused", "Target"]

VERSIONS = range(22, 39)
"""Versions of the schema that are known: flux-accounting 0.33 (June 2024) and newer."""

_NEWER_COLUMNS = frozenset({"project", "bank", "requested_duration", "actual_duration"})
_WITNESSES = 64


class Refused(NamedTuple):
    """A job that could not be added, and why."""

    jobid: int
    reason: str


class Mark(NamedTuple):
    """Identifies a table's last rows: the largest ``rowid``, and a digest of several rows."""

    rowid: int
    digest: str


class Target:
    """A flux-accounting database.

    ``wait``: seconds to wait for a lock; then Locked names the likely holders. ``schema``: a
    version that is accepted beside the known ones. Raises StoreError, with the file untouched,
    where it is not such a database.
    """

    def __init__(self, path: str, *, wait: float = 30.0, schema: int | None = None) -> None:
        self.path = str(Path(path).resolve())
        self._wait = wait
        if not Path(path).is_file():
            raise StoreError(
                f"{path}: there is no such database; `flux account create-db` makes one"
            )
        with self._errors():
            self.db = apsw.Connection(self.path, flags=apsw.SQLITE_OPEN_READWRITE)
            try:
                self.db.set_busy_timeout(max(1, int(wait * 1000)))
                # Enough for a run's rows: a full cache spills, which locks readers out early.
                self.db.execute("PRAGMA cache_size = -65536")  # KiB
                self._columns = self._known_columns(schema)
            except BaseException:
                self.db.close()
                raise
        names = ", ".join(self._columns)
        marks = ", ".join("?" * len(self._columns))
        self._insert = (
            f"INSERT INTO jobs ({names}) VALUES ({marks}) ON CONFLICT (id) DO NOTHING"
        )
        self._row = itemgetter(*map(JobRecord._fields.index, self._columns))

    def __enter__(self) -> Target:
        return self

    def __exit__(self, *_: object) -> None:
        self.db.close()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Turn SQLite's errors into StoreError; into Locked where a retry may succeed."""
        with translated(self.path):
            try:
                yield
            except apsw.BusyError as error:
                raise Locked(
                    f"{self.path}: locked for {self._wait:g} s, it seems by "
                    f"{holders(self.path)}; run this again when that has ended"
                ) from error
            except apsw.ReadOnlyError as error:
                if getattr(error, "extendedresult", 0) != apsw.SQLITE_READONLY_DBMOVED:
                    raise  # the one raised by transaction() has no extended result
                raise Locked(
                    f"{self.path}: moved or replaced while it was open; run this again"
                ) from error
            except apsw.CorruptError as error:
                raise StoreError(
                    f"{self.path}: it is damaged; restore it from a backup, and run this again "
                    f"to add the missing jobs ({error})"
                ) from error

    # -- the schema

    def _known_columns(self, schema: int | None) -> tuple[str, ...]:
        """Return the columns to fill, ``id`` first; raises NotOurs, TooNew."""
        version = self.db.pragma("user_version")
        found = fetch(self.db, "SELECT name, pk FROM pragma_table_info('jobs')")
        names = {name for name, _ in found}
        kind = "SELECT type, wr FROM pragma_table_list WHERE schema = 'main' AND name = ?"
        if not names or not fetch(self.db, kind, ("association_table",)):
            raise NotOurs(f"{self.path}: not a flux-accounting database; name another file")
        if version not in VERSIONS and version != schema:
            raise (TooNew if version > VERSIONS[-1] else NotOurs)(
                f"{self.path}: schema {version} of flux-accounting is not known here "
                f"({VERSIONS[0]} to {VERSIONS[-1]} are); if its jobs table is the same, "
                f"give --schema {version}"
            )
        wanted = set(JobRecord._fields)
        odd = (names - wanted) | (wanted - names - _NEWER_COLUMNS)
        plain = fetch(self.db, kind, ("jobs",)) == [("table", 0)]
        if odd or not plain or [name for name, key in found if key] != ["id"]:
            raise NotOurs(
                f"{self.path}: its jobs table is not as flux-accounting makes it"
                f"{' (' + ', '.join(sorted(odd)) + ')' if odd else ''}; nothing was changed"
            )
        return tuple(name for name in JobRecord._fields if name in names)

    # -- rows

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """A transaction that takes the write lock at its start."""
        with self._errors():
            if self.db.readonly("main"):
                raise apsw.ReadOnlyError("attempt to write a readonly database")
            self.db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self.db.execute("COMMIT")
            except BaseException:
                if self.db.in_transaction:
                    self.db.execute("ROLLBACK")
                raise

    def add(self, records: Sequence[JobRecord]) -> tuple[int, list[Refused]]:
        """Add missing records; returns how many were added, and which were refused.

        Call it inside of ``transaction()``.
        """
        before = self._last_rowid()
        refused: list[Refused] = []
        try:
            with self.db:
                self.db.executemany(self._insert, map(self._row, records))
        except (apsw.ConstraintError, apsw.TooBigError):
            refused = [found for found in map(self._add_one, records) if found is not None]
        added = self._last_rowid() - before
        if added < len(records):
            refused += self._occupied(records)
        return added, refused

    def _add_one(self, record: JobRecord) -> Refused | None:
        try:
            with self.db:
                self.db.execute(self._insert, self._row(record))
        except (apsw.ConstraintError, apsw.TooBigError) as error:
            unknown = [
                name for name in ("ranks", "R", "jobspec") if record._asdict()[name] is None
            ]
            told = f" ({' and '.join(unknown)} not known)" if unknown else ""
            return Refused(record.id, f"{error}{told}")
        return None

    def _occupied(self, records: Sequence[JobRecord]) -> list[Refused]:
        """Return the records whose id another job has in the table.

        An instance that starts with an empty KVS counts its ids from the start again; the
        table, keyed by id, cannot hold both jobs.
        """
        found = []
        for record in records:
            there = self._submitted(record.id)
            if there is not None and there != record.t_submit:
                found.append(
                    Refused(record.id, f"another job has this id, submitted at {there!r}")
                )
        return found

    def missing(self, records: Sequence[JobRecord]) -> int:
        """Return how many of these jobs the table lacks."""
        with self._errors():
            return sum(self._submitted(record.id) is None for record in records)

    def submitted(self, jobid: int) -> float | None:
        """Return when the stored job of this id was submitted (epoch seconds), or None."""
        with self._errors():
            return self._submitted(jobid)

    def _submitted(self, jobid: int) -> float | None:
        found: float | None = value(self.db, "SELECT t_submit FROM jobs WHERE id = ?", (jobid,))
        return found

    def _last_rowid(self) -> int:
        return int(value(self.db, "SELECT coalesce(max(rowid), 0) FROM jobs"))

    # -- detecting a restored table

    def mark(self, upto: int | None = None) -> Mark:
        """Return a mark of the table's definition and its last rows, of those up to a rowid.

        Rowids grow: a table that was restored to a state before these rows has other rows, or
        none, at these rowids. The definition counts, since a table with other constraints may
        accept what was refused before.
        """
        with self._errors():
            last = self._last_rowid() if upto is None else upto
            sql = "SELECT rowid, id FROM jobs WHERE rowid <= ? ORDER BY rowid DESC LIMIT ?"
            rows = fetch(self.db, sql, (last, _WITNESSES))
            sql = "SELECT sql FROM sqlite_schema WHERE tbl_name = 'jobs' ORDER BY type, name"
            rows += fetch(self.db, sql)
        return Mark(last, hashlib.sha256(repr(rows).encode()).hexdigest()[:32])

    def still_has(self, mark: Mark) -> bool:
        """Whether the rows that ``mark`` describes are unchanged."""
        return self.mark(mark.rowid) == mark

    def weights(self) -> dict[str, float]:
        """Return the configured weights of "node", "core" and "gpu" in a usage."""
        sql = (
            "SELECT replace(key, '_weight', ''), CAST(value AS REAL) FROM config_table"
            " WHERE key IN ('node_weight', 'core_weight', 'gpu_weight')"
        )
        with self._errors():
            if (
                value(self.db, "SELECT 1 FROM sqlite_schema WHERE name = 'config_table'")
                is None
            ):
                return {}  # older than schema 35
            return dict(fetch(self.db, sql))
