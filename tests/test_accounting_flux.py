# SPDX-License-Identifier: LGPL-3.0
"""The feed beside flux-accounting's own script, in a running instance.

Skipped where Flux or flux-accounting is not installed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import apsw
import pytest

from eventstore.store import fetch

from .accounting_db import COLUMNS, ids, rows

pytestmark = pytest.mark.flux

ROOT = Path(__file__).resolve().parents[1]
BACKLOG = """
import flux
from flux.constants import FLUX_RPC_STREAMING
handle = flux.Flux()
rpc = handle.rpc("job-manager.events-journal", {"full": True}, flags=FLUX_RPC_STREAMING)
while True:
    text = rpc.get_str()
    print(text)
    if '"id":-1' in text:
        break
    rpc.reset()
"""
SETUP = """
set -e
serve() {
    flux account-service -p $1 -t
    "${@:2}"
    flux python -c "import flux; flux.Flux().rpc('accounting.shutdown_service').get()"
}
associations() {
    flux account add-bank root 1
    flux account add-bank --parent-bank=root A 1
    flux account add-bank --parent-bank=root B 1
    for bank in A B; do
        flux account add-user --username=$(whoami) --userid=$(id -u) --bank=$bank --shares=1
    done
}
flux account -p script.db create-db
serve script.db associations
cp script.db feed.db
"""
JOBS = """
submit() { flux submit --quiet --setattr=bank=$1 "${@:2}"; }
submit A -N1 true
submit A -N2 -n2 sleep 0.5
submit B -n1 --setattr=project=p1 false
submit B -N1 -t 5m sleep 0.3
flux submit --quiet true  # of no bank
held=$(flux submit --urgency=0 --setattr=bank=A -t 1m sleep 0.2)
flux update $held duration=2m
flux job urgency $held default
never=$(flux submit --urgency=0 --setattr=bank=A true)
flux cancel $never
flux queue drain
flux python backlog.py > journal
"""
FEEDS = """
flux account-fetch-job-records -p script.db
jobdb() { $PYTHON -m cli.main --db $OUT/jobs.sqlite "$@"; }
cd $ROOT
jobdb ingest $OUT/journal
jobdb accounting --to $OUT/feed.db
jobdb accounting --to $OUT/script.db
jobdb accounting --explain $never
cd $OUT
for db in script feed; do
    flux account-update-usage -p $db.db
    serve $db.db flux account view-job-records > $db.records
done
"""


@pytest.fixture
def flux() -> str:
    found = shutil.which("flux")
    if found is None:
        pytest.skip("no flux on the PATH")
    known = subprocess.run([found, "account", "--help"], capture_output=True, check=False)
    if known.returncode:
        pytest.skip("flux-accounting is not installed")
    return found


def test_both_feeds_leave_the_same_records_and_usage(flux: str, tmp_path: Path) -> None:
    (tmp_path / "backlog.py").write_text(BACKLOG)
    (tmp_path / "script").write_text(SETUP + JOBS + FEEDS)
    env = dict(os.environ, PYTHON=sys.executable, ROOT=str(ROOT), OUT=str(tmp_path))
    done = subprocess.run(
        [flux, "start", "-s", "2", "bash", "-x", "script"],
        cwd=tmp_path, env=env, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert 0 == done.returncode, done.stderr
    script, feed = tmp_path / "script.db", tmp_path / "feed.db"
    assert f"6 jobs added to {feed}\n0 jobs added to {script}, 6 were there" in done.stdout
    assert "not in the feed: it never ran" in done.stdout
    assert 6 == len(ids(feed))
    assert rows(script) == rows(feed)
    assert {120.0} < {row["requested_duration"] for row in rows(feed)}
    # Records are shown in the order in which they were added: the script adds the newest first.
    shown = [
        sorted((tmp_path / f"{name}.records").read_text().split("\n"))
        for name in ("script", "feed")
    ]
    assert shown[0] == shown[1]
    assert 6 == sum("| root" in line for line in shown[1])
    assert usage(script) == usage(feed)
    assert all(used > 0 for _, used in usage(feed)[:2])
    # What is known here of the schema is what flux-accounting makes today.
    assert [column.split()[0] for column in COLUMNS] == list(rows(feed)[0])


def usage(path: Path) -> list[tuple[str, float]]:
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    found = fetch(
        db,
        "SELECT bank, job_usage FROM association_table"
        " UNION ALL SELECT bank, job_usage FROM bank_table",
    )
    db.close()
    return found
