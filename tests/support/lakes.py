# SPDX-License-Identifier: LGPL-3.0
"""A lake of all recordings, each a cluster, exported on the way; and what databases have."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from eventstore.ingest.writer import Writer
from eventstore.storage.connection import Store, create_or_open
from lake import manifest
from lake.export import export
from lake.restoring import restore
from projections.definitions.interface import Projection
from projections.definitions.registry import BUILTIN
from projections.engine.rebuild import refresh
from projections.engine.views import Views
from tests.support.nodes.recordings import node_recordings
from tests.support.recordings import checkpoints_on_the_way, recordings

Row = tuple[Any, ...]
OF_FINISHED = ("inactive", "span", "accounting", "ended", "purged_by_hour", "report_hour",
               "report_alone", "node", "node_history", "node_time", "node_load",
               "node_snapshot")  # fmt: skip
"""Tables that follow from finished jobs and notices: a lake has all that makes them."""


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
            export(store, lake, recording.name)
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
