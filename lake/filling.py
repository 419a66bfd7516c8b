# SPDX-License-Identifier: LGPL-3.0
"""Filling a database's views from a lake, whose files others fold: an engine of many nodes.

The lake must reach to where the database does. Jobs that are not in it have not finished; they
are folded from the database's own events. Nodes' views are made as in any rebuild.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from math import inf
from pathlib import Path

import apsw

from eventstore.errors import StoreError
from eventstore.reading import event_log
from eventstore.reading.cluster import cluster as name_of
from eventstore.storage.sql import statements, value
from lake import manifest as manifests
from lake.kernel import Folded, Unit, of_manifest, unpack
from lake.manifest import Manifest
from lake.restoring import source_name
from projections.definitions.interface import Projection, kept_among
from projections.engine.fold_batch import Change, refold_jobs
from projections.engine.left_behind import forget_failures
from projections.engine.rebuild import Progress, Rebuild, wanted_among
from projections.engine.rebuild_workers import Step, step_of
from projections.engine.row_deltas import ViewTables
from projections.engine.views import Views

SQL = statements(__file__)
Engine = Callable[[Sequence[Unit], Sequence[Projection]], Iterable[bytes]]
"""Folds units in any order: what `kernel.packed_steps` yields of all of them."""

_TOGETHER = 2000  # jobs


def fill(
    views: Views, lake: Path, names: Iterable[str], engine: Engine, progress: Progress
) -> list[str]:
    """Rebuild the named views, or all; returns the names of those that were rebuilt.

    As `projections.engine.rebuild.rebuild`, and raises StoreError where the lake has not what
    the database has.
    """
    wanted = wanted_among(views, names)
    with views.store.snapshot() as db:
        manifest = _manifest(db, lake, views.store.path)
        last = event_log.head(db)
    units = [unit for unit in of_manifest(lake, manifest) if unit.path]
    kept = {one.name for one in kept_among(wanted)}
    with views.store.transaction() as db:
        forget_failures(db, [projection.name for projection in wanted])
        db.execute("CREATE TEMP TABLE IF NOT EXISTS of_lake (job INTEGER PRIMARY KEY)")
        db.execute("DELETE FROM temp.of_lake")
    # Nobody resumes it: which files were written is not known.
    work = Rebuild(views.store, wanted, views.leave, f"lake {os.urandom(8).hex()}")
    of_jobs = [projection for projection in wanted if projection.name not in kept]
    parts = _Parts(views.store.db, of_jobs, manifest, progress)
    work.run_with(parts.all(engine(units, of_jobs), last), last)
    views.reload()
    views.say()
    return [one.name for one in wanted if one.name not in work.failures]


def _manifest(db: apsw.Connection, lake: Path, path: str) -> Manifest:
    """Return the manifest of the database's cluster; raises StoreError if it falls short."""
    known, name = manifests.clusters(lake), name_of(db)
    if name is None and len(known) == 1:
        (name,) = known
    if name is None or name not in known:
        there = ", ".join(known) or "none; name the folder of an export"
        raise StoreError(f"{lake}: it has not the cluster of {path}; there is {there}")
    manifest = manifests.read(lake, name)
    seq = _reached(db, manifest)
    if seq is None:
        raise StoreError(
            f"{lake}: it was not exported of {path}, nor was that made of it as it is now; "
            f"`flux-jobdb ingest {lake}` makes a database of it"
        )
    if value(db, SQL["more_of_jobs"], (seq, seq)) is not None:
        raise StoreError(
            f"{lake}: {path} has more, behind seq {seq}; `flux-jobdb export {lake}` first"
        )
    return manifest


def _reached(db: apsw.Connection, manifest: Manifest) -> int | None:
    """Return the seq up to which the lake has what the database has; None: it is another's."""
    if manifests.is_of(db, manifest):
        return manifest.seq
    made = source_name("*", manifest)
    last: int | None = value(db, SQL["end_of_source"], (made,))
    return last


class _Parts:
    """What is written, a transaction at a time: first the jobs of the lake, then all others."""

    def __init__(
        self,
        db: apsw.Connection,
        projections: Sequence[Projection],
        manifest: Manifest,
        progress: Progress,
    ) -> None:
        self._db, self._projections = db, projections
        self._manifest, self._progress = manifest, progress

    def all(self, packed: Iterable[bytes], last: int) -> Iterator[Iterable[Step]]:
        done, total = 0, max(self._manifest.jobs, 1)
        for one in map(unpack, packed):
            yield self._noted(one)
            done += len(one.keys)
            self._progress(min(done, total), total)
        if done != self._manifest.jobs:
            raise StoreError(
                f"the lake's files have {done} jobs, its manifest says {self._manifest.jobs}; "
                "`export --verify` names what is wrong"
            )
        rest = self._db.execute(SQL["other_jobs"])
        keys = (key for (key,) in rest.fetchall() if isinstance(key, int))
        while some := list(islice(keys, _TOGETHER)):
            yield [self._refolded(some, last)]

    def _noted(self, folded: Folded) -> Iterator[Step]:
        """Yield a step, and note its jobs, in the transaction that writes it."""
        try:
            rows = [(key,) for key in folded.keys]
            self._db.executemany("INSERT INTO temp.of_lake VALUES (?)", rows)
        except apsw.ConstraintError as error:
            raise StoreError("the lake has a job twice; `export --verify` names it") from error
        yield folded.step

    def _refolded(self, keys: Sequence[int], last: int) -> Step:
        jobs = refold_jobs(self._db, keys, last, until=inf)
        changes = {job.key: Change(None, job) for job in jobs if job is not None}
        return step_of(ViewTables(self._projections), changes)
