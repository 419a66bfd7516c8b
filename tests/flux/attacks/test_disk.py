# SPDX-License-Identifier: LGPL-3.0
"""Disks that fail, memory that ends, locks, files that go away: rows 1, 5, 8 and 9."""

from __future__ import annotations

import json
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw
import pytest

from eventstore.maintenance.verify import verify_chain
from eventstore.storage.connection import open_readonly
from flux_jobdb import HOME
from tests.flux.attacks import faults, history
from tests.flux.attacks.conftest import Target
from tests.flux.attacks.instance import Attacked, until
from tests.flux.attacks.siege import (
    FIGURES,
    Figures,
    Witness,
    attacker,
    record,
    stretch,
    strike,
)
from tests.support.flux.instance import Instances

pytestmark = pytest.mark.flux

ALL = '{"max_entries":0,"attrs":["all"]}'
FIVE = '{"max_entries":5,"attrs":["state"]}'
POINTS = [
    (error, when)
    for error in faults.ERRORS
    for when in ("1", "3", "40", "300", "1+5", "200+", "1+")
]
"""What fails of the reads of a list: some reads once, every so many, all of them."""


@contextmanager
def watched(flux: Attacked, name: str, *, jobs: bool = False) -> Iterator[Figures]:
    """Measure what an innocent client notices of what is done meanwhile."""
    found = Figures(name, load=os.getloadavg()[0], stretch=stretch(1.0))
    with Witness(flux, with_jobs=jobs) as witness:
        begin = time.monotonic()
        try:
            yield found
        finally:
            end = time.monotonic()
            witness.settle()
            found.beside = witness.waits("list", (begin, end))
            found.machine = witness.waits("ping", (begin, end))
            found.alive = flux.alive
            found.complaints = flux.logged().count("please report")
            record(found)


def behind(flux: Attacked) -> dict[str, object] | None:
    """Return what stats-get says of what is not stored."""
    said = flux.ask("stats-get")
    assert said.startswith("{"), said
    found: dict[str, dict[str, object]] = json.loads(said)
    return found.get("behind")


def listed(flux: Attacked, request: str = ALL) -> set[int]:
    return {job["id"] for job in json.loads(flux.ask("list", request))["jobs"]}


def judge(target: Target, flux: Attacked, found: Figures) -> None:
    """Fail where the next request is not answered, or anything else does not hold."""
    answered = until(lambda: not flux.alive or flux.ask("list", FIVE).count('"state"') == 5, 10)
    found.alive = answered and flux.alive
    found.complaints = flux.logged().count("please report") - found.complaints
    record(found)
    target.held(found)


@pytest.mark.parametrize(("error", "when"), POINTS)
def test_a_read_fails_during_a_list(long_history: Target, error: str, when: str) -> None:
    """Row 1: whoever asked gets an error with words, the next one an answer."""
    faults.need_strace()
    flux = long_history.flux()
    database = long_history.database
    found = Figures(f"read {when} fails: {error}", load=os.getloadavg()[0])
    found.complaints = flux.logged().count("please report")
    with attacker(flux, "streams-of-3000", 1) as client:
        paths = [database, Path(f"{database}-wal")]
        with faults.failing(flux, "pread64", error, when, *paths) as trace:
            strike(client, 0.5)
            assert client.stdout is not None
            if line := client.stdout.readline():
                found.attacker.append(json.loads(line))
        assert faults.failures(trace) > 0
    judge(long_history, flux, found)


@pytest.mark.parametrize("more", [0, 1, 4, 16])
def test_memory_ends_during_a_list(long_history: Target, more: int) -> None:
    """Row 1: some MiB more than it has, and no more, for the module and all it has started."""
    flux = long_history.flux()
    found = Figures(f"memory ends after {more} MiB", load=os.getloadavg()[0])
    found.complaints = flux.logged().count("please report")
    with attacker(flux, "not-streaming", 2) as client, faults.memory_of(flux, more * 2**20):
        strike(client, 1.0)
        assert client.stdout is not None
        if line := client.stdout.readline():
            found.attacker.append(json.loads(line))
    judge(long_history, flux, found)


