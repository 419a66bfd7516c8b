# SPDX-License-Identifier: LGPL-3.0
"""Spark's tables are those of databases, row for row; it fills a database's views."""

from __future__ import annotations

import os
import re
import sqlite3
import sys
import warnings
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from eventstore.storage.connection import create_or_open
from flux_jobdb.spark import rebuild, replayed
from projections.definitions.registry import BUILTIN
from projections.engine.views import Views
from tests.support import command
from tests.support.command import ROOT, Command
from tests.support.journal_generator import journal
from tests.support.needs import spark_is_there

pytest.importorskip("pyarrow", reason="pyarrow is not installed")
fill = pytest.importorskip("lake.filling").fill
packed_steps = pytest.importorskip("lake.kernel").packed_steps
lakes = pytest.importorskip("tests.lake.sources")
replay = pytest.importorskip("flux_jobdb.replay")

pytestmark = pytest.mark.xdist_group("lakes")


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    spark_is_there()
    os.environ["PYSPARK_PYTHON"] = sys.executable
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those of Spark itself
        from pyspark.sql import SparkSession  # noqa: PLC0415

        builder = SparkSession.builder.master("local[2]").appName("tests")
        for name, value in (("spark.ui.enabled", "false"), ("spark.log.level", "OFF"),
                            ("spark.sql.shuffle.partitions", "2"),
                            ("spark.default.parallelism", "1"),
                            ("spark.ui.showConsoleProgress", "false")):  # fmt: skip
            builder = builder.config(name, value)
        session = builder.getOrCreate()
        yield session
        session.stop()


def collected(frame: Any) -> list[tuple[Any, ...]]:
    return [
        tuple(bytes(value) if isinstance(value, bytearray) else value for value in row)
        for row in frame.collect()
    ]


def test_every_table_is_that_of_a_database(spark: Any, sources: Any) -> None:
    frames = rebuild(spark, sources.lake, [*BUILTIN, lakes.Site()])
    wrong = []
    for name, frame in frames.items():
        wrong += lakes.differences(sources, name, collected(frame))
    assert [] == wrong
    assert len(frames) > 18
    assert lakes.JOBS == frames["inactive"].where("cluster = 'more'").count()
    assert "cluster" == frames["site_sum"].columns[0]
    total = frames["site_sum"].where("cluster = 'more'").groupBy().sum("jobs").collect()
    assert lakes.JOBS == total[0][0]
    frames.unpersist()


def test_as_of_a_moment_it_is_what_the_loop_gives(spark: Any, sources: Any) -> None:
    names = ["active", "inactive", "stats"]
    with closing(sqlite3.connect(sources.stores["more"])) as db:
        sql = "SELECT timestamp FROM event ORDER BY 1 LIMIT 1 OFFSET ?"
        (time,) = db.execute(sql, (lakes.JOBS * 5,)).fetchone()
    frames = rebuild(spark, sources.lake, names, as_of=time, clusters=["more"])
    found = (batch for unit in replay.units(sources.lake, ["more"])
             for batch in replay.batches(unit, names, time))  # fmt: skip
    for name, table in replay.joined(found, names).items():
        expected = [tuple(row.values()) for row in table.to_pylist()]
        assert lakes.ordered(expected) == lakes.ordered(collected(frames[name]))
    assert 0 < frames["active"].count() < frames["inactive"].count() < lakes.JOBS


