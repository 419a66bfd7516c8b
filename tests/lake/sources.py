# SPDX-License-Identifier: LGPL-3.0
"""A lake of all recordings, each a cluster, exported on the way; and what databases have."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from eventstore.ingest.writer import Writer
from eventstore.storage.connection import Store, create_or_open
from flux_jobdb import INACTIVE, Add, Job, Put
from lake import manifest
from lake.export import export
from lake.restoring import restore
from projections.definitions.interface import Projection
from projections.definitions.registry import BUILTIN
from projections.engine.rebuild import refresh
from projections.engine.views import Views
from tests.support import field_jobs
from tests.support.journal_generator import journal
from tests.support.nodes.recordings import node_recordings
from tests.support.recordings import checkpoints_on_the_way, recordings

Row = tuple[Any, ...]
JOBS = int(os.environ.get("LAKE_JOBS", "3000"))
"""Of the cluster ``more``: a day and more."""
OF_FINISHED = ("inactive", "span", "accounting", "ended", "purged_by_hour", "report_hour",
               "report_alone", "node", "node_history", "node_time", "node_load",
               "node_snapshot")  # fmt: skip
"""Tables that follow from finished jobs and notices: a lake has all that makes them."""


class Site:
    """What a site may have: sums of two types, rows, no text, a table of nothing."""

    name = "site"
    version = 1
    schema = """
        CREATE TABLE site_sum (
            bank TEXT NOT NULL, queue TEXT, jobs INTEGER NOT NULL, halves REAL NOT NULL,
            PRIMARY KEY (bank, queue)
        );
        CREATE TABLE site_job (job INTEGER PRIMARY KEY, name TEXT, odd NUMERIC, half REAL);
        CREATE TABLE site_none (job INTEGER PRIMARY KEY, data BLOB);
        CREATE INDEX site_by_name ON site_job (name);
    """

    def rows(self, job: Job) -> Iterator[Put | Add]:
        if job.state != INACTIVE:
            return
        yield Add("site_sum", (job.bank or b"", job.queue), (1, 0.5 * max(job.nnodes, 0)))
        yield Add("site_sum", ("zero", ""), (0, 0))
        yield Put("site_job", (job.key, job.id, str(job.userid), job.key))


class Sources(NamedTuple):
    """A lake, and by cluster the database that it was exported from, and one made of it."""

    lake: Path
    stores: dict[str, Path]
    made: dict[str, Path]


def of_recordings(
    folder: Path,
    more: Mapping[str, Iterable[list[bytes]]] | None = None,
    projections: Iterable[Projection] = (),
) -> Sources:
    """Make a lake of all recordings, and of clusters of lines, exported after each list.

    Databases have the views of ``projections``, too.
    """
    known = [*BUILTIN, *projections]
    lake, stores, made = folder / "lake", dict[str, Path](), dict[str, Path]()

    def begun(name: str) -> tuple[Store, Views]:
        stores[name] = folder / f"{name}.sqlite"
        store = create_or_open(str(stores[name]))
        return store, Views(store, known)

    for recording in recordings():
        store, views = begun(recording.name)
        with store:
            for number, _ in enumerate(checkpoints_on_the_way(recording, store, views)):
                if number % 20 == 0:
                    export(store, lake, recording.name)
            export(store, lake, recording.name, join=len(stores) % 2 == 0)
    for nodes in node_recordings():
        name = f"nodes-{nodes.name}"
        store, views = begun(name)
        with store:
            list(nodes.on_the_way(store, views))
            export(store, lake, name)
    for name, parts in (more or {}).items():
        store, views = begun(name)
        with store:
            for lines in parts:
                Writer(store, name, views).append(lines)
                export(store, lake, name)
    for name in stores:
        made[name] = folder / f"{name}-made.sqlite"
        with create_or_open(str(made[name])) as store:
            if manifest.read(lake, name).batch:
                restore(store, lake, manifest.read(lake, name))
            refresh(Views(store, known))
    return Sources(lake, stores, made)


def rows(path: Path, table: str) -> list[Row]:
    """Return the rows of a table of a database, as a lake gives them: NULL for x''."""
    with closing(sqlite3.connect(path)) as db:
        found = db.execute(f"SELECT * FROM {table}").fetchall()
    return ordered(tuple(None if value == b"" else value for value in row) for row in found)


def ordered(found: Iterable[Row]) -> list[Row]:
    """Return rows in an order, whatever their types."""
    return sorted(found, key=repr)


def by_cluster(found: Iterable[Row]) -> dict[str, list[Row]]:
    """Return rows without their first column, by it."""
    parts: dict[str, list[Row]] = {}
    for cluster, *row in found:
        parts.setdefault(cluster, []).append(tuple(row))
    return {cluster: ordered(some) for cluster, some in parts.items()}


def differences(sources: Sources, table: str, found: Iterable[Row]) -> Iterator[str]:
    """Yield the clusters whose rows of a table are not those of their databases."""
    parts = by_cluster(found)
    for cluster, path in sources.made.items():
        mine = parts.get(cluster, [])
        if mine != rows(path, table):
            yield f"{cluster}: {table} is not that of the database made of the lake"
        if table in OF_FINISHED and mine != rows(sources.stores[cluster], table):
            yield f"{cluster}: {table} is not that of the database"


def with_all(folder: Path) -> Sources:
    """Make a lake of all recordings, of JOBS more, and of late events; with views of a Site."""
    more = {"more": [list(journal(JOBS, rate=0.03))], "late": _late_and_again()}
    return of_recordings(folder, more, [Site()])


def _late_and_again() -> list[list[bytes]]:
    """Return lines with late events and purges, and jobs that have an earlier one's id."""
    first = field_jobs.job(1)
    memo = field_jobs.event(field_jobs.EPOCH + 4.5, "memo", {"late": 1})
    urgency = field_jobs.event(field_jobs.EPOCH + 2.5, "urgency", {"userid": 1, "urgency": 9})
    again = field_jobs.job(1, start=field_jobs.EPOCH + 5000)
    purge = b'{"jobs":[16777216]}'
    return [
        [*first, *field_jobs.job(2), *field_jobs.job(3)],
        [field_jobs.response(1 << 24, memo), field_jobs.response(2 << 24, urgency)],
        [b'{"jobs":[33554432]}', *field_jobs.job(4)[:-1]],
        [purge, *again[:3]],
        [*again[3:], *field_jobs.job(3, start=field_jobs.EPOCH + 5000)],
        [b'{"jobs":[50331648,16777216]}'],
    ]