# -- locks

# The bytes of the -shm file by which SQLite locks the write-ahead log (walIndexLock: WRITE,
# CKPT, RECOVER and five of readers); https://www.sqlite.org/walformat.html
_LOCKS = {"write": (120, 1), "checkpoint": (121, 1), "all": (120, 8)}


@pytest.mark.parametrize("which", _LOCKS)
def test_a_read_lock_on_the_log_is_held(
    attacked: Callable[..., Attacked], run: Instances, which: str
) -> None:
    """Row 5: the module is behind meanwhile and says so, and goes on answering."""
    path = history.long_history(run.folder)
    flux = attacked(f"dbpath={path}")
    lock = faults.read_lock(Path(f"{path}-shm"), *_LOCKS[which])
    with watched(flux, f"read lock: {which}", jobs=True) as found, lock:
        time.sleep(5)
        during = behind(flux)
        time.sleep(3)
    assert [] == found.faults()
    if which != "checkpoint":
        assert during is not None
        assert during["reason"]
    assert until(lambda: behind(flux) is None, 60)
    flux.flux("cancel", "--all")
    flux.flux("queue", "drain")
    flux.stop()
    with open_readonly(str(path)) as store:
        assert verify_chain(store).fault is None


def test_files_are_for_their_owner(attacked: Callable[..., Attacked], run: Instances) -> None:
    """Row 5: who cannot read a file cannot lock it."""
    os.umask(0o022)
    path = run.folder / "jobs.sqlite"
    flux = attacked(f"dbpath={path}")
    flux.flux("run", "true")
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in run.folder.glob("jobs*")}
    assert {"jobs.sqlite", "jobs.sqlite-wal", "jobs.sqlite-shm"} <= set(modes)
    assert dict.fromkeys(modes, 0o600) == modes


def test_a_shared_lock_on_the_lock_file(run: Instances) -> None:
    """Row 5: the module loads, or names what holds it up, and not another process."""
    path = run.folder / "jobs.sqlite"
    run(f"away; ours dbpath={path}; away")
    lock = Path(f"{path}-lock")
    formerly = lock.read_text("ascii") if lock.exists() else "none"
    lock.touch()
    with faults.shared_flock(lock):
        said = run(
            f"away; if ours dbpath={path}; then flux jobs -an; echo loaded;"
            " else flux dmesg | grep job-list.err; fi"
        )
    assert "loaded" in said or f"process {formerly}" not in said


# -- files that go away


def _moved(path: Path) -> None:
    path.rename(path.with_name("moved"))


def _deleted(path: Path) -> None:
    for file in path.parent.glob(f"{path.name}*"):
        file.unlink()


def _replaced(path: Path) -> None:
    other = path.with_name("other")
    with apsw.Connection(str(other)) as db:
        db.execute("CREATE TABLE other (x)")
    other.replace(path)


def _deleted_alone(path: Path) -> None:
    path.unlink()


def _log_deleted(path: Path) -> None:
    Path(f"{path}-wal").unlink()


