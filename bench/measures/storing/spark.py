# SPDX-License-Identifier: LGPL-3.0
"""All tables of all projections from a lake, by Spark; needs `flux-jobdb[spark]` and Java.

By one worker and by two, each begun anew. Beside them: the same kernel in a plain loop, which
is their floor, and `rebuild`, which writes its rows into a database.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections import deque
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from bench.histories import Bench, history
from bench.report import Row, duration, rate
from bench.timing import Clocked, child, clocked, one_core
from eventstore.bulk_work import without_collections
from eventstore.storage.connection import open_readonly
from flux_jobdb import replay
from lake.export import export
from projections.engine.rebuild import rebuild
from projections.engine.views import Views

__all__ = ["measure"]


def measure(bench: Bench) -> Iterator[Row]:
    """Replay a lake of the history."""
    stored = history(bench.folder, bench.jobs)
    lake = bench.folder / "lake"
    shutil.rmtree(lake, ignore_errors=True)
    with open_readonly(stored.path) as store, one_core():
        exported = clocked(lambda: export(store, lake, "bench"))
    yield duration("spark", "export, one core, a job", exported, unit="us", calls=stored.jobs)
    with one_core():
        loop = clocked(partial(_loop, lake))
    floor = stored.jobs / loop.wall
    yield duration("spark", "plain loop, one core, a job", loop, unit="us", calls=stored.jobs)
    rated = partial(rate, "spark", floor=floor, floor_of="plain loop, one core")
    for count in (1, 2):
        with stored.copy() as store:
            views = Views(store)
            taken = clocked(lambda views=views, n=count: rebuild(views, processes=n))  # type: ignore[misc]
        yield rated(f"rebuild, {count} processes and a writer, jobs/s", stored.jobs, taken)
    found = {}
    for count in (1, 2):
        master = f"local[{count}]"
        found[count] = child("bench.measures.storing.spark", master, str(lake.resolve()))
        for what, name in (("rows made", "made"), ("and all tables read", "read")):
            taken = Clocked(found[count][name], found[count][name])
            row = rated(f"{master}: {what}, jobs/s", stored.jobs, taken)
            yield row._replace(processor=None)
    started = Clocked(found[2]["started"], found[2]["started"])
    yield duration("spark", "start of Spark", started, unit="s")._replace(processor=None)
    growth = found[1]["made"] / found[2]["made"]
    yield Row("spark", "rows made, local[2] beside local[1]", growth, "x", least=True)


def _loop(lake: Path) -> None:
    with without_collections():
        for unit in replay.units(lake):
            deque(replay.batches(unit), maxlen=0)


def _spark(master: str, lake: str) -> dict[str, Any]:
    """Return the seconds that a session took: to start, and from then on."""
    from pyspark.sql import SparkSession  # noqa: PLC0415

    from flux_jobdb.spark import rebuild as frames_of  # noqa: PLC0415

    os.environ["PYSPARK_PYTHON"] = sys.executable
    before = time.perf_counter()
    builder = SparkSession.builder.master(master).config("spark.ui.enabled", "false")
    spark = builder.config("spark.ui.showConsoleProgress", "false").getOrCreate()
    # A worker process starts, and imports what it needs, with the first task.
    spark.range(2).mapInArrow(_imported, "id bigint").count()
    started = time.perf_counter()
    frames = frames_of(spark, lake)
    frames.materialize()
    made = time.perf_counter()
    for frame in frames.values():
        frame.write.format("noop").mode("overwrite").save()
    read = time.perf_counter()
    spark.stop()
    return {"started": started - before, "made": made - started, "read": read - started}


def _imported(batches: Any) -> Any:  # noqa: ANN401 - of Arrow, which has no types
    import lake.view_rows  # noqa: F401, PLC0415

    yield from batches


if __name__ == "__main__":
    print(json.dumps(_spark(*sys.argv[1:])))
