# SPDX-License-Identifier: LGPL-3.0
"""The small ones: row 10 of the table of attacks."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw
import pytest

from tests.flux.attacks.instance import Attacked
from tests.support.flux.instance import Instances

pytestmark = pytest.mark.flux

_WATCH = """
import sys, time, flux
from flux.constants import FLUX_RPC_STREAMING
handle = flux.Flux()
rpc = handle.rpc("job-list.job-stats", {}, flags=FLUX_RPC_STREAMING)
def came(rpc):
    try:
        rpc.get()
        print("stats", flush=True)
    except OSError as error:
        print(error.errno, flush=True)
    rpc.reset()
rpc.then(came)
timer = handle.timer_watcher_create(float(sys.argv[1]), lambda *_: handle.reactor_stop())
timer.start()
handle.reactor_run()
"""


def test_a_guests_stream_of_stats_ends_once(run: Instances) -> None:
    """When private mode is switched on: one error, and no more."""
    (run.folder / "watch.py").write_text(_WATCH, "utf-8")
    found = run(
        """
        away; ours
        guest flux python watch.py 12 >watched & watcher=$!
        until grep -q stats watched; do sleep 0.1; done
        printf '[access]\nprivate-mode = true' | flux config load
        flux submit --quiet --cc=1-5 true; sleep 1
        flux submit --quiet --cc=1-5 true; sleep 1
        echo watchers $(flux module stats --parse stats_watchers job-list)
        kill -0 $watcher  # it has not gone away by itself
        wait $watcher
        """
    )
    errors = [line for line in (run.folder / "watched").read_text().split() if line != "stats"]
    assert ["1"] == errors
    assert "watchers 0" == found.strip()  # no more is sent to who gets no more


@pytest.mark.parametrize("value", ["--5", "²", "1²", "-", "5x", "1e3", ""])
def test_a_number_that_is_none_is_named(run: Instances, value: str) -> None:
    found = run(f"away; ! ours max_comparisons={value}; flux dmesg | grep job-list.err")
    assert "max_comparisons" in found
    assert "Traceback" not in found


@pytest.mark.parametrize("path", ["/dev/null", "/dev/full", "$OUT/pipe", "$OUT"])
def test_what_is_no_file_leaves_nothing_behind(run: Instances, path: str) -> None:
    locks = [Path(f"{real}-lock") for real in ("/dev/null", "/dev/full", run.folder)]
    locks = [lock for lock in locks if not lock.exists()]
    try:
        found = run(
            f"mkfifo pipe; away; ! timeout 20 flux module load $PACKAGES/joblist/job-list.py"
            f" dbpath={path}; flux dmesg | grep job-list.err"
        )
        assert path.replace("$OUT", str(run.folder)) in found
        left = [lock for lock in (*locks, run.folder / "pipe-lock") if lock.exists()]
        assert [] == left
    finally:
        for lock in locks:
            lock.unlink(missing_ok=True)


@contextmanager
def always_read(path: Path) -> Iterator[None]:
    """Have snapshots that overlap, so that there never is a moment without a reader; each
    is as short as that of an ordinary question."""
    stopped = threading.Event()

    def read() -> None:
        readers: list[apsw.Connection] = []
        while not stopped.wait(0.04):
            reader = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
            reader.execute("BEGIN; SELECT 1 FROM sqlite_schema LIMIT 1").fetchall()
            readers.append(reader)
            if len(readers) > 1:
                readers.pop(0).close()
        readers.pop().close()

    thread = threading.Thread(target=read)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()


@pytest.mark.parametrize("dbpath", ["real.sqlite", "link.sqlite"])
def test_the_log_is_bounded(
    attacked: Callable[..., Attacked], run: Instances, dbpath: str
) -> None:
    """Also by a symbolic link as dbpath, while somebody always reads."""
    real, link = run.folder / "real.sqlite", run.folder / "link.sqlite"
    link.symlink_to(real)
    flux = attacked(f"dbpath={run.folder / dbpath}")
    log = Path(f"{real}-wal")
    assert log.exists()
    largest = 0
    with always_read(real):
        for number in range(60):
            name = f"{number}" + "x" * 120_000  # as long as an argument may be
            flux.flux("submit", "--quiet", "--cc=1-10", f"--job-name={name}", "true")
            largest = max(largest, log.stat().st_size)
    assert largest > 60 * 2**20, "too little was written to tell"
    assert largest < 160 * 2**20


def test_an_answer_is_for_one_who_reads(attacked: Callable[..., Attacked]) -> None:
    """2,000 ids that are looked up at once hold up nobody: see `unknown-ids` for the time.
    Each gets its answer: there is no such job."""
    flux = attacked()
    with flux.client("attack", "job-list", "unknown-ids", "1", guest=True) as client:
        said, _ = client.communicate("10\n", 60)
    found = json.loads(said.splitlines()[-1])
    assert 2000 == found["sent"]
    assert sum(found["outcomes"].values()) == 2000
    texts = [text for text in found["outcomes"] if text != "held"]
    assert texts
    assert all(text.startswith("2: ") for text in texts)  # ENOENT, with words
