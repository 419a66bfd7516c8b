# SPDX-License-Identifier: LGPL-3.0
"""The feed beside flux-accounting's own script, in a running instance.

Skipped where Flux or flux-accounting is not installed.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import apsw
import pytest

from eventstore.storage.sql import fetch
from tests.support.accounting_db import COLUMNS, ids, rows

pytestmark = pytest.mark.flux

ROOT = Path(__file__).resolve().parents[2]
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
FUNCTIONS = """
set -e
serve() {
    flux account-service -p $1 -t
    "${@:2}"
    flux python -c "import flux; flux.Flux().rpc('accounting.shutdown_service').get()"
}
jobdb() { $PYTHON -m flux_jobdb --db $OUT/jobs.sqlite "$@"; }
"""
SETUP = """
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

GUESTS = """
associations() {
    flux account add-bank root 1
    flux account add-bank --parent-bank=root A 1
    flux account add-bank --parent-bank=root B 2
    flux account add-project p1
    for user in 2001 2002 4000000000; do
        for bank in A B; do
            flux account add-user --username=user$user --userid=$user --bank=$bank \
                --projects=p1 --max-running-jobs=100 --max-active-jobs=100
        done
    done
}
flux account -p script.db create-db \
    --priority-decay-half-life=1000s --priority-usage-reset-period=3000s
serve script.db associations
cp script.db feed.db
flux jobtap load mf_priority.so
flux account-priority-update -p $PWD/script.db
jobs() {
    flux python $ROOT/tests/support/flux/tool.py guests $1 2001 2002 4000000000
    flux python $ROOT/tests/support/flux/tool.py drain
    flux python backlog.py > journal
    (cd $ROOT; jobdb ingest $OUT/journal)
}
for period in 0 1 2; do
    jobs 21
    flux account-fetch-job-records -p script.db
    (cd $ROOT; jobdb accounting --to $OUT/feed.db)
    flux python usage.py $period script.db feed.db
done
# The script comes too late for these.
jobs 5
flux job purge --force --num-limit=0
flux account-fetch-job-records -p script.db
cd $ROOT
jobdb accounting --to $OUT/feed.db
jobdb accounting --to $OUT/script.db
"""
USAGE = """
import sqlite3, sys, time
from fluxacct.accounting.job_usage_calculation import update_job_usage
now = time.time() + int(sys.argv[1]) * 1100
time.time = lambda: now
for name in sys.argv[2:]:
    update_job_usage(sqlite3.connect(name))
    tables = "association_table", "bank_table", "job_usage_per_association_table"
    for table in tables:
        column = "value" if table == tables[2] else "job_usage"
        db = sqlite3.connect(name)
        for row in db.execute(f"SELECT {column}, * FROM {table} ORDER BY 2, 3, 4, 5"):
            print(name, sys.argv[1], table, row)
"""


@pytest.fixture
def flux(flux_program: str) -> str:
    words = [flux_program, "account", "--help"]
    if subprocess.run(words, capture_output=True, check=False).returncode:
        pytest.skip("flux-accounting is not installed")
    return flux_program


def run(flux: str, folder: Path, script: str, *words: str) -> str:
    """Run a script in an instance of Flux; return what it printed."""
    (folder / "backlog.py").write_text(BACKLOG)
    (folder / "usage.py").write_text(USAGE)
    (folder / "script").write_text(FUNCTIONS + script)
    env = dict(os.environ, PYTHON=sys.executable, ROOT=str(ROOT), OUT=str(folder))
    done = subprocess.run(
        [flux, "start", *words, "bash", "-x", "script"],
        cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert 0 == done.returncode, done.stderr
    return done.stdout


def test_both_feeds_leave_the_same_records_and_usage(flux: str, tmp_path: Path) -> None:
    printed = run(flux, tmp_path, SETUP + JOBS + FEEDS, "-s", "2")
    script, feed = tmp_path / "script.db", tmp_path / "feed.db"
    assert f"6 jobs added to {feed}\n0 jobs added to {script}, 6 were there" in printed
    assert "not in the feed: it never ran" in printed
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


def test_users_updates_half_life_periods_and_purges(flux: str, tmp_path: Path) -> None:
    (tmp_path / "flux.toml").write_text("[exec.testexec]\nallow-guests = true\n")
    printed = run(flux, tmp_path, GUESTS, f"--config-path={tmp_path / 'flux.toml'}")
    usages = {
        name: [line.partition(" ")[2] for line in printed.splitlines() if line.startswith(name)]
        for name in ("script.db", "feed.db")
    }
    assert usages["script.db"] == usages["feed.db"]
    used = [line for line in usages["feed.db"] if "association_table (0.0" not in line]
    assert len(used) > 3 * 3
    found = rows(tmp_path / "feed.db")
    assert {2001, 2002, 4_000_000_000} == {row["userid"] for row in found}
    assert {"A", "B"} == {row["bank"] for row in found}
    assert {60.0} < {row["requested_duration"] for row in found}
    # Those that were purged.
    late = printed.splitlines()[-1].removesuffix(" were there").split(" ")
    assert 3 <= int(late[0]) <= 5
    assert len(found) == int(late[0]) + int(late[-1])
    assert found == rows(tmp_path / "script.db")


def usage(path: Path) -> list[tuple[str, float]]:
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    found = fetch(
        db,
        "SELECT bank, job_usage FROM association_table"
        " UNION ALL SELECT bank, job_usage FROM bank_table",
    )
    db.close()
    return found
