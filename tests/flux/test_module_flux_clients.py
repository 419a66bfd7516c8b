# SPDX-License-Identifier: LGPL-3.0
"""Clients of the module in a running Flux: greedy ones, and those that go away."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from eventstore.ingest.writer import Writer
from eventstore.storage.connection import create_or_open
from projections.engine.views import Views
from tests.support.flux.instance import ROOT, Instances
from tests.support.journal_generator import backlog

pytestmark = pytest.mark.flux

MANY = 5000


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database of thousands of jobs."""
    path = tmp_path_factory.mktemp("many") / "jobs.sqlite"
    with create_or_open(str(path)) as store:
        views = Views(store)
        Writer(store, "before", views).append(backlog(MANY))
    return path


@pytest.fixture
def history(run: Instances, database: Path) -> Instances:
    """What starts instances with that database, as $OUT/jobs.sqlite."""
    shutil.copy(database, run.folder)
    return run


def test_a_greedy_client_does_not_hold_up_others(history: Instances) -> None:
    *came, end = history("away; ours dbpath=$OUT/jobs.sqlite; tool overtake").splitlines()
    assert "end" == end
    lists = [line.removeprefix("list of ") for line in came if line.startswith("list")]
    assert MANY == sum(map(int, lists))
    assert len(lists) > 1
    assert came.index("job 0") < len(came) - 1


def test_what_clients_of_flux_make_of_long_streams(history: Instances) -> None:
    found = history(
        """
        away; ours dbpath=$OUT/jobs.sqlite
        flux jobs -A -a -c0 -no {id} | sort -u | wc -l
        flux job list -A -a -c 0 | wc -l
        flux jobs -A -a -c1500 -no {id} 2>/dev/null | wc -l
        """
    )
    assert [str(MANY)] * 2 + ["1500"] == found.split()


def test_a_client_that_dies_frees_what_was_held(history: Instances) -> None:
    found = history(
        """
        away; ours dbpath=$OUT/jobs.sqlite
        for i in 1 2 3; do ! tool leave; done
        watchers() { flux module stats --parse stats_watchers job-list; }
        for i in $(seq 50); do test $(watchers) = 0 && break; sleep 0.1; done
        watchers
        flux python - <<END
import apsw
busy, log, done = apsw.Connection("$OUT/jobs.sqlite").execute(
    "PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
print("busy" if busy else "nobody reads")
END
        flux dmesg | grep -c job-list.err || true
        """
    )
    assert ["0", "nobody reads", "0"] == found.splitlines()


def test_a_client_that_waits_and_leaves_is_forgotten(run: Instances) -> None:
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


FAULTS = """
import runpy

own = runpy.run_path(ROOT + "/joblist/job-list.py")


def raising_first(kind, name):
    method, calls = getattr(kind, name), []

    def first_raises(*arguments):
        calls.append(1)
        if len(calls) == 1:
            raise ZeroDivisionError("injected into " + name)
        return method(*arguments)

    setattr(kind, name, first_raises)


def mod_main(handle, *arguments):
    from joblist.journal.batches import Batches
    from joblist.live.quick import Quick
    from joblist.live.waiting_list_id import Waiting

    raising_first(Batches, "store")  # in a timer
    raising_first(Quick, "_try")  # in a request
    raising_first(Waiting, "_looked_up")  # in a lookup
    own["mod_main"](handle, *arguments)
"""


def test_an_exception_in_a_callback_does_not_end_the_module(run: Instances) -> None:
    """Nor the instance: a module that ends by an error would end that, too."""
    (run.folder / "faulted.py").write_text(f"ROOT = {str(ROOT)!r}\n{FAULTS}", "utf-8")
    found = run(
        """
        flux run true; away; flux module load --name=job-list $OUT/faulted.py
        timeout 5 flux job list-ids 1234 2>&1 || true
        flux job list-ids 1234 2>&1 || true
        flux run true
        flux jobs -an 2>&1 || true
        echo listed $(flux jobs -a -no {result})
        flux dmesg | grep -o 'ZeroDivisionError: injected into .*' | sort -u
        flux module list | grep -c '^job-list'
        """
    )
    assert "No such file or directory" in found
    assert "listed COMPLETED COMPLETED\n" in found
    for name in ("store", "_try", "_looked_up"):
        assert f"injected into {name}\n" in found
    assert found.endswith("1\n")
