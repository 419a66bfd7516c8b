# SPDX-License-Identifier: LGPL-3.0
"""A lake is replayed file by file: every table is equal to that of a database, row for row."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from eventstore.storage.connection import open_readonly
from flux_jobdb import Add, Job, Put
from joblist.config import Config
from joblist.service import Service
from tests.support.command import Command
from tests.support.journal_generator import journal
from tests.support.recordings import everything

pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
lakes = pytest.importorskip("tests.lake.sources")
replay = pytest.importorskip("flux_jobdb.replay")


pytestmark = pytest.mark.xdist_group("lakes")


def tables(lake: Path, projections: Any = None, as_of: float | None = None) -> dict[str, Any]:
    """Return all tables, by a plain loop."""
    found = (
        batch for unit in replay.units(lake)
        for batch in replay.batches(unit, projections, as_of)
    )  # fmt: skip
    return dict(replay.joined(found, projections))


def plain(table: Any) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in table.to_pylist()]


def test_every_table_is_that_of_a_database(sources: Any) -> None:
    found = tables(sources.lake)
    assert len(found) > 15
    wrong = [
        line for name, table in found.items()
        for line in lakes.differences(sources, name, plain(table))
    ]  # fmt: skip
    assert [] == wrong
    assert len(set(found["inactive"]["cluster"].to_pylist())) > 5
    assert found["inactive"].num_rows > 500
    assert found["node_history"].num_rows > 20
    assert found["purged_by_hour"].num_rows > 2  # purges are looked up
    late = {row["jobid"] >> 24: row for row in found["inactive"].to_pylist()
            if row["cluster"] == "late" and row["stream"] == 1}  # fmt: skip
    assert {1, 2, 3} == late.keys()
    assert 9 == late[2]["urgency"]
    assert '"late":1' in late[1]["answer"]
    streams = [
        (row["jobid"] >> 24, row["stream"], row["t_purged"] is not None)
        for row in found["inactive"].to_pylist() if row["cluster"] == "late"
    ]  # fmt: skip
    expected = [(1, 1, True), (1, 2, True), (2, 1, True), (3, 1, False), (3, 2, True)]
    assert expected == sorted(streams)


def test_a_site_has_its_tables(sources: Any) -> None:
    found = tables(sources.lake, [lakes.Site()])
    assert {"site_sum", "site_job", "site_none"} == found.keys()
    for name, table in found.items():
        assert [] == list(lakes.differences(sources, name, plain(table)))
    types = {field.name: str(field.type) for field in found["site_job"].schema}
    expected = {"cluster": "string", "job": "int64", "name": "string", "odd": "double",
                "half": "double"}  # fmt: skip
    assert expected == types
    assert "zero" not in found["site_sum"]["bank"].to_pylist()


def test_as_of_a_moment_jobs_are_as_lists_have_them(sources: Any) -> None:
    """Compared with what job-list's request answers as of then, which reads a database."""
    moments = 0
    for cluster, path in sources.stores.items():
        with open_readonly(str(path)) as store:
            sql = (
                "SELECT timestamp FROM event WHERE job IN (SELECT job FROM inactive) ORDER BY 1"
            )
            times = [time for (time,) in store.db.execute(sql)]
            finished = {key for (key,) in store.db.execute("SELECT jobid FROM inactive")}
            for part in range(1, 4) if len(times) > 10 else ():
                time = times[len(times) * part // 4]
                told = json.loads(everything(Service(store, Config(), as_of=time)))["jobs"]
                expected = {
                    (job["id"], job["t_submit"]): (job.get("t_run"), job.get("t_inactive"),
                                job.get("nnodes"), job["name"])
                    for job in told if job["id"] in finished
                }  # fmt: skip
                names = ("t_run", "t_inactive", "nnodes", "name")
                found = {
                    (row["jobid"], row["t_submit"]): tuple(row[name] for name in names)
                    for table in tables_of(sources.lake, cluster, time)
                    for row in table.to_pylist()
                }  # fmt: skip
                assert expected == found, (cluster, time)
                moments += 1
    assert moments > 15


def tables_of(lake: Path, cluster: str, as_of: float) -> list[Any]:
    found = (
        batch for unit in replay.units(lake, [cluster])
        for batch in replay.batches(unit, ["active", "inactive"], as_of)
    )  # fmt: skip
    made = replay.joined(found, ["active", "inactive"])
    return [made["active"], made["inactive"]]


class Raising(lakes.Site):
    name = "raising"

    def rows(self, job: Job) -> Iterator[Put | Add]:
        if job.key == 7:
            raise ZeroDivisionError("seven")
        yield Put("site_job", (job.key, "x", 1, 1.0))


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (("text", "x", 1, 1), "column job is INTEGER, and has 'text'"),
        ((1, "x", "many", 1), "column odd is NUMERIC, and has 'many'"),
        ((1, "x", 1), "has 4 columns, a row has 3"),
        ((2**70, "x", 1, 1), "OverflowError"),
    ],
)
def test_what_a_table_does_not_take_is_the_projections_failure(
    sources: Any, row: Any, said: str
) -> None:
    class Wrong(lakes.Site):
        def rows(self, job: Job) -> Iterator[Put | Add]:
            yield Put("site_job", row)

    with pytest.raises(Exception, match="projection site: ") as found:
        tables(sources.lake, ["stats", Wrong()])
    assert said in str(found.value)


