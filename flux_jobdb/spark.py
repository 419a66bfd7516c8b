# SPDX-License-Identifier: LGPL-3.0
"""Every table of every projection as DataFrames of Spark, made of a lake (extra `spark`).

Each task folds whole files, so that nothing is shuffled but sums. Nodes of a Spark cluster need
the lake under the same path, and flux-jobdb in the same Python.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from heapq import heappop, heappush
from typing import TYPE_CHECKING

from flux_jobdb import make_importable, replay

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import Column, DataFrame, SparkSession

    from lake.kernel import Unit
    from lake.view_rows import Table
    from projections.definitions.interface import Projection

make_importable()

__all__ = ["Frames", "rebuild"]

_TASKS = 4  # at least, for each core
_BYTES = 8 * 10**6  # of files a task, about: some ten seconds
_MADE = "table string, kind string, reason string, data binary"
_TYPES = {"int64": "bigint", "double": "double", "string": "string", "binary": "binary"}


class Frames(dict[str, "DataFrame"]):
    """DataFrames by the names of tables.

    All are made of one replay, whose rows Spark keeps in memory and on disk from the first use
    on, until `unpersist`.
    """

    def __init__(self, made: DataFrame, frames: dict[str, DataFrame]) -> None:
        super().__init__(frames)
        self._made = made

    def materialize(self) -> int:
        """Replay now, if it was not done yet; returns the number of batches that were made."""
        return int(self._made.count())  # Any where Spark is not installed

    def unpersist(self) -> None:
        """Free what Spark keeps; a DataFrame that is used again replays the lake again."""
        self._made.unpersist()


def rebuild(
    spark: SparkSession,
    root: str | os.PathLike[str],
    projections: Iterable[str | Projection] | None = None,
    as_of: float | None = None,
    clusters: Iterable[str] | None = None,
) -> Frames:
    """Return the tables of projections, made of a lake; the first column is cluster.

    ``projections``: names, or objects of a site's own; None: all that are installed. ``as_of``
    (seconds since the epoch): as the jobs of the lake were then. ``clusters``: None for all.

    Files are listed now, and read when a DataFrame is used. Raises an Exception, in one line,
    for what is no lake, and for a projection that is unknown or whose tables have no types. A
    projection that raises fails the DataFrames of its own tables.
    """
    from lake import view_rows  # noqa: PLC0415

    wanted = view_rows.chosen(projections)
    tables = {
        name: table for one in wanted
        for name, table in view_rows.tables_of(one.name, one.schema).items()
    }  # fmt: skip
    work = replay.units(root, clusters)
    fold = partial(_fold, projections=view_rows.sendable(wanted), as_of=as_of)
    made = _shared_out(spark, work).mapInArrow(fold, _MADE).persist()
    return Frames(made, {name: _frame(made, table) for name, table in tables.items()})


def replayed(
    spark: SparkSession, units: Sequence[Unit], projections: Sequence[Projection]
) -> Iterator[bytes]:
    """Yield what `lake.kernel.packed_steps` does of all units; for views of a database.

    Spark keeps it on its disks: the nodes work all at once, and one process takes it from them.
    """
    from pyspark import StorageLevel  # noqa: PLC0415

    from lake import kernel, view_rows  # noqa: PLC0415

    if not units:
        return
    fold = partial(_packed_steps, projections=view_rows.sendable(projections))
    made = _shared_out(spark, [kernel.encode(unit).decode() for unit in units])
    made = made.mapInArrow(fold, "data binary").persist(StorageLevel.DISK_ONLY)
    try:
        made.count()
        for row in made.toLocalIterator(prefetchPartitions=True):
            yield bytes(row["data"])
    finally:
        made.unpersist()


def _shared_out(spark: SparkSession, units: Sequence[str]) -> DataFrame:
    """Return units as a DataFrame of lists, one a task, of about the same bytes."""
    from lake import kernel  # noqa: PLC0415

    context = spark.sparkContext
    sizes = {unit: kernel.decode(unit).bytes for unit in units}
    count = max(_TASKS * context.defaultParallelism, sum(sizes.values()) // _BYTES)
    lists: list[tuple[int, int, list[str]]] = [
        (0, number, []) for number in range(min(count, len(units)))
    ]
    for unit in sorted(units, key=sizes.__getitem__, reverse=True):
        size, number, mine = heappop(lists)
        heappush(lists, (size + sizes[unit] + 1, number, [*mine, unit]))
    rows = context.parallelize([(mine,) for _, _, mine in lists], len(lists))
    return spark.createDataFrame(rows, "units array<string>")


def _frame(made: DataFrame, table: Table) -> DataFrame:
    from lake.view_rows import ROWS, SUMS  # noqa: PLC0415

    mine = made.where(made["table"] == table.name)
    types = ", ".join(f"`{field.name}` {_TYPES[str(field.type)]}" for field in table.schema)
    rows = mine.where(mine["kind"] != SUMS).mapInArrow(_unpacked, types)
    if not table.keys:
        return rows
    parts = mine.where(mine["kind"] != ROWS).mapInArrow(_unpacked, types)
    return rows.unionByName(_added_up(parts, table))


def _added_up(parts: DataFrame, table: Table) -> DataFrame:
    """Add up by Spark; a sum whose amounts are all zero is no row, as in a store."""
    from pyspark.sql import functions  # noqa: PLC0415

    totals = [functions.sum(_quoted(name)).alias(name) for name in table.amounts]
    sums = parts.groupBy(*map(_quoted, table.keys)).agg(*totals)
    some: Column = functions.lit(False)
    for name in table.amounts:
        some = some | (sums[_quoted(name)] != 0)
    return sums.where(some)


def _quoted(name: str) -> str:
    return f"`{name}`"


def _fold(
    batches: Iterable[pa.RecordBatch],
    projections: list[str | Projection],
    as_of: float | None,
) -> Iterator[pa.RecordBatch]:
    """Fold the units of a partition; yields a row for each batch that follows."""
    import pyarrow as pa  # noqa: PLC0415

    from eventstore.bulk_work import without_collections  # noqa: PLC0415
    from lake.view_rows import FAILED  # noqa: PLC0415

    names = ["table", "kind", "reason", "data"]
    with without_collections():
        for unit in _texts(batches):
            for table, kind, data in replay.batches(unit, projections, as_of):
                told = (str(data), None) if kind == FAILED else (None, _packed(data))
                row = [pa.array([value]) for value in (table, kind)]
                row += [pa.array([told[0]], pa.string()), pa.array([told[1]], pa.binary())]
                yield pa.record_batch(row, names=names)


def _packed_steps(
    batches: Iterable[pa.RecordBatch], projections: list[str | Projection]
) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa  # noqa: PLC0415

    from eventstore.bulk_work import without_collections  # noqa: PLC0415
    from lake import kernel, view_rows  # noqa: PLC0415

    wanted = view_rows.chosen(projections)
    with without_collections():
        for unit in _texts(batches):
            for data in kernel.packed_steps(kernel.decode(unit), wanted):
                yield pa.record_batch([pa.array([data], pa.binary())], names=["data"])


def _texts(batches: Iterable[pa.RecordBatch]) -> Iterator[str]:
    return (
        text for batch in batches for texts in batch.column(0).to_pylist() for text in texts
    )


def _packed(batch: pa.RecordBatch) -> bytes:
    import pyarrow as pa  # noqa: PLC0415

    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression="lz4")
    with pa.ipc.new_stream(sink, batch.schema, options=options) as stream:
        stream.write_batch(batch)
    packed: bytes = sink.getvalue().to_pybytes()
    return packed


def _unpacked(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa  # noqa: PLC0415

    from eventstore.errors import StoreError  # noqa: PLC0415

    for batch in batches:
        for reason, data in zip(batch["reason"].to_pylist(), batch["data"], strict=True):
            if reason is not None:
                raise StoreError(reason)
            with pa.ipc.open_stream(data.as_buffer()) as stream:
                yield from stream
