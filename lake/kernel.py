# SPDX-License-Identifier: LGPL-3.0
"""Folding a file of a lake: whole jobs, by the reducers and projections that a store uses.

A `Unit` is a file of events with what else is needed: the files that amend it, and jobs that
took over ids of its jobs. It is folded by itself, in any process that sees the lake, so that an
engine has nothing to shuffle. Notices of several jobs are looked up in the lake.

The result of a unit depends on the files up to ``head`` alone, and not on who folds it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby, islice
from math import inf
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from eventstore import deep_json
from eventstore.errors import StoreError
from eventstore.events.journal_line import decode_purge
from eventstore.events.records import Notice, Record
from eventstore.reading.event_log import in_order
from lake import manifest as manifests
from lake.columns import notice_of, records_of
from lake.manifest import Manifest, place_of
from projections.definitions.interface import Projection
from projections.engine.fold_batch import Change
from projections.engine.fold_whole import Boot, fold_whole
from projections.engine.rebuild_workers import Step, encoded, step_of
from projections.engine.row_deltas import ViewTables
from projections.job.state import Job

_TOGETHER = 2000  # jobs of a step
_ROWS = 20_000  # events read at once
_READERS = 16  # footers read at once: a shared file system answers late, not slowly
_OF_JOBS = {"boot", "gone", "purge"}
_ANY = (-(2**63), 2**63 - 1)


class Unit(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one worker folds. ``path``: a file of ``bytes``, of events; "" stands for the nodes.

    ``heirs`` are (job id, stream, first seq) of jobs that have an id of an earlier one.
    """

    lake: str
    cluster: str
    head: int
    path: str = ""
    bytes: int = 0
    amendments: list[str] = []
    heirs: list[tuple[int, int, int]] = []


encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder(Unit).decode


def units(lake: Path, clusters: Iterable[str] | None = None) -> list[Unit]:
    """Return what is to be folded, of these clusters or of all; raises StoreError."""
    known = manifests.clusters(lake)
    names = known if clusters is None else list(clusters)
    if not names or not set(names) <= set(known):
        missing = ", ".join(sorted(set(names) - set(known))) or "any cluster"
        there = f"there are {', '.join(known)}" if known else "name the folder of an export"
        raise StoreError(f"{lake}: it has no files of {missing}; {there}")
    return [unit for name in names for unit in of_manifest(lake, manifests.read(lake, name))]


def of_manifest(lake: Path, manifest: Manifest) -> list[Unit]:
    """Return the units of a cluster, as its manifest is now; the nodes are the last one."""
    sizes = {file.path: file.bytes for file in manifest.of("events")}
    paths = list(sizes)
    with ThreadPoolExecutor(_READERS) as readers:
        bounds = dict(zip(paths, readers.map(lambda path: _bounds(place_of(lake, path)), paths),
                          strict=True))  # fmt: skip
    amending = [path for path in paths if _amends(path)]
    heirs = [one for path in paths if bounds[path].stream[1] > 1 and not _amends(path)
             for one in _heirs(place_of(lake, path))]  # fmt: skip
    found = [
        Unit(
            str(lake), manifest.cluster, manifest.seq, path, sizes[path],
            [other for other in amending if _meet(bounds[other].job, bounds[path].job)],
            [one for one in heirs if _meet((one[0], one[0]), bounds[path].jobid)],
        )
        for path in paths if not _amends(path)
    ]  # fmt: skip
    return [*found, Unit(str(lake), manifest.cluster, manifest.seq)]


def _amends(path: str) -> bool:
    return path.endswith(f"{manifests.AMENDMENT}.parquet")


class _Bounds(NamedTuple):
    """Lowest and highest values of a file's columns."""

    job: tuple[int, int]
    jobid: tuple[int, int]
    stream: tuple[int, int]


