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
from tests.flux.attacks import faults, history
from tests.flux.attacks.conftest import Target
from tests.flux.attacks.instance import Attacked, until
from tests.flux.attacks.siege import Figures, Witness, attacker, record, strike
from tests.support.flux_instance import ROOT, Instances

pytestmark = pytest.mark.flux

ALL = '{"max_entries":0,"attrs":["all"]}'
FIVE = '{"max_entries":5,"attrs":["state"]}'
POINTS = [
    (error, when)
    for error in faults.ERRORS
    for when in ("1", "2", "7", "40", "1+5", "3+2", "1+")
]
"""What fails of the reads of a list: some reads once, every so many, all of them."""


@contextmanager
def watched(flux: Attacked, name: str, *, jobs: bool = False) -> Iterator[Figures]:
    """Measure what an innocent client notices of what is done meanwhile."""
    found = Figures(name, load=os.getloadavg()[0])
    with Witness(flux, with_jobs=jobs) as witness:
        begin = time.monotonic()
        yield found
        end = time.monotonic()
        until(lambda: not flux.alive or witness.all_answered(), 60)
        found.beside = witness.waits("list", begin, end)
        found.machine = witness.waits("ping", begin, end)
    found.alive = flux.alive
    found.complaints = flux.logged().count("please report")
    record(found)


def behind(flux: Attacked) -> dict[str, object] | None:
    """Return what stats-get says of what is not stored."""
    found = json.loads(flux.ask("stats-get"))
    assert isinstance(found, dict)
    return found.get("behind")


def listed(flux: Attacked, request: str = ALL) -> set[int]:
    return {job["id"] for job in json.loads(flux.ask("list", request))["jobs"]}


@pytest.mark.parametrize(("error", "when"), POINTS)
def test_a_read_fails_during_a_list(long_history: Target, error: str, when: str) -> None:
    """Row 1: whoever asked gets an error with words, the next one an answer."""
    faults.need_strace()
    flux = long_history.flux()
    database = long_history.database
    found = Figures(f"read {when} fails: {error}", load=os.getloadavg()[0])
    with attacker(flux, "long-streams-read", 1) as client:
        paths = [database, Path(f"{database}-wal")]
        with faults.failing(flux, "pread64", error, when, *paths) as trace:
            strike(client, 0.5)
            assert client.stdout is not None
            if line := client.stdout.readline():
                found.attacker.append(json.loads(line))
        assert faults.failures(trace) > 0
    found.alive = flux.alive
    found.complaints = flux.logged().count("please report")
    record(found)
    answered = flux.alive and until(lambda: flux.ask("list", FIVE).count('"state"') == 5, 10)
    long_history.held(found)
    assert answered


@pytest.mark.parametrize("more", [0, 1, 4, 16])
def test_memory_ends_during_a_list(long_history: Target, more: int) -> None:
    """Row 1: some MiB more than it has, and no more, for the module and all it has started."""
    flux = long_history.flux()
    found = Figures(f"memory ends after {more} MiB", load=os.getloadavg()[0])
    with attacker(flux, "not-streaming", 2) as client, faults.memory_of(flux, more * 2**20):
        strike(client, 1.0)
        assert client.stdout is not None
        if line := client.stdout.readline():
            found.attacker.append(json.loads(line))
    found.alive = flux.alive
    found.complaints = flux.logged().count("please report")
    record(found)
    answered = flux.alive and until(lambda: flux.ask("list", FIVE).count('"state"') == 5, 10)
    long_history.held(found)
    assert answered


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
    with watched(flux, f"read lock: {which}", jobs=True) as found:
        with faults.read_lock(Path(f"{path}-shm"), *_LOCKS[which]):
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
    assert during is not None
    assert during["reason"]
    assert 1 == len(answers), answers  # not by turns
    if away is _moved:
        path.with_name("moved").rename(path)
    # Loaded again, it has all that the job manager has.
    flux.flux("module", "reload", str(ROOT / "joblist" / "job-list.py"), f"dbpath={path}")
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


_LOAD = """
away
timed() { local s=$(date +%s%N); timeout 60 "$@"; echo $(( ($(date +%s%N) - s) / 1000000 )); }
echo load $(timed ours dbpath=$OUT/jobs.sqlite)
echo attrs $(timed flux python $ROOT/tests/flux/attacks/clients.py ask job-list.list-attrs \
    </dev/null | tail -1)
echo list $(timed flux jobs -n -c5 2>&1 | tail -1)
echo remove $(timed flux module remove job-list)
"""


def test_views_are_made_anew(run: Instances, outdated: Path) -> None:
    """Row 9: requests are answered or refused at once, and the module can be removed."""
    found = dict(line.split() for line in run(_LOAD).splitlines())
    took = {name: int(milliseconds) / 1000 for name, milliseconds in found.items()}
    with (ROOT / "build" / "attacks" / "figures.txt").open("a", encoding="utf-8") as file:
        file.write(f"views made anew, seconds at a load of {os.getloadavg()[0]:.1f}: {took}\n")
    # Starting a client takes a part of it: as much as this one that asks somebody else.
    client = run(
        'timed() { local s=$(date +%s%N); "$@"; echo $(( ($(date +%s%N) - s) / 1000000 )); }\n'
        "echo $(timed flux python $ROOT/tests/flux/attacks/clients.py ask job-info.ping"
        " <<<'{}' | tail -1)"
    )
    start = int(client) / 1000
    assert took["load"] < 3 + start, took
    assert took["attrs"] < 1 + 2 * start, took
    assert took["list"] < 1 + 2 * start, took
    assert took["remove"] < 1 + start, took
