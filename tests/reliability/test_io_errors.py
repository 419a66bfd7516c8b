# SPDX-License-Identifier: LGPL-3.0
"""Failing disks: a clear message, no committed event lost, and a retry succeeds."""

from __future__ import annotations

import errno
import os
import shutil
import sys
from pathlib import Path

import apsw
import pytest

from eventstore.errors import Locked, StoreError
from eventstore.maintenance.backup import backup
from eventstore.maintenance.recover import recover
from eventstore.storage.connection import create_or_open, open_readonly
from eventstore.storage.file_lock import is_being_written
from tests.reliability.torture.faults import (
    KINDS,
    Faults,
    _injected,
    calls_of,
    failing,
    try_calls,
)

JOBS = 6


@pytest.mark.parametrize("kind", KINDS)
def test_each_call_may_fail(tmp_path: Path, kind: str) -> None:
    calls = calls_of(tmp_path, JOBS)
    targets = list(range(1 + KINDS.index(kind), calls, calls // 12))
    tried = try_calls(tmp_path, JOBS, targets, (kind,))
    assert len(targets) == tried.runs == tried.reported
    assert any(
        hint in message
        for message in tried.messages
        for hint in ("check the disk, then repeat", "no space left; free some")
    )


def test_injected_errors_are_not_printed_but_others_are(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """SQLite carries on in spite of some: APSW then reports them by Python's hooks."""
    calls = calls_of(tmp_path, 2)
    try_calls(tmp_path, 2, list(range(1, calls, calls // 20)), ("EIO",))
    assert "" == capfd.readouterr().err
    with failing(Faults("EIO")):
        for error in (_injected(apsw.IOError("ours")), apsw.IOError("of a real disk")):
            sys.excepthook(type(error), error, None)
    assert "apsw.IOError: of a real disk\n" == capfd.readouterr().err


def full(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_lock_needs_no_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(tmp_path / "jobs.sqlite")
    create_or_open(path).close()
    monkeypatch.setattr(os, "pwrite", full)
    assert not is_being_written(path)
    with create_or_open(path):
        assert is_being_written(path)
        assert b"" == Path(f"{path}-lock").read_bytes()  # not whom it was of before
        with pytest.raises(Locked, match=r"process (\d+|unknown) is writing it"):
            create_or_open(path)


def test_copies_that_cannot_be_made_say_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, to = str(tmp_path / "jobs.sqlite"), str(tmp_path / "copy.sqlite")
    create_or_open(path).close()
    monkeypatch.setattr(os, "link", full)
    with open_readonly(path) as store, pytest.raises(StoreError, match="No space left"):
        backup(store, to)
    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(StoreError, match="No space left"):
        recover(path, to)
    assert not [file for file in tmp_path.iterdir() if "copy" in file.name]