def _bounds(path: Path) -> _Bounds:
    """Read the bounds of a file from its footer."""
    try:
        metadata = pq.read_metadata(path)
    except (OSError, pa.ArrowException) as error:
        raise _unreadable(path, error) from error
    place = {name: number for number, name in enumerate(metadata.schema.names)}
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]

    def of(name: str) -> tuple[int, int]:
        found = [group.column(place[name]).statistics for group in groups]
        if not all(one is not None and one.has_min_max for one in found):
            return _ANY
        return min(one.min for one in found), max(one.max for one in found)

    return _Bounds(of("job"), of("jobid"), of("stream"))


def _meet(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return one[0] <= other[1] and other[0] <= one[1]


def _heirs(path: Path) -> list[tuple[int, int, int]]:
    jobs = _jobs_of(path)
    rows = jobs.filter(pc.greater(jobs["stream"], 1)).to_pylist()
    return [(row["jobid"], row["stream"], row["seq_min"]) for row in rows]


def _jobs_of(path: Path) -> pa.Table:
    """Return the jobs of a file: job, jobid, stream, seq_min, seq_max."""
    try:
        with pq.ParquetFile(path) as file:
            table = file.read(["job", "jobid", "stream", "seq"], use_threads=False)
    except (OSError, pa.ArrowException) as error:
        raise _unreadable(path, error) from error
    keys = table.group_by(["job", "jobid", "stream"], use_threads=False)
    return keys.aggregate([("seq", "min"), ("seq", "max")])


def _unreadable(path: Path, error: Exception) -> StoreError:
    return StoreError(
        f"{path}: {error}; if it was compacted meanwhile, begin anew, else `export --verify`"
    )


def steps(
    unit: Unit, projections: Sequence[Projection], *, until: float = inf
) -> Iterator[Step]:
    """Fold the jobs of a file; yields the rows of some thousands of them at a time.

    With ``until`` (seconds since the epoch), as they were then. Nothing for the nodes. Raises
    StoreError for a file that cannot be read.
    """
    tables = ViewTables(projections)
    for changes in _changes(unit, until):
        yield step_of(tables, changes)
        tables.forget()


class Folded(msgspec.Struct, gc=False, array_like=True):
    """Some jobs of a file, by key, and what they are in the tables."""

    keys: list[int]
    step: Step


def packed_steps(unit: Unit, projections: Sequence[Projection]) -> Iterator[bytes]:
    """Yield what `steps` does, with the jobs' keys, for another process; see `unpack`."""
    tables = ViewTables(projections)
    for changes in _changes(unit, inf):
        step = msgspec.Raw(encoded(step_of(tables, changes), tables))
        yield _pack([list(changes), step])
        tables.forget()


_pack = msgspec.msgpack.Encoder().encode
unpack = msgspec.msgpack.Decoder(Folded).decode


def _changes(unit: Unit, until: float) -> Iterator[dict[int, Change]]:
    found = jobs(unit, until=until) if unit.path else iter(())
    while some := list(islice(found, _TOGETHER)):
        yield {job.key: Change(None, job) for job in some}


def jobs(unit: Unit, *, until: float = inf) -> Iterator[Job]:
    """Yield the jobs of a file in the order of their keys, as they were at ``until``."""
    deep_json.allow()
    path = place_of(Path(unit.lake), unit.path)
    known = _jobs_of(path)
    fates = _Fates(unit, known, patient=until < inf)
    late = _amendments(unit, known["job"])
    boots = sorted(fates.boots, key=attrgetter("seq"))
    for key, found in _by_job(path):
        records = found
        if key in late:
            records = in_order(sorted([*found, *late[key]], key=attrgetter("seq")))
        purges, losses = fates.purges.get(key, ()), fates.losses.get(key, ())
        job = fold_whole(records, boots, purges, losses, until=until)
        if job is not None:
            yield job


def _by_job(path: Path) -> Iterator[tuple[int, list[Record]]]:
    """Yield each job with its records; they stand together, in the job's order."""
    try:
        with pq.ParquetFile(path) as file:
            batches = file.iter_batches(_ROWS, use_threads=False)
            records = (record for batch in batches for record in records_of(batch))
            for key, some in groupby(records, attrgetter("job")):
                yield key, list(some)
    except (OSError, pa.ArrowException, ValueError) as error:
        raise _unreadable(path, error) from error


def _amendments(unit: Unit, keys: pa.ChunkedArray) -> dict[int, list[Record]]:
    """Return what came late for these jobs."""
    found: dict[int, list[Record]] = {}
    for path in (place_of(Path(unit.lake), path) for path in unit.amendments):
        try:
            table = pq.read_table(path, partitioning=None, use_threads=False)
        except (OSError, pa.ArrowException) as error:
            raise _unreadable(path, error) from error
        mine = table.filter(pc.is_in(table["job"], value_set=keys.combine_chunks()))
        for batch in mine.to_batches():
            for record in records_of(batch):
                found.setdefault(record.job, []).append(record)
    return found


class _Fates:
    """What notices say of a file's jobs: boots, and (seq, time) of purges and losses, by key.

    Purges follow the end of their jobs, so that reading ends when all jobs are purged, unless
    it is to be ``patient``.
    """

    def __init__(self, unit: Unit, known: pa.Table, *, patient: bool) -> None:
        self.boots: list[Boot] = []
        self.purges: dict[int, list[tuple[int, float]]] = {}
        self.losses: dict[int, list[tuple[int, float]]] = {}
        self._of_id: dict[int, list[tuple[int, int, int | None]]] = {}  # stream, first, key
        rows = known.to_pylist()
        for row in rows:
            one = row["stream"], row["seq_min"], row["job"]
            self._of_id.setdefault(row["jobid"], []).append(one)
        for jobid, stream, first in unit.heirs:
            there = self._of_id.get(jobid, [])
            if there and all(stream != other for other, _, _ in there):
                there.append((stream, first, None))
        self._keys = {row["job"] for row in rows}
        self._last = max((row["seq_max"] for row in rows), default=0)
        first = min((row["seq_min"] for row in rows), default=0)
        for begin, path in notice_files(unit, first):
            if not patient and self._told_by(begin):
                break
            for notice in read_notices(path):
                if notice.kind in _OF_JOBS and first <= notice.seq <= unit.head:
                    self._take(notice)

    def _told_by(self, seq: int) -> bool:
        """Whether notices from ``seq`` on say nothing new."""
        purged = len(self.purges) == len(self._keys)
        return purged and seq > max(self._last, *(one[0][0] for one in self.purges.values()))

    def _take(self, notice: Notice) -> None:
        if notice.kind == "boot":
            self.boots.append(Boot(notice))
            return
        named, place = decode_purge(notice.data).jobs, (notice.seq, notice.time)
        if notice.kind == "gone":
            for key in self._keys.intersection(named):
                self.losses[key] = sorted([*self.losses.get(key, ()), place])
            return
        for jobid in named:
            there = [one for one in self._of_id.get(jobid, ()) if one[1] < notice.seq]
            key = max(there)[2] if there else None  # the newest stream by then is meant
            if key is not None:
                self.purges[key] = [min([*self.purges.get(key, ()), place])]


def notice_files(unit: Unit, first: int = 0) -> list[tuple[int, Path]]:
    """Return the files that may have notices from ``first`` up to head, with their firsts."""
    files = manifests.read(Path(unit.lake), unit.cluster).of("notices")
    return sorted(
        (file.bounds[0], place_of(Path(unit.lake), file.path)) for file in files
        if file.bounds[1] >= first and file.bounds[0] <= unit.head
    )  # fmt: skip


def read_notices(path: Path) -> Iterator[Notice]:
    """Yield the notices of a file."""
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(_ROWS, use_threads=False):
                yield from map(notice_of, batch.to_pylist())
    except (OSError, pa.ArrowException) as error:
        raise _unreadable(path, error) from error
