# SPDX-License-Identifier: LGPL-3.0
"""Faults of the accounting feed: wrong targets, locks, refused rows, killed processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw
import pytest

from cli.accounting.flux_accounting_db import VERSIONS, Target
from cli.accounting.lock_holders import holders
from eventstore.errors import JobdbError, Locked, StoreError
from eventstore.ingest.writer import Writer
from eventstore.storage.connection import create_or_open
from projections.engine.consumer_cursor import Consumer, Position
from projections.engine.rebuild import rebuild
from projections.engine.views import Views
from projections.queries.accounting_feed import finished_jobs
from tests.cli.test_commands import Run
from tests.support.accounting_db import COLUMNS, NEWEST, create, ids
from tests.support.journal_generator import EPOCH, journal

ROOT = Path(__file__).resolve().parents[2]


def fill(db: str, jobs: int = 10, seed: int = 1) -> None:
    with create_or_open(db) as store:
        Writer(store, "test", Views(store)).append(
            journal(jobs, seed, start=EPOCH + seed * 1e6)
        )


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Ten finished jobs."""
    runner = Run(str(tmp_path / "jobs.sqlite"))
    fill(runner.db)
    return runner


def refused(run: Run, target: str | Path, *words: str) -> str:
    """Feed a target that is refused and not changed; returns the message."""
    path = Path(target)
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(JobdbError) as caught:
        run("accounting", "--to", str(target), *words)
    assert before == (path.read_bytes() if path.is_file() else None)
    assert "\n" not in str(caught.value)
    assert str(target) in str(caught.value)
    return str(caught.value)


@contextmanager
def holding(path: str, mode: str = "BEGIN IMMEDIATE") -> Iterator[int]:
    """Hold a database in another process, named ``hold-it``; yields its id."""
    code = (
        "import sqlite3, sys; db = sqlite3.connect(sys.argv[2], isolation_level=None);"
        f"db.execute('{mode}'); db.execute('SELECT count(*) FROM jobs').fetchone();"
        "print('held', flush=True); sys.stdin.read()"
    )
    pipe = subprocess.PIPE
    words = [sys.executable, "-c", code, "hold-it", path]
    with subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process.pid
        finally:
            process.communicate()


# -- the target


def test_a_missing_target(run: Run, tmp_path: Path) -> None:
    assert "flux account create-db" in refused(run, tmp_path / "nowhere.db")
    assert not (tmp_path / "nowhere.db").exists()
    assert "there is no such database" in refused(run, tmp_path)


def test_foreign_targets(run: Run, tmp_path: Path) -> None:
    text = tmp_path / "text.db"
    text.write_text("not a database, but a text that is long enough\n" * 99)
    assert "not an SQLite database" in refused(run, text)
    empty = tmp_path / "empty.db"
    empty.touch()
    assert "not a flux-accounting database" in refused(run, empty)
    assert "not a flux-accounting database" in refused(run, run.db)
    only_jobs = tmp_path / "only_jobs.db"
    with apsw.Connection(str(only_jobs)) as db:
        db.execute(f"CREATE TABLE jobs ({', '.join(COLUMNS)})")
    db.close()
    assert "not a flux-accounting database" in refused(run, only_jobs)


@pytest.mark.parametrize("version", [0, VERSIONS[0] - 1, VERSIONS[-1] + 1, 1000])
def test_a_version_that_is_not_known(run: Run, tmp_path: Path, version: int) -> None:
    path = create(tmp_path / "a.db")
    with apsw.Connection(path) as db:
        db.execute(f"PRAGMA user_version = {version}")
    db.close()
    assert f"schema {version} of flux-accounting is not known" in refused(run, path)
    assert f"--schema {version}" in refused(run, path, "--schema", str(NEWEST))
    run("accounting", "--to", path, "--schema", str(version))
    assert 10 == len(ids(path))


def test_a_jobs_table_that_is_not_known(run: Run, tmp_path: Path) -> None:
    extra = create(tmp_path / "extra.db", extra=", charge_code text")
    assert "(charge_code); nothing was changed" in refused(run, extra)
    for name, old, new in (
        ("lacking.db", "R text NOT NULL,", ""),
        ("by_user.db", "PRIMARY KEY NOT NULL", "NOT NULL"),
        ("no_rowid.db", "bank text", "bank text) WITHOUT ROWID--"),
    ):
        path = tmp_path / name
        with apsw.Connection(str(path)) as db:
            db.execute("CREATE TABLE association_table (username tinytext)")
            columns = ", ".join(COLUMNS[:10]).replace(old, new)
            db.execute(f"CREATE TABLE jobs ({columns}\n)".replace("--\n)", ""))
            db.execute(f"PRAGMA user_version = {NEWEST}")
        db.close()
        assert "not as flux-accounting makes it" in refused(run, path)


