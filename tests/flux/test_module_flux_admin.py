# SPDX-License-Identifier: LGPL-3.0
"""What an administrator does to the module in a running Flux, and what befalls it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from eventstore.maintenance.verify import verify_chain
from eventstore.storage.connection import open_readonly
from eventstore.storage.sql import fetch
from flux_jobdb import HOME
from tests.support.flux.instance import Instances

pytestmark = pytest.mark.flux


def test_history_outlives_the_broker(run: Instances) -> None:
    state = f"-Sstatedir={run.folder}"
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
    states = [job["state"] for job in run.answer("list")["jobs"]]
    assert ([8] + [64] * 60) == states
    with open_readonly(str(run.folder / "jobdb.sqlite")) as store:
        assert [(50,)] == fetch(store.db, "SELECT count(*) FROM purged")
        assert [(2,)] == fetch(store.db, "SELECT count(*) FROM source WHERE outcome = 'done'")
    # An instance that has lost its jobs counts its ids from the start again.
    (run.folder / "content.sqlite").unlink()
    run(
        """
        away; ours; flux run true; tool drain
        tool ask job-list.list '{"max_entries":0,"attrs":["state"]}' >$OUT/list
        away
        """,
        state,
    )
    assert [64] * 62 == [job["state"] for job in run.answer("list")["jobs"]]


CRASH = """
    away; ours
    tool work 0 100; tool drain
    held=$(flux submit --urgency=hold true)
    flux kvs put --sync checkpoint=1
    flux job urgency $held default; flux job wait-event $held clean >/dev/null
    flux submit --quiet --setattr=exec.test.run_duration=100s true
    until flux jobs -no {state} --filter=run | grep -q RUN; do sleep 0.1; done
    flux getattr broker.pid; sleep 100 & echo $!; wait
