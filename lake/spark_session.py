# SPDX-License-Identifier: LGPL-3.0
"""Spark for one command: a session is begun, used and ended, and its errors are one line."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lake.filling import Engine
    from lake.kernel import Unit
    from projections.definitions.interface import Projection

__all__ = ["spark_at"]

_QUIET = (("spark.ui.enabled", "false"), ("spark.ui.showConsoleProgress", "false"),
          ("spark.log.level", "ERROR"))  # fmt: skip


def spark_at(master: str) -> Engine:
    """Return what folds by Spark at a master; a session begins when it is used.

    Raises StoreError where pyspark or Java is missing, and then for all that goes wrong in it.
    """
    from eventstore.errors import StoreError  # noqa: PLC0415

    try:
        import pyspark.sql  # noqa: F401, PLC0415
    except ImportError as error:
        raise StoreError("--spark needs pyspark: pip install 'flux-jobdb[spark]'") from error
    if not _has_java():
        raise StoreError("--spark needs Java 17: install it, or set JAVA_HOME")
    return partial(_folded, master)


def _folded(
    master: str, units: Sequence[Unit], projections: Sequence[Projection]
) -> Iterator[bytes]:
    from py4j.protocol import Py4JError  # noqa: PLC0415
    from pyspark.errors import PySparkException  # noqa: PLC0415
    from pyspark.sql import SparkSession  # noqa: PLC0415

    from eventstore.errors import StoreError  # noqa: PLC0415
    from flux_jobdb.spark import replayed  # noqa: PLC0415

    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # on other nodes, too
    builder = SparkSession.builder.master(master).appName("flux-jobdb rebuild")
    for name, value in _QUIET:
        builder = builder.config(name, value)
    try:
        spark = builder.getOrCreate()
        try:
            yield from replayed(spark, units, projections)
        finally:
            spark.stop()
    except (PySparkException, Py4JError) as error:
        raise StoreError(f"Spark at {master}: {_last_line(error)}") from error


def _has_java() -> bool:
    home = os.environ.get("JAVA_HOME")
    return shutil.which("java") is not None if not home else Path(home, "bin", "java").exists()


def _last_line(error: Exception) -> str:
    """Return what an error says: of one of a worker, the last line of its traceback."""
    text = str(error).split("\nJVM stacktrace:")[0]
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    java = [line for line in lines if "Exception: " in line and not line.startswith("at ")]
    return (java or lines or [type(error).__name__])[-1][:300]