def test_a_locked_target_is_waited_for(run: Run, tmp_path: Path) -> None:
    path = create(tmp_path / "a.db")
    for mode in ("BEGIN IMMEDIATE", "BEGIN EXCLUSIVE", "BEGIN"):
        with holding(path, mode) as pid:
            started = time.monotonic()
            message = refused(run, path, "--wait", "0.3")
            assert time.monotonic() - started >= 0.3
            assert f"locked for 0.3 s, it seems by process {pid} (" in message
    with holding(path) as pid:
        timer = threading.Timer(0.5, os.kill, (pid, signal.SIGKILL))
        timer.start()
        assert "10 jobs added" in run("accounting", "--to", path, "--wait", "20")
        timer.join()
    assert 10 == len(ids(path))


def test_a_holder_that_cannot_be_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = create(tmp_path / "a.db")
    assert "another process" == holders(path)
    # It runs in another container.
    status = Path(path).stat()
    place = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    (tmp_path / "locks").write_text(f"1: POSIX  ADVISORY  WRITE 0 {place} 1073741825 EOF\n")
    monkeypatch.setattr("cli.accounting.lock_holders._LOCKS", tmp_path / "locks")
    assert "another process" == holders(path)


def test_a_damaged_target(run: Run, tmp_path: Path) -> None:
    path = Path(create(tmp_path / "a.db"))
    run("accounting", "--to", str(path))
    content = path.read_bytes()
    path.write_bytes(content[:4096] + bytes(len(content) - 4096))
    assert "it is damaged; restore it from a backup" in refused(run, path)