def test_the_documented_lines(
    spark: Any, sources: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (ROOT / "docs" / "export.md").read_text("utf-8")
    (code,) = re.findall(r"```python\n(from pyspark.*?)```", page, re.DOTALL)
    found: dict[str, Any] = {}
    exec(code.replace("/lake/flux", str(sources.lake)), found)
    assert "sum(core_us)" in capsys.readouterr().out
    assert {"inactive", "span", "report_hour", "report_day", "report_alone"} == found[
        "tables"
    ].keys()
    lines = re.findall(r"^    (spark\.read.*)$", page, re.MULTILINE)
    counts = eval(lines[0].replace("/lake/flux", str(sources.lake)), {"spark": spark})
    assert {"more", "late"} <= {row["cluster"] for row in counts.collect()}


class Raising(lakes.Site):  # type: ignore[misc]
    def rows(self, job: Any) -> Iterator[Any]:
        raise ZeroDivisionError("it does")


def test_a_projection_that_raises_fails_its_own_tables(spark: Any, sources: Any) -> None:
    frames = rebuild(spark, sources.lake, ["waits", Raising()], clusters=["late"])
    assert 1 == frames["wait_bucket"].count()
    for name in ("site_job", "site_sum"):
        with pytest.raises(Exception, match="projection site: ZeroDivisionError: it do"):
            frames[name].collect()


def test_what_is_wrong_is_said_at_once(spark: Any, sources: Any, tmp_path: Path) -> None:
    with pytest.raises(Exception, match="name the folder of an export"):
        rebuild(spark, tmp_path)
    with pytest.raises(Exception, match="projection x: there is none"):
        rebuild(spark, sources.lake, ["x"])


# -- a database's views, by a session of Spark of the command's own


def views(path: Path) -> dict[str, Any]:
    """Return all rows of all views, and their checkpoints."""
    with closing(sqlite3.connect(path)) as db:
        tables = "SELECT name, version, checkpoint, tables FROM view ORDER BY name"
        found: dict[str, Any] = {row[0]: row[1:3] for row in db.execute(tables)}
        for *_, names in db.execute(tables).fetchall():
            for name in names.split():
                found[name] = lakes.ordered(db.execute(f"SELECT * FROM {name}"))
        found["fold"] = lakes.ordered(db.execute("SELECT * FROM fold"))
    return found


@pytest.fixture
def jobdb(spark: Any, tmp_path: Path) -> Command:
    """A database with a lake beside it; 30 of its jobs run."""
    made = Command(tmp_path)
    made.ingest([*journal(300, running=30)])
    made("export", "--cluster=tuolumne", str(tmp_path / "lake"))
    return made


def spoil(path: Path) -> None:
    """Have another version of a view, with other rows."""
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE view SET version = '0.0'")
        db.execute("DELETE FROM inactive WHERE job % 2")
        db.execute("DELETE FROM fold WHERE job % 2")
        db.execute("UPDATE stats SET run = run + 1")


def test_it_fills_the_views_of_a_database(
    jobdb: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "_PATIENCE", 300.0)  # it starts Java
    lake, expected = tmp_path / "lake", views(jobdb.db)
    spoil(jobdb.db)
    words = ("rebuild", "--spark", "local[2]", str(lake), "--to", str(jobdb.db))
    done = jobdb(*words, env={"PYSPARK_PYTHON": sys.executable})
    assert "rebuilt: active, inactive, accounting, stats, reports, waits, nodes" in done.out
    assert expected == views(jobdb.db)
    jobdb("verify")


def test_it_fills_those_of_a_database_made_of_the_lake(
    jobdb: Command, tmp_path: Path, spark: Any
) -> None:
    lake, other = tmp_path / "lake", Command(tmp_path, "other.sqlite")
    other("ingest", str(lake))
    expected = views(other.db)
    spoil(other.db)
    told: list[tuple[int, int]] = []
    with create_or_open(str(other.db)) as store:
        found = Views(store)
        assert {"inactive", "stats"} <= found.stale
        for names in ((), ("stats",)):
            done = fill(found, lake, names, partial(replayed, spark), lambda *n: told.append(n))
            assert not found.stale
    assert ["stats"] == done
    assert (270, 270) == told[-1]
    assert expected == views(other.db)
    other("verify")


def test_a_fill_that_was_stopped_leaves_the_old_views(jobdb: Command, tmp_path: Path) -> None:
    def stopped(units: Any, projections: Any) -> Iterator[bytes]:
        yield from packed_steps(units[0], projections)
        raise KeyboardInterrupt

    before = views(jobdb.db)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt), create_or_open(str(jobdb.db)) as store:
            fill(Views(store), tmp_path / "lake", (), stopped, lambda *_: None)
        assert before == views(jobdb.db)
    jobdb("rebuild")
    assert before == views(jobdb.db)
    jobdb("verify")


def test_a_lake_that_falls_short_is_refused(jobdb: Command, tmp_path: Path) -> None:
    lake = str(tmp_path / "lake")
    stranger = Command(tmp_path, "stranger.sqlite")
    stranger.ingest([*journal(300, seed=3)])
    missing = Command(tmp_path, "no.sqlite")
    for one, place, said in (
        (stranger, lake, "it was not exported of "),
        (jobdb, str(tmp_path), "there is none; name the folder of an export"),
        (missing, lake, "no.sqlite"),
    ):
        assert said in one("rebuild", "--spark", "local[1]", place, status=1).err
    assert "--to goes with --spark" in jobdb("rebuild", "--to", "x", status=2).err
    jobdb.ingest([*journal(300)])  # what ran has finished since
    before = views(jobdb.db)
    (said,) = jobdb("rebuild", "--spark", "local[1]", lake, status=1).err.splitlines()
    assert "has more, behind seq" in said
    assert f"`flux-jobdb export {lake}` first" in said
    assert before == views(jobdb.db)


def test_what_spark_says_is_one_line(
    jobdb: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "_PATIENCE", 300.0)
    words = ("rebuild", "--spark", "remote[1]", str(tmp_path / "lake"))
    *_, last = jobdb(*words, status=1).err.splitlines()
    assert last.startswith("flux-jobdb: Spark at remote[1]: ")


def test_without_pyspark_or_java_one_line_says_what_to_do(
    jobdb: Command, tmp_path: Path
) -> None:
    words = ("rebuild", "--spark", "local[1]", str(tmp_path / "lake"))
    script = "import sys\nsys.modules['pyspark'] = None\n"
    assert "pip install 'flux-jobdb[spark]'" in jobdb(*words, script=script, status=1).err
    script = "import shutil\nshutil.which = lambda name: None\n"
    assert "--spark needs Java 17" in jobdb(*words, script=script, status=1).err
