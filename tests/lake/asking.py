# SPDX-License-Identifier: LGPL-3.0
"""What tests ask of a lake: its rows, and whether they are those of the store."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import ROOT, Command

pq = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
lake_columns = pytest.importorskip("lake.columns")


def rows(lake: Path, table: str) -> list[dict[str, Any]]:
    """Return the rows of a table, of the files that the manifest lists."""
    found = []
    for path in (lake / "manifest").glob("*.json"):
        for file in json.loads(path.read_bytes())["files"]:
            if file["path"].startswith(f"{table}/"):
                place = lake / file["path"]
                if not place.exists():  # a run was stopped before it gave them their names
                    place = place.with_name("._part." + place.name)
                found += pq.read_table(place, partitioning=None).to_pylist()
    return found


def texts(lake: Path) -> list[bytes]:
    """Return the texts of all events, in the order of seq."""
    found = sorted(rows(lake, "events"), key=lambda row: row["seq"])
    assert len(found) == len({row["seq"] for row in found})
    return [lake_columns.event_text(row) for row in found]


def newest(lake: Path) -> list[tuple[Any, ...]]:
    """Return the rows of jobs, of each job the newest one, without `exported`."""
    found = {}
    for row in sorted(rows(lake, "jobs"), key=lambda row: row["exported"]):
        found[row["id"], row["stream"]] = tuple(v for k, v in row.items() if k != "exported")
    return sorted(found.values())


def stored_jobs(path: Path, where: str = "1") -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as db:
        return sorted(db.execute(f"SELECT * FROM jobs WHERE {where}").fetchall())


def finished_texts(jobdb: Command, *, nodes: bool = False) -> list[bytes]:
    """Return the stored texts of finished jobs' events, by another way than the lake's.

    ``nodes``: those of the resource module, too.
    """
    raw = jobdb("events", "--raw").stdout.splitlines()
    with closing(sqlite3.connect(jobdb.db)) as db:
        sql = "SELECT seq, job IN (SELECT job FROM inactive) FROM event UNION ALL" \
              " SELECT seq, ? FROM notice WHERE kind = 'resource' ORDER BY 1"  # fmt: skip
        is_wanted = [bool(wanted) for _, wanted in db.execute(sql, (nodes,))]
    return [text for text, wanted in zip(raw, is_wanted, strict=True) if wanted]


def export(jobdb: Command, lake: Path, *words: str, **how: Any) -> str:
    return jobdb("export", "--cluster", "tuolumne", *words, str(lake), **how).out


def check_back(jobdb: Command, lake: Path, folder: Path) -> None:
    """A store that is made of the lake has the same events, and views of them."""
    other = Command(folder, "other.sqlite")
    other("ingest", str(lake))
    expected = finished_texts(jobdb, nodes=True)
    assert expected == other("events", "--raw").stdout.splitlines()
    other("verify")
    assert "tuolumne" == other.stats()["cluster"]
    assert stored_jobs(jobdb.db, "state = 'INACTIVE'") == stored_jobs(other.db)
    for path in (other.db, jobdb.db):
        with closing(sqlite3.connect(path)) as db:
            states = db.execute("SELECT * FROM node_states ORDER BY 1, 2, 3").fetchall()
        assert not states or len(states) == len(rows(lake, "nodes"))


_DIES = """
import os, sys
from pathlib import Path
left = int(sys.argv.pop(1))
def counted(function):
    def call(*given, **named):
        global left
        left -= 1
        if left < 0:
            os._exit(9)
        return function(*given, **named)
    return call
os.fsync, os.replace = counted(os.fsync), counted(os.replace)
Path.unlink = counted(Path.unlink)
from cli.main import main
main()
"""


def until_it_lives(jobdb: Command, lake: Path, *words: str) -> int:
    """Export until a run ends: the first dies at its first step that others may see, and so on.

    Returns how many died.
    """
    arguments = ["--db", str(jobdb.db), "export", "--cluster=tuolumne", *words, str(lake)]
    for step in range(100):
        done = subprocess.run(
            [sys.executable, "-c", _DIES, str(step), *arguments],
            cwd=ROOT, capture_output=True, check=False,
        )  # fmt: skip
        texts(lake)  # at any time, the manifest lists files that are whole
        if done.returncode == 0:
            return step
        assert done.returncode == 9, done.stderr
    raise AssertionError("it never came to its end")