def test_a_damaged_source_is_not_taken_for_the_target(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged(*words: Any) -> Iterator[Any]:
        looks.append(words)
        yield from finished_jobs(*words)
        if len(looks) > 1:  # the first is whether there is anything to do
            raise apsw.CorruptError("database disk image is malformed")

    looks: list[Any] = []
    path = create(tmp_path / "a.db")
    monkeypatch.setattr("cli.accounting.feed.finished_jobs", damaged)
    with pytest.raises(StoreError, match=f"{run.db}: it is damaged"):
        run("accounting", "--to", path)
    assert set() == ids(path)


def test_a_target_that_is_replaced_while_it_is_open(run: Run, tmp_path: Path) -> None:
    path = create(tmp_path / "a.db")
    with Target(path) as target:
        Path(create(tmp_path / "backup.db")).rename(path)
        with pytest.raises(Locked, match="replaced while it was open"), target.transaction():
            target.db.execute("DELETE FROM jobs")


@contextmanager
def as_nobody() -> Iterator[None]:
    """Drop root's privileges, so that permissions apply."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


def test_a_read_only_target() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        run = Run(str(folder / "jobs.sqlite"))
        fill(run.db)
        path = create(folder / "a.db")
        run("accounting", "--json")  # what is imported later may not be readable
        Path(path).chmod(0o444)
        Path(run.db).chmod(0o644)  # readers are let in
        with as_nobody():
            if not os.access(__file__, os.R_OK, effective_ids=True):
                pytest.skip("only its owner may read the checkout, which has the program's SQL")
            assert "10 jobs would be added" in run("accounting", "--to", path, "--dry-run")
            assert "cannot be written" in refused(run, path)
        assert set() == ids(path)


# -- rows


def test_a_row_that_breaks_a_constraint_is_named(run: Run, tmp_path: Path) -> None:
    listed = [line.split(",") for line in run("accounting", "--json").splitlines()]
    users = sorted({line[2].split(":")[1] for line in listed})
    bad = sum(line[2] == f'"userid":{users[0]}' for line in listed)
    path = create(tmp_path / "a.db", extra=f", CHECK (userid != {users[0]})")
    printed = run("accounting", "--to", path, status=3)
    assert f"{10 - bad} jobs added to {path}\n" == printed
    assert bad == run.errors.count("was not added: CHECK constraint failed")
    assert run.errors.startswith("flux-jobdb: ƒ")
    assert 10 - bad == len(ids(path))
    # It was said; it is not said again at each run.
    assert f"0 jobs added to {path}\n" == run("accounting", "--to", path)
    # It is taken as soon as the table takes it.
    with apsw.Connection(path) as db:
        db.execute("ALTER TABLE jobs RENAME TO old")
        db.execute(f"CREATE TABLE jobs ({', '.join(COLUMNS)})")
        db.execute("INSERT INTO jobs SELECT * FROM old; DROP TABLE old")
    db.close()
    printed = run("accounting", "--to", path)
    assert f"{bad} jobs added to {path}, {10 - bad} were there\n" == printed


def test_what_was_not_seen_is_named(tmp_path: Path) -> None:
    run = Run(str(tmp_path / "jobs.sqlite"))
    path = create(tmp_path / "a.db")
    lines = list(journal(3))
    without = [line.partition(b',"R":')[0] for line in lines]
    without = [line if line.endswith(b"}") else line + b"}" for line in without]
    with create_or_open(run.db) as store:
        writer = Writer(store, "test", Views(store))
        writer.append(without)
        assert f"0 jobs added to {path}\n" == run("accounting", "--to", path, status=3)
        assert 3 == run.errors.count("(ranks and R not known)")
        assert set() == ids(path)


def test_a_job_of_another_stream_with_the_same_id_is_named(run: Run, tmp_path: Path) -> None:
    path = create(tmp_path / "a.db")
    run("accounting", "--to", path)
    with create_or_open(run.db) as store:
        # Ids count from the start again; the times are later.
        Writer(store, "anew", Views(store)).append(
            line.replace(b'"timestamp":17', b'"timestamp":18')
            for line in journal(10, 1, start=EPOCH + 1e6)
        )
    printed = run("accounting", "--to", path, status=3)
    assert f"0 jobs added to {path}\n" == printed
    assert 10 == run.errors.count("was not added: another job has this id, submitted at 17")
    Path(run.db + "-consumers").unlink()
    run("accounting", "--to", path, status=3)
    assert 10 == run.errors.count("another job has this id")


# -- the cursors, the views


def test_cursors_that_cannot_be_used(run: Run, tmp_path: Path) -> None:
    path = create(tmp_path / "a.db")
    cursors = Path(run.db + "-consumers")
    cursors.write_text("not a database, but a text that is long enough\n" * 99)
    with pytest.raises(StoreError, match="move it away"):
        run("accounting", "--to", path)
    create(tmp_path / "b.db")
    cursors.write_bytes((tmp_path / "b.db").read_bytes())
    with pytest.raises(StoreError, match="belongs to another program"):
        run("accounting", "--to", path)
    cursors.unlink()
    assert "10 jobs added" in run("accounting", "--to", path)
    assert Position(0, bytes(32)) == Consumer(run.db, "unheard of").position


def test_a_view_of_another_version_is_waited_for(run: Run, tmp_path: Path) -> None:
    path = create(tmp_path / "a.db")
    with create_or_open(run.db) as store:
        store.db.execute("UPDATE view SET version = 'old' WHERE name = 'accounting'")
        with pytest.raises(StoreError, match="made by another version"):
            run("accounting", "--to", path)
        rebuild(Views(store), ["accounting"])
        assert "10 jobs added" in run("accounting", "--to", path)


# -- processes


_DIES = """
import os
from cli.accounting.flux_accounting_db import Target
from projections.queries.accounting_feed import finished_jobs
from projections.engine.consumer_cursor import Consumer
{where} = lambda *_: os._exit(9)
from cli.main import main
main()
"""


@pytest.mark.parametrize(("where", "left"), [("Target.mark", 0), ("Consumer.done", 10)])
def test_a_feed_that_is_killed(run: Run, tmp_path: Path, where: str, left: int) -> None:
    path = create(tmp_path / "a.db")
    words = [sys.executable, "-c", _DIES.format(where=where), "--db", run.db]
    done = subprocess.run([*words, "accounting", "--to", path], cwd=ROOT, check=False)
    assert 9 == done.returncode
    # What was not committed is undone by whoever comes next, even if that only looks.
    assert f"{10 - left} jobs would" in run("accounting", "--to", path, "--dry-run")
    assert left == len(ids(path))
    there = f", {left} were there" if left else ""
    assert f"{10 - left} jobs added to {path}{there}\n" == run("accounting", "--to", path)
    assert f"0 jobs added to {path}\n" == run("accounting", "--to", path)


def test_follow_goes_on_as_jobs_finish(run: Run, tmp_path: Path) -> None:
    path = create(tmp_path / "a.db")
    words = [sys.executable, "-m", "flux_jobdb", "--db", run.db, "accounting"]
    words += ["--to", path, "--follow", "--wait", "0.1"]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, cwd=ROOT, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert f"10 jobs added to {path}\n" == process.stdout.readline()
        with holding(path):
            fill(run.db, 5, seed=2)
            assert "it seems by process" in process.stderr.readline()
        assert f"5 jobs added to {path}\n" == process.stdout.readline()
        time.sleep(0.3)  # it waits again: a line that is being written may come out twice
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate()
    assert ("", 0) == (output, process.returncode)
    assert all("it seems by process" in line for line in errors.splitlines())
    assert 15 == len(ids(path))


def test_target_is_told_by_its_real_path(run: Run, tmp_path: Path) -> None:
    path = create(tmp_path / "a.db")
    link = tmp_path / "link.db"
    link.symlink_to(path)
    with Target(str(link)) as target:
        assert path == target.path
    with holding(path), Target(path, wait=0.05) as target, pytest.raises(Locked):
        target.transaction().__enter__()
