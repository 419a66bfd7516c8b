# SPDX-License-Identifier: LGPL-3.0
"""Several processes that verify a database find what one finds."""

from __future__ import annotations

import re
from pathlib import Path

import apsw
import pytest
from click.testing import CliRunner

from cli.commands.store import verify
from cli.main import cli
from eventstore.errors import StoreError
from eventstore.ingest.writer import Writer
from eventstore.maintenance.verify import verify_chain
from eventstore.maintenance.verify_process import ChainProcess
from eventstore.storage.connection import create_or_open, open_readonly
from projections.engine.verify_views import differing
from projections.engine.views import Views
from tests.support.journal_generator import EPOCH, journal

ALTERATIONS = {
    "nothing": "SELECT 1",
    "an answer": "UPDATE inactive SET answer = answer || ' ' WHERE job = 77",
    "a sum": "UPDATE stats SET failed = failed + 1",
    "an active job": "DELETE FROM fold WHERE job = (SELECT min(job) FROM fold)",
    "a row": "INSERT INTO span VALUES (0, 0, 0, 1.0, 5, 0, 0)",
    "an event": "DROP TRIGGER event_no_update; UPDATE event SET name = 'x' WHERE seq = 1234",
    "a payload": "DROP TRIGGER R_no_update; UPDATE R SET data = x'00' WHERE base IS NOT NULL",
    "a batch": "DROP TRIGGER batch_no_update; UPDATE batch SET digest = x'00' WHERE batch = 2",
}


@pytest.fixture
def path(tmp_path: Path) -> str:
    name = str(tmp_path / "jobs.sqlite")
    with create_or_open(name) as store:
        writer = Writer(store, "test", Views(store), boot="a", expected=lambda: [1, 2, 299])
        writer.append(journal(300))
        writer.append([b'{"id":-1,"events":[]}'])
        writer.append(journal(50, seed=7, start=EPOCH + 1e6, running=20))
    return name


def altered(path: str, sql: str) -> None:
    db = apsw.Connection(path)
    try:
        db.execute(sql)
    finally:
        db.close()


@pytest.mark.parametrize("what", ALTERATIONS)
def test_several_processes_find_what_one_finds(path: str, what: str) -> None:
    altered(path, ALTERATIONS[what])
    with open_readonly(path) as store:
        alone = verify_chain(store)
        with ChainProcess(path) as chain:
            assert alone == chain.result()
        if alone.fault is None:
            with store.snapshot() as db:
                one = differing(db)
                several = differing(db, path=path, processes=3, chunk=500)
            assert one == several
            assert (what == "nothing") is (one is None)
        else:
            assert what in {"an event", "a payload", "a batch"}


@pytest.mark.parametrize("what", ALTERATIONS)
def test_the_command_says_the_same(
    path: str, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    altered(path, ALTERATIONS[what])
    said = []
    for few in (10**9, 0):
        monkeypatch.setattr(verify, "FEW", few)
        words = ["verify", "--db", path, "--jobs", "2"]
        found = CliRunner().invoke(cli, words, standalone_mode=False)
        said.append((found.return_value, found.stdout, found.stderr))
    assert said[0] == said[1]
    status, stdout, stderr = said[0]
    assert (0, "") == (status, stderr) if what == "nothing" else (1, "") == (status, stdout)
    assert stdout or stderr


def test_how_far_the_chain_is(path: str) -> None:
    alone: list[tuple[int, int]] = []
    beside: list[tuple[int, int]] = []
    with open_readonly(path) as store:
        verify_chain(store, lambda done, total: alone.append((done, total)))
    with ChainProcess(path) as chain:
        chain.result(lambda done, total: beside.append((done, total)))
    assert len(alone) == 2
    assert alone == beside


def test_a_logged_head_is_looked_for(path: str) -> None:
    with ChainProcess(path, bytes(31) + b"\1") as chain:
        fault = chain.result().fault
    assert fault is not None
    assert "is not here" in fault


def test_what_the_process_cannot_open_is_told(tmp_path: Path) -> None:
    path = str(tmp_path / "none.sqlite")
    with ChainProcess(path) as chain, pytest.raises(StoreError, match=re.escape(path)):
        chain.result()
