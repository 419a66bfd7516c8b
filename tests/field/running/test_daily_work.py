# SPDX-License-Identifier: LGPL-3.0
"""What an administrator meets every day: small, and each time."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import apsw
import pytest

from cli import progress as progress_module
from eventstore.storage.sql import fetch
from tests.support.command import MAIN, MODULE, ROOT, Command
from tests.support.fake_bus import SENTINEL, Module, life
from tests.support.field_jobs import job, recorded
from tests.support.journal_generator import journal
from tests.support.recordings import new_store

EUROPE = {"LC_ALL": "C.UTF-8", "TZ": "CET-1CEST,M3.5.0,M10.5.0/3"}
_COUNTING = """
import atexit, pwd, sys
found = []
real = pwd.getpwuid
def getpwuid(userid):
    found.append(userid)
    return real(userid)
pwd.getpwuid = getpwuid
atexit.register(lambda: print(len(found), file=sys.stderr))
"""
_RAISING = """
from eventstore.storage import connection
def open_readonly(path):
    raise ZeroDivisionError("nobody\\nforesaw this")
connection.open_readonly = open_readonly
"""


def test_a_user_without_a_name_is_looked_up_once(jobdb: Command) -> None:
    submit = {"userid": 4_000_000_001, "urgency": 16, "flags": 0, "version": 1}
    jobdb.ingest([
        line
        for number in range(1, 101)
        for line in job(number, last="priority",
                        contexts={"submit": submit | ({"userid": 0} if number > 90 else {})})
    ])  # fmt: skip
    done = jobdb("list", "-Aac0", "--no-header", "-o", "{username}", script=_COUNTING)
    assert {"4000000001", "root"} == set(done.lines)
    assert 2 == int(done.err)


def test_a_history_in_local_time_says_its_zone(jobdb: Command) -> None:
    jobdb.ingest(job(1))
    local = jobdb("history", "--local", "16777216", env=EUROPE)
    assert re.match(r"2026-09-21T16:13:20\.500000\+02:00 ", local.lines[0])
    assert len(local.lines) == 10
    assert (
        jobdb("history", "16777216", env=EUROPE)
        .lines[0]
        .startswith("2026-09-21T14:13:20.500000Z")
    )


def test_gaps_in_local_time_say_their_zone(jobdb: Command) -> None:
    jobdb.ingest(job(1)[1:])
    assert "2026-09-21T16:13:21.500000+02:00" in jobdb("gaps", "--local", env=EUROPE).out
    assert "2026-09-21T14:13:21.500000Z" in jobdb("gaps", env=EUROPE).out


def test_stats_prints_dates(jobdb: Command) -> None:
    jobdb.ingest(job(1))
    shown = dict(line.split(None, 1) for line in jobdb("stats").lines)
    assert shown["first_event"].startswith("2026-09-21T14:13:20.5")
    assert shown["last_event"].startswith("2026-09-21T14:13:29.5")
    assert jobdb.stats()["first_event"] == 1790000000.5


def damaged(jobdb: Command) -> str:
    """Store a journal, lose a page of events, recover what is left; returns the new file."""
    jobdb.ingest(list(journal(120)))
    db = apsw.Connection(str(jobdb.db))
    sql = "SELECT pageno FROM dbstat WHERE name = 'event' AND pagetype = 'leaf' ORDER BY pageno"
    leaves, size = fetch(db, sql), db.pragma("page_size")
    db.close()
    with jobdb.db.open("r+b") as file:
        file.seek((leaves[2][0] - 1) * size)
        file.write(os.urandom(size))
    jobdb("recover", "--to", "new.sqlite", status=3)
    return str(jobdb.folder / "new.sqlite")


_NO_DBSTAT = pytest.mark.skipif(
    "ENABLE_DBSTAT_VTAB" not in apsw.compile_options, reason="SQLite cannot say where pages are"
)


@_NO_DBSTAT
def test_a_gap_of_damage_goes_when_its_events_have_come_again(jobdb: Command) -> None:
    path = damaged(jobdb)
    kinds = [row["kind"] for row in jobdb("--db", path, "gaps", "--json").objects]
    assert "damage" in kinds
    lines = list(journal(120))
    jobdb("--db", path, "ingest", "-", stdin=b"\n".join(lines[: len(lines) // 2]))
    jobdb("--db", path, "ingest", "-", stdin=b"\n".join(lines))
    kinds = [row["kind"] for row in jobdb("--db", path, "gaps", "--json").objects]
    assert "damage" not in kinds
    assert jobdb("--db", path, "stats", "--json").objects[0]["gaps_damage"] == 0


@_NO_DBSTAT
def test_a_gap_of_damage_stays_until_then(jobdb: Command) -> None:
    path = damaged(jobdb)
    jobdb("--db", path, "ingest", "-", stdin=b"\n".join(job(999)))
    assert "damage" in [row["kind"] for row in jobdb("--db", path, "gaps", "--json").objects]


@pytest.mark.parametrize("words", ["stats", "list -Aa", "history 1", "verify", "backup x"])
def test_an_exception_that_nobody_foresaw_is_one_line(jobdb: Command, words: str) -> None:
    done = jobdb(*words.split(), status=1, script=_RAISING)
    assert done.err.count("\n") == 1
    assert "ZeroDivisionError" in done.err
    assert "--debug" in done.err


@pytest.mark.parametrize("words", ["--debug stats", "stats --debug"])
def test_debug_shows_the_details(jobdb: Command, words: str) -> None:
    done = jobdb.run(*words.split(), script=_RAISING)
    assert (done.status, "Traceback" in done.err) == (1, True)
    assert "open_readonly" in done.err


def test_long_work_says_a_line_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    with progress_module.progress("copying") as advance:
        for done in range(0, 1000, 10):
            now += 3.0  # five minutes in all
            advance(done, 1000)
    lines = capsys.readouterr().err.splitlines()
    assert 3 <= len(lines) <= 20
    assert all("copying" in line and "%" in line for line in lines)
    assert "\r" not in "".join(lines)


def test_quick_work_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_module.progress("copying") as advance:
        for done in range(1000):
            advance(done, 1000)
    assert "" == capsys.readouterr().err


_FULL = f"""
set -e
mkdir disk && mount -t tmpfs -o size=256k none disk
{sys.executable} -m {MODULE} backup disk/copy.sqlite
"""


def _can_mount() -> bool:
    words = ["unshare", "-rm", "true"]
    return (
        shutil.which("unshare") is not None
        and not subprocess.run(words, check=False).returncode
    )


@pytest.mark.skipif(not _can_mount(), reason="no file system can be mounted here")
def test_a_backup_on_a_full_disk_says_so(jobdb: Command) -> None:
    jobdb.ingest(list(journal(300)))
    words = ["unshare", "-rm", "sh", "-c", _FULL]
    done = subprocess.run(
        words, cwd=jobdb.folder, env=jobdb.environment(), capture_output=True, check=False
    )
    assert (1, 1) == (done.returncode, done.stderr.count(b"\n")), done.stderr
    assert b"no space left" in done.stderr.lower()
    assert b"disk/copy.sqlite" in done.stderr


def test_cursors_of_consumers_can_be_seen(jobdb: Command) -> None:
    jobdb.ingest(recorded("odd-clocks"))
    assert [] == jobdb("consumers", "--json").objects
    jobdb("accounting", "--json", "--name", "w")
    jobdb.ingest(job(9))
    (row,) = jobdb("consumers", "--json").objects
    assert ("w", 80, 10) == (row["name"], row["seq"], row["behind"])
    assert "w" in jobdb("consumers").lines[1].split()


def test_units_are_installed() -> None:
    names = {path.name for path in (ROOT / "etc").glob("*.service")}
    assert {"flux-jobdb.service", "flux-jobdb-recorder.service",
            "flux-jobdb-accounting.service"} <= names  # fmt: skip
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert '"etc" = "flux_jobdb/etc"' in text
    for name in names:
        unit = (ROOT / "etc" / name).read_text(encoding="utf-8")
        assert re.search(r"^ExecStart=.*flux-jobdb", unit, re.MULTILINE), name
        assert re.search(r"^UMask=0077$", unit, re.MULTILINE), name


def notices(module: Module) -> list[tuple[str, float]]:
    db = module.store.db
    return fetch(db, "SELECT kind, time FROM notice ORDER BY seq")


def test_a_purge_that_is_seen_live_has_the_time_at_which_it_was_seen(module: Module) -> None:
    module.feed(*life(16777216, 1000.0))
    module.bus.pass_time(1)
    before = time.time()
    module.feed(b'{"jobs":[16777216]}')
    module.bus.pass_time(1)
    ((kind, seen),) = notices(module)
    assert kind == "purge"
    assert before <= seen <= time.time()


def test_an_absence_that_is_seen_live_has_the_time_at_which_it_was_seen() -> None:
    _, views = new_store()
    Module(views).feed(SENTINEL)
    first = Module(views)
    first.feed(SENTINEL, *life(16777216, 1000.0)[:5])
    first.bus.pass_time(1)
    first.live.close()
    before = time.time()
    second = Module(views, boot="other")
    second.feed(SENTINEL)
    second.bus.pass_time(1)
    found = dict(notices(second))
    assert before <= found["gone"] <= time.time()


def test_a_purge_of_a_recorded_journal_has_a_time_of_the_journal(jobdb: Command) -> None:
    jobdb.ingest([*job(1), b'{"jobs":[16777216]}'])
    assert jobdb("history", "16777216").lines[-1].startswith("2026-09-21T14:13:29.500000Z")


def test_a_script_before_the_program_runs_it() -> None:
    """The scripts above do what they are for."""
    words = [sys.executable, "-c", "import sys; sys.argv = ['x', '--version']\n" + MAIN]
    assert (
        b"flux-jobdb" in subprocess.run(words, cwd=ROOT, capture_output=True, check=True).stdout
    )
    assert Path(progress_module.__file__).exists()