@pytest.mark.parametrize(
    "away",
    [_moved, _deleted, _deleted_alone, _replaced, _log_deleted],
    ids=lambda f: f.__name__,
)
def test_the_database_goes_away(
    attacked: Callable[..., Attacked], run: Instances, away: Callable[[Path], None]
) -> None:
    """Row 8: the log has a line, stats-get says that it is behind, lists are right or refused
    all the time; and when there is a place again, nothing is missing that the job manager
    has."""
    path = run.folder / "jobs.sqlite"
    flux = attacked(f"dbpath={path}")
    flux.flux("submit", "--quiet", "--cc=1-20", "true")
    until(lambda: len(listed(flux)) == 21)
    before = flux.logged()
    away(path)
    with watched(flux, f"database{away.__name__}") as found:
        flux.flux("submit", "--quiet", "--cc=1-20", "--wait", "true")
        time.sleep(2)
        lines = flux.logged().removeprefix(before).splitlines()
        said = [line for line in lines if " job-list." in line]
        during = behind(flux)
        answers = {flux.ask("list", FIVE).partition(" ")[0] for _ in range(5)}
    assert found.alive
    assert 0 == found.beside.missing
    assert said  # whoever reads the log knows of it
    assert 1 == len(answers), answers  # not by turns
    if away is _log_deleted:  # the database is opened anew, with all that it had
        assert until(lambda: len(listed(flux)) == 41), flux.ask("list", ALL)[:300]
    else:
        assert during is not None
        assert during["reason"]
    if away is _moved:
        path.with_name("moved").rename(path)
        assert until(lambda: behind(flux) is None)  # it goes on by itself
        assert len(listed(flux)) == 41
    if away is _replaced:
        path.unlink()
    # Loaded again, it has all that the job manager has.
    flux.flux("module", "reload", f"{HOME}/joblist/job-list.py", f"dbpath={path}")
    flux.module = flux.find_module()
    assert until(lambda: len(listed(flux)) >= 41, 20), flux.ask("list", ALL)[:300]


# -- views that are made anew


@pytest.fixture
def outdated(run: Instances) -> Path:
    """A database whose views are those of an older version."""
    path = history.long_history(run.folder)
    with apsw.Connection(str(path)) as db:
        db.execute("UPDATE view SET version = 'older'")
    return path


_TIMED = """
timed() {  # NAME COMMAND...: the time in ms, and what was said
    local start=$(date +%s%N)
    "${@:2}" >$OUT/$1 2>&1 </dev/null || true
    echo $1 $(( ($(date +%s%N) - start) / 1000000 ))
}
export FLUX_PYTHONPATH_PREPEND=$FLUX_PYTHONPATH_PREPEND:$ROOT
ask() { flux python $ROOT/tests/flux/attacks/clients.py ask $1; }
away
timed load flux module load $PACKAGES/joblist/job-list.py dbpath=$OUT/jobs.sqlite
"""
_ASKED = """
timed attrs ask job-list.list-attrs
timed list flux jobs -a -n -c5
timed stats ask job-list.job-stats
"""
_REMOVED = """
timed remove flux module remove job-list
flux module load job-list
timed client ask job-list.list-attrs
"""


def timed(run: Instances, script: str) -> tuple[dict[str, float], dict[str, str], str]:
    """Return how many seconds each command took, what it said, and both as a line."""
    found = dict(line.split() for line in run(_TIMED + script + _REMOVED).splitlines())
    took = {name: int(milliseconds) / 1000 for name, milliseconds in found.items()}
    said = {name: (run.folder / name).read_text("utf-8").strip() for name in took}
    line = f"views made anew, load {os.getloadavg()[0]:.1f}: {took}\n"
    FIGURES.parent.mkdir(parents=True, exist_ok=True)
    with FIGURES.with_suffix(".txt").open("a", encoding="utf-8") as file:
        file.write(line)
    assert "" == said["load"] + said["remove"]
    return took, said, line


@pytest.mark.usefixtures("outdated")
def test_views_are_made_anew(run: Instances) -> None:
    """Row 9: requests are answered or refused at once, and the module can be removed."""
    took, said, line = timed(run, _ASKED)
    assert '"state"' in said["attrs"]
    for name in ("list", "stats"):  # from the old views, or an error with words
        assert said[name], name
    for name in ("attrs", "list", "stats"):  # to start a client takes a part of it
        assert took[name] < 0.5 + 2 * took["client"], line


@pytest.mark.usefixtures("outdated")
def test_a_module_that_makes_views_anew_can_be_removed(run: Instances) -> None:
    """Row 9: within a second, and it goes on where it was when it is loaded again."""
    took, _, line = timed(run, "")
    assert took["remove"] < 1 + took["client"], line