"""


def test_the_broker_is_killed(run: Instances) -> None:
    """What was stored is there. Jobs that the KVS has lost are named as gone, and what it has
    taken back of others does not hide what they do now."""
    state = f"-Sstatedir={run.folder}"
    with run.start(CRASH, state) as broker:
        assert broker.stdout is not None
        own, sleeper = (int(broker.stdout.readline()) for _ in range(2))
        os.kill(own, signal.SIGKILL)
        os.kill(sleeper, signal.SIGTERM)
    found = run(
        """
        active() { flux jobs -A -no '{id} {state} {urgency}'; }
        active; away; ours; active
        flux jobs -a -c0 -A -no {state}; away
        """,
        state,
    )
    theirs, ours, *states = found.splitlines()
    assert theirs == ours
    assert ["SCHED"] + ["INACTIVE"] * 101 == states
    with open_readonly(str(run.folder / "jobdb.sqlite")) as store:
        assert verify_chain(store).fault is None
        assert [(1,)] == fetch(store.db, "SELECT count(*) FROM gone")


def test_settings(run: Instances) -> None:
    found = run(
        """
        config() { printf "$1" | flux config load 2>&1 || true; }
        away
        config '[job-list]\npurge = "never"'
        ! ours
        flux dmesg | grep 'job-list.*job-list.purge is'
        config ''; ours; tool work 0 12; tool drain
        config '[job-list]\nmax_comparisons = -1'
        config '[job-list]\nmax_comparisons = 2'
        flux jobs -A -a 2>&1 || true
        config '[access]\nprivate-mode = true'
        echo sees $(guest flux jobs -A -a -no {userid})
        guest flux job stats 2>&1 || true
        config '[job-list]\npurge = "follow"'
        flux job purge --force --num-limit=5 >/dev/null
        echo followed $(flux jobs -A -a -no {id} | wc -l)
        config ''
        echo kept $(flux jobs -A -a -no {id} | wc -l)
        """
    )
    assert "job-list.purge is 'never'" in found
    assert "job-list.max_comparisons must be >= 0" in found
    assert "Excessive comparisons" in found
    assert "sees 4201 4201 4201 4201\n" in found
    assert "Operation not permitted" in found
    assert "followed 5\nkept 12\n" in found


@pytest.mark.parametrize(
    ("argument", "reason"),
    [
        ("purge", "argument 'purge' is not NAME=VALUE"),
        ("purg=follow", "there is no setting 'purg'"),
        ("dbpath=/nowhere/x", "/nowhere/x: its folder does not exist"),
        ("dbpath=$ROOT/README.md", "README.md: not an SQLite database"),
    ],
)
def test_what_cannot_be_loaded_says_why(run: Instances, argument: str, reason: str) -> None:
    found = run(f"away; ! ours {argument}; flux dmesg | grep job-list.err")
    assert reason in found


def test_the_usual_commands_on_a_module(run: Instances) -> None:
    """Loaded by a name that stands for this file, with a database in memory."""
    (run.folder / "jobdb.py").symlink_to(Path(HOME, "joblist", "job-list.py"))
    run.env["FLUX_MODULE_PATH_PREPEND"] = str(run.folder)
    found = run(
        """
        away; flux module load --name=job-list jobdb dbpath=:memory:
        flux run true
        echo listed $(flux jobs -a -no {result})
        flux module list -l | grep -o '/jobdb.py'
        echo inactive $(flux module stats --parse jobs.inactive job-list)
        flux module debug --setbit 0x10 job-list
        flux module stats -R job-list | grep -c maxrss
        flux ping -c1 job-list | grep -c seq=0
        ! flux module load $PACKAGES/joblist/job-list.py
        flux module reload --name=job-list jobdb dbpath=:memory:
        echo listed $(flux jobs -a -no {result})
        """
    )
    assert "listed COMPLETED\n/jobdb.py\ninactive 1\n0x10\n1\n1\nlisted COMPLETED\n" == found


def test_the_job_manager_may_be_reloaded(run: Instances) -> None:
    """The journal ends; when there is one again, what was missed is in its backlog."""
    found = run(
        """
        away; ours
        flux run true
        flux module reload -f job-manager
        flux module reload -f sched-simple; flux module reload -f job-exec
        flux run true
        until test $(flux jobs -a -no {id} | wc -l) = 2; do sleep 0.1; done
        flux jobs -a -no {result}
        flux dmesg | grep 'journal: end of stream'
        """
    )
    assert 2 == found.count("COMPLETED")


def test_serve_and_record(run: Instances) -> None:
    found = run(
        """
        flux python -m flux_jobdb --db $OUT/recorded.sqlite ingest & recorder=$!
        flux run true
        ! flux python -m flux_jobdb serve dbpath=$OUT/served.sqlite 2>$OUT/refused
        away
        flux python -m flux_jobdb serve dbpath=$OUT/served.sqlite & server=$!
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
    assert "the service is registered" in (run.folder / "refused").read_text("utf-8")
    for name in ("recorded", "served"):
        with open_readonly(str(run.folder / f"{name}.sqlite")) as store:
            assert [(2,)] == fetch(store.db, "SELECT count(*) FROM inactive")
            assert ["done"] == [o for (o,) in fetch(store.db, "SELECT outcome FROM source")]


def test_install(flux_program: str, tmp_path: Path) -> None:
    env = dict(os.environ, PYTHONPATH=HOME)
    env["FLUX_PYTHONPATH_PREPEND"] = f"{sysconfig.get_path('purelib')}:{HOME}"
    words = [sys.executable, "-m", "flux_jobdb", "install", "--dir", str(tmp_path)]
    done = subprocess.run(words, capture_output=True, check=False, text=True, env=env)
    assert 0 == done.returncode, done.stderr
    assert str(tmp_path / "modprobe.d" / "flux-jobdb.toml") in done.stdout
    env["FLUX_MODPROBE_PATH_APPEND"] = str(tmp_path)
    script = "flux run true && flux module list -l | grep job-list && flux jobs -a -no {result}"
    started = subprocess.run(
        [flux_program, "start", "bash", "-c", script],
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


def test_the_module_keeps_the_broker_s_relay_awake(run: Instances) -> None:
    run("""
        away; ours
        timeout 3 flux module trace job-list >$OUT/trace || true
        away
    """)
    trace = (run.folder / "trace").read_text("utf-8")
    assert 5 <= trace.count("job-list tx > broker.ping")
    assert "broker.ping" not in trace.replace("tx > broker.ping", "")  # nobody answers
