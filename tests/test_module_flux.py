# SPDX-License-Identifier: LGPL-3.0
"""The module in a running Flux, beside flux-core's own. Skipped where there is no Flux."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from eventstore import read
from eventstore.store import fetch, open_readonly
from eventstore.verify import verify_chain
from projections.views import first_fault

pytestmark = pytest.mark.flux

ROOT = Path(__file__).resolve().parents[1]
ALL = '{"max_entries":0,"attrs":["all"]}'
# What scripts begin with: short names for what they do.
PRELUDE = """
set -e
tool() { flux python $ROOT/tests/flux_tool.py "$@"; }
ours() { flux module load $ROOT/joblist/job-list.py "$@"; }
away() { flux module remove job-list; }
"""

Run = Callable[..., str]


@pytest.fixture(scope="session")
def flux() -> str:
    """Path of the program ``flux``, where its Python can use what this one has."""
    found = shutil.which("flux")
    if found is None:
        pytest.skip("no flux on the PATH")
    code = "import sys; print(*sys.version_info[:2])"
    version = subprocess.run(
        [found, "python", "-c", code], capture_output=True, text=True, check=False
    )
    if version.stdout.split() != [str(part) for part in sys.version_info[:2]]:
        pytest.skip(f"Flux has another Python: {version.stdout or version.stderr}")
    return found


@pytest.fixture
def run(flux: str, tmp_path: Path) -> Run:
    """Return a function that runs a script in an instance; its files are in ``tmp_path``."""

    def start(script: str, *options: str, status: int = 0) -> str:
        env = dict(os.environ, ROOT=str(ROOT), OUT=str(tmp_path), COVERAGE_PROCESS_START="")
        env["FLUX_PYTHONPATH_PREPEND"] = f"{sysconfig.get_path('purelib')}:{ROOT}"
        done = subprocess.run(
            [flux, "start", *options, "bash", "-c", PRELUDE + script],
            capture_output=True,
            check=False,
            text=True,
            env=env,
            timeout=120,
            cwd=tmp_path,
        )
        assert status == done.returncode, done.stderr
        return done.stdout

    return start


def answer(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


def comparable(path: Path) -> list[dict[str, Any]]:
    """Return a list's jobs without annotations, which Flux's own forgets when it reloads."""
    jobs: list[dict[str, Any]] = answer(path)["jobs"]
    for job in jobs:
        job.pop("annotations", None)
    return jobs


ANSWERS = """
answers() {
    tool ask job-list.list '{"max_entries":0,"attrs":["all"]}' >$OUT/$1.list
    tool ask job-list.job-stats >$OUT/$1.job-stats
    tool ask job-list.stats-get >$OUT/$1.stats-get
    tool ask job-list.list-id "{\\"id\\":$2,\\"attrs\\":[\\"all\\"]}" >$OUT/$1.list-id
}
"""


def test_answers_and_events_are_those_of_flux(run: Run, tmp_path: Path) -> None:
    """While jobs come, go and are purged, the module is reloaded, and so is the job manager."""
    run(
        ANSWERS
        + """
        away; ours purge=follow dbpath=$OUT/jobs.sqlite
        tool work 0 150
        away
        tool work 150 100 & sleep 0.5
        ours purge=follow dbpath=$OUT/jobs.sqlite
        wait; tool work 250 50; tool drain
        flux job purge --force --num-limit=120
        away
        flux job purge --force --num-limit=100
        ours purge=follow dbpath=$OUT/jobs.sqlite
        first=$(flux jobs -a -c1 -no {id.dec})
        answers ours $first
        flux jobs -a -no {id.dec} | paste -sd, | sed 's/.*/[&]/' | tool eventlogs >$OUT/logs
        away; flux module load job-list
        tool drain
        answers theirs $first
        """
    )
    assert 100 == len(comparable(tmp_path / "theirs.list"))
    assert comparable(tmp_path / "theirs.list") == comparable(tmp_path / "ours.list")
    for name in ("stats-get", "list-id"):
        theirs, ours = (answer(tmp_path / f"{who}.{name}") for who in ("theirs", "ours"))
        theirs.get("job", {}).pop("annotations", None)
        ours.get("job", {}).pop("annotations", None)
        assert theirs == ours
    theirs, ours = (answer(tmp_path / f"{who}.job-stats") for who in ("theirs", "ours"))
    assert (0, 200) == (theirs.pop("inactive_purged"), ours.pop("inactive_purged"))
    assert theirs == ours
    with open_readonly(str(tmp_path / "jobs.sqlite")) as store:
        assert verify_chain(store).fault is None
        assert first_fault(store.db) is None
        assert [(300,)] == fetch(store.db, "SELECT count(*) FROM job")
        for jobid, log in answer(tmp_path / "logs").items():
            compare_events(store, int(jobid), log)


def compare_events(store: Any, jobid: int, log: str) -> None:
    """Compare what is stored of a job with its eventlog in the KVS."""
    (key,) = read.keys(store.db, jobid)
    stored = [r for r in read.job_records(store.db, key) if r.entry.name != "annotations"]
    lines = log.encode().splitlines()
    wanted = [(e["timestamp"], e["name"]) for e in map(json.loads, lines)]
    assert wanted == [(r.entry.timestamp, r.entry.name) for r in stored]
    live = [(r.entry.data, line) for r, line in zip(stored, lines, strict=True)]
    live = [pair for pair, r in zip(live, stored, strict=True) if not r.replayed]
    for data, line in live:
        assert json.loads(data) == json.loads(line)


def test_history_outlives_the_broker(run: Run, tmp_path: Path) -> None:
    state = f"-Sstatedir={tmp_path}"
    run(
        """
        away; ours
        tool work 0 60; tool drain
        flux submit --urgency=hold true
        flux job purge --force --num-limit=10
        away
        """,
        state,
    )
    run(
        """
        away; ours
        tool ask job-list.list '{"max_entries":0,"attrs":["state"]}' >$OUT/list
        flux cancel --all; tool drain; away
        """,
        state,
    )
    states = [job["state"] for job in answer(tmp_path / "list")["jobs"]]
    assert ([8] + [64] * 60) == states
    with open_readonly(str(tmp_path / "jobdb.sqlite")) as store:
        assert [(50,)] == fetch(store.db, "SELECT count(*) FROM purged")
        assert [(2,)] == fetch(store.db, "SELECT count(*) FROM source WHERE outcome = 'done'")
    # An instance that has lost its jobs counts its ids from the start again.
    (tmp_path / "content.sqlite").unlink()
    run(
        """
        away; ours; flux run true; tool drain
        tool ask job-list.list '{"max_entries":0,"attrs":["state"]}' >$OUT/list
        away
        """,
        state,
    )
    assert [64] * 62 == [job["state"] for job in answer(tmp_path / "list")["jobs"]]


def test_a_wrong_setting_is_named(run: Run) -> None:
    found = run(
        """
        away
        echo '[job-list]
        purge = "never"' | flux config load
        ! ours
        flux dmesg | grep 'job-list.*job-list.purge is'
        flux config load </dev/null; ours
        (echo '[job-list]'; echo 'max_comparisons = -1') | flux config load 2>&1 || true
        """
    )
    assert "job-list.purge is 'never'" in found
    assert "job-list.max_comparisons must be >= 0" in found


def test_the_job_manager_may_be_reloaded(run: Run) -> None:
    """The journal ends; when there is one again, what was missed is in its backlog."""
    found = run(
        """
        away; ours
        flux run true
        flux module reload -f job-manager
        flux module reload -f sched-simple; flux module reload -f job-exec
        flux run true
        sleep 3
        flux jobs -a -no {result}
        flux dmesg | grep 'journal: end of stream'
        """
    )
    assert 2 == found.count("COMPLETED")


def test_serve_and_record(run: Run, tmp_path: Path) -> None:
    found = run(
        """
        flux python -m cli.main --db $OUT/recorded.sqlite ingest & recorder=$!
        flux run true
        ! flux python -m cli.main serve dbpath=$OUT/served.sqlite 2>$OUT/refused
        away
        flux python -m cli.main serve dbpath=$OUT/served.sqlite & server=$!
        for i in $(seq 50); do flux jobs -an >/dev/null 2>&1 && break; sleep 0.1; done
        flux run true
        flux jobs -a -no {result}
        kill -HUP $server; sleep 0.3
        kill $server; wait $server
        kill $recorder; wait $recorder
        flux module load job-list
        """
    )
    assert 2 == found.count("COMPLETED")
    assert "the service is there already" in (tmp_path / "refused").read_text("utf-8")
    for name in ("recorded", "served"):
        with open_readonly(str(tmp_path / f"{name}.sqlite")) as store:
            assert [(2,)] == fetch(store.db, "SELECT count(*) FROM inactive")
            assert ["done"] == [o for (o,) in fetch(store.db, "SELECT outcome FROM source")]


def test_a_client_that_leaves_is_forgotten(run: Run) -> None:
    found = run(
        """
        away; ours
        id=$(flux submit --urgency=hold true | flux job id)
        flux job list-ids --wait-state=run $id & waiter=$!
        waits() { flux module stats --parse idsync.waits job-list; }
        for i in $(seq 50); do test $(waits) = 1 && break; sleep 0.1; done
        waits; kill $waiter; sleep 0.5; waits; flux cancel $id
        """
    )
    assert ["1", "0"] == found.split()


def test_install(flux: str, tmp_path: Path) -> None:
    env = dict(os.environ, PYTHONPATH=str(ROOT))
    env["FLUX_PYTHONPATH_PREPEND"] = f"{sysconfig.get_path('purelib')}:{ROOT}"
    words = [sys.executable, "-m", "cli.main", "install", "--dir", str(tmp_path)]
    done = subprocess.run(words, capture_output=True, check=False, text=True, env=env)
    assert 0 == done.returncode, done.stderr
    assert str(tmp_path / "modprobe.d" / "flux-jobdb.toml") in done.stdout
    env["FLUX_MODPROBE_PATH_APPEND"] = str(tmp_path)
    script = "flux run true && flux module list -l | grep job-list && flux jobs -a -no {result}"
    started = subprocess.run(
        [flux, "start", "bash", "-c", script],
        capture_output=True,
        check=False,
        text=True,
        env=env,
    )
    assert "joblist/job-list.py" in started.stdout, started.stderr
    assert "COMPLETED" in started.stdout
    done = subprocess.run(
        [*words, "--remove"], capture_output=True, check=False, text=True, env=env
    )
    assert 0 == done.returncode
    assert [] == list((tmp_path / "modprobe.d").iterdir())
