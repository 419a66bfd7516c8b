# SPDX-License-Identifier: LGPL-3.0
"""Backups of a store in use: of one moment, verified, and the journal fills in the rest."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import apsw
import pytest
from click.testing import CliRunner

from cli.main import cli
from eventstore.errors import StoreError
from eventstore.ingest.writer import Writer
from eventstore.maintenance import backup as backup_module
from eventstore.maintenance.backup import backup
from eventstore.maintenance.verify import verify_chain
from eventstore.storage.connection import create_or_open, open_readonly
from eventstore.storage.sql import fetch
from tests.reliability.torture.workload import batches, contents, count, fault, ingest, opened

PARTS = batches(60, 20)


@pytest.fixture
def path(tmp_path: Path) -> str:
    name = str(tmp_path / "jobs.sqlite")
    ingest(name, PARTS[:10])
    return name


def test_a_backup_while_a_writer_goes_on(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup_module, "_PAGES", 4)
    to = str(tmp_path / "copy.sqlite")
    started, heads, steps = threading.Event(), [], []

    def write() -> None:
        store, views = opened(path)
        with store:
            writer = Writer(store, "more", views)
            for part in PARTS[10:]:
                started.wait(20)
                writer.append(part)
                heads.append(fetch(store.db, "SELECT digest FROM batch")[-1][0])

    def progress(done: int, total: int) -> None:
        steps.append((done, total))
        started.set()

    thread = threading.Thread(target=write)
    thread.start()
    with open_readonly(path) as store:
        head = verify_chain(store).head
        done = backup(store, to, progress)
    thread.join()
    assert head == done.verified.head
    assert heads
    assert head not in heads
    assert steps[-1][0] == steps[-1][1] > 10 * (steps[0][0] > 0)
    assert [p.name for p in tmp_path.glob("copy*")] == ["copy.sqlite"]
    assert done.size == Path(to).stat().st_size
    # Restored, the journal fills in what came after it.
    store, views = opened(to)
    with store:
        assert fault(store) is None
        assert verify_chain(store).head == head
        writer = Writer(store, "again", views)
        before = count(store)
        for part in PARTS:
            writer.append(part)
        assert before < count(store)
    assert contents(path) == contents(to)


def test_the_report(path: str, tmp_path: Path) -> None:
    to = str(tmp_path / "copy.sqlite")
    run = CliRunner().invoke
    report = json.loads(run(cli, ["--db", path, "backup", to, "--json"]).output)
    verified = json.loads(run(cli, ["--db", to, "verify", "--json"]).output)
    assert (report["head"], report["events"]) == (verified["head"], verified["events"])
    other = str(tmp_path / "other.sqlite")
    assert f"head {report['head']}" in run(cli, ["--db", path, "backup", other]).output


def test_a_backup_overwrites_nothing_and_leaves_nothing(path: str, tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.write_text("precious")
    half = tmp_path / "half.part"
    half.write_text("another backup's")
    with open_readonly(path) as store:
        with pytest.raises(StoreError, match="exists already"):
            backup(store, str(there))
        with pytest.raises(StoreError, match="another backup is going on"):
            backup(store, str(tmp_path / "half"))
        with pytest.raises(StoreError, match="cannot be written"):
            backup(store, "/nonexistent/folder/copy")
    assert (there.read_text(), half.read_text()) == ("precious", "another backup's")

    class StopError(Exception):
        pass

    def stop(done: int, total: int) -> None:
        for suffix in ("-wal", "-shm", "-journal"):  # what SQLite may leave beside it
            (tmp_path / f"stopped.part{suffix}").touch()
        raise StopError

    with open_readonly(path) as store, pytest.raises(StopError):
        backup(store, str(tmp_path / "stopped"), stop)
    assert not list(tmp_path.glob("stopped*"))


def test_a_damaged_store_gives_no_backup(path: str, tmp_path: Path) -> None:
    db = apsw.Connection(path)
    db.execute("DROP TRIGGER event_no_update")
    db.execute("UPDATE event SET timestamp = 5 WHERE seq = 5")
    db.close()
    with open_readonly(path) as store, pytest.raises(StoreError, match=r"not whole: .*event 5"):
        backup(store, str(tmp_path / "copy"))
    assert not list(tmp_path.glob("copy*"))


def test_a_backup_of_an_empty_store(tmp_path: Path) -> None:
    path = str(tmp_path / "empty.sqlite")
    create_or_open(path).close()
    with open_readonly(path) as store:
        assert bytes(32) == backup(store, str(tmp_path / "copy")).verified.head
