# SPDX-License-Identifier: LGPL-3.0
"""The example of a site's own view is installed and used as its README says."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from eventstore.storage.connection import open_readonly
from eventstore.storage.sql import fetch
from flux_jobdb import HOME

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "site_views"
JOURNAL = ROOT / "tests" / "data" / "private" / "journal.jsonl.gz"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the example in a folder, without an index; return the folder."""
    target = tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--target", target]
    subprocess.run([*pip, *options, EXAMPLE], check=True)
    return target


def jobdb(db: Path, *words: str, path: Path | None = None) -> str:
    """Run a command with the folder ``path`` on Python's path."""
    found = [str(path), HOME] if path else [HOME]
    env = dict(os.environ, PYTHONPATH=os.pathsep.join(found))
    done = subprocess.run(
        [sys.executable, "-m", "flux_jobdb", "--db", db, *words],
        env=env, cwd=db.parent, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert 0 == done.returncode, done.stderr
    return done.stdout


def test_the_example_is_filled_from_history_and_kept(installed: Path, tmp_path: Path) -> None:
    db = tmp_path / "jobdb.sqlite"
    jobdb(db, "ingest", str(JOURNAL))
    assert "node_hours" not in jobdb(db, "projections")

    jobdb(db, "rebuild", "node_hours", path=installed)
    shown = jobdb(db, "projections", path=installed)
    (line,) = [line for line in shown.splitlines() if line.startswith("node_hours ")]
    assert "current" in line
    jobdb(db, "verify", path=installed)

    # SQL of anybody's, on the tables themselves.
    with sqlite3.connect(db) as plain:
        sums = plain.execute(
            "SELECT userid, sum(jobs) FROM node_hours_by_day GROUP BY 1 ORDER BY 1"
        )
        found = sums.fetchall()
        (over,) = plain.execute("SELECT count(*) FROM overrun").fetchone()
    with open_readonly(str(db)) as store:
        ran = "SELECT userid, count(*) FROM inactive WHERE t_run > 0 GROUP BY 1 ORDER BY 1"
        assert fetch(store.db, ran) == found
        assert len(found) > 3
        timeouts = "SELECT count(*) FROM inactive WHERE t_run > 0 AND result = 'TIMEOUT'"
        assert [(over,)] == fetch(store.db, timeouts)

    assert "unknown" in jobdb(db, "projections")