def test_a_projection_that_raises_fails_alone(sources: Any) -> None:
    found: dict[str, set[str]] = {}
    for unit in replay.units(sources.lake, ["more"]):
        for table, kind, data in replay.batches(unit, ["stats", Raising()]):
            found.setdefault(kind, set()).add(table)
            assert kind != "failed" or data == "projection raising: ZeroDivisionError: seven"
    assert {"site_sum", "site_job", "site_none"} == found["failed"]
    assert {"stats", "ended"} == found["sums"]


def test_what_is_wrong_is_said(sources: Any, tmp_path: Path) -> None:
    for lake, clusters, said in (
        (tmp_path, None, "name the folder of an export"),
        (sources.lake, ["moon"], "no files of moon; there are "),
    ):
        with pytest.raises(Exception, match=said):
            replay.units(lake, clusters)
    with pytest.raises(Exception, match="projection x: there is none; known are active"):
        list(replay.batches(replay.units(sources.lake)[0], ["x"]))
    for schema, said in (
        ("CREATE TABLE a (b PRIMARY KEY);", "column b of table a has no type"),
        ("CREATE TABLE a (cluster TEXT PRIMARY KEY);", "has a column cluster; rename it"),
    ):
        site = lakes.Site()
        site.schema = schema
        with pytest.raises(Exception, match=said):
            replay.joined([], [site])


def test_a_file_that_is_gone_or_cut_is_named(tmp_path: Path) -> None:
    jobdb = Command(tmp_path)
    jobdb.ingest(list(journal(20)))
    jobdb("export", "--cluster=x", str(tmp_path / "lake"))
    unit = replay.units(tmp_path / "lake")[0]
    (path,) = (tmp_path / "lake" / "events").rglob("*.parquet")
    data = path.read_bytes()
    path.write_bytes(data[:4000])
    with pytest.raises(Exception, match=f"{path.name}: .*export --verify"):
        list(replay.batches(unit, ["stats"]))
    with pytest.raises(Exception, match=f"{path.name}: .*export --verify"):
        replay.units(tmp_path / "lake")
    path.unlink()
    with pytest.raises(Exception, match=f"{path.name}: .*export --verify"):
        list(replay.batches(unit, ["stats"]))


def test_files_that_a_stopped_export_has_not_named_count(tmp_path: Path) -> None:
    jobdb = Command(tmp_path)
    jobdb.ingest(list(journal(20)))
    jobdb("export", "--cluster=x", str(tmp_path / "lake"))
    whole = tables(tmp_path / "lake", ["stats"])["stats"]
    for path in list((tmp_path / "lake" / "events").rglob("*.parquet")):
        path.rename(path.with_name("._part." + path.name))
    assert whole.num_rows > 2
    assert plain(whole) == plain(tables(tmp_path / "lake", ["stats"])["stats"])
