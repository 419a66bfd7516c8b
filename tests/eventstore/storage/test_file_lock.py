# SPDX-License-Identifier: LGPL-3.0
"""The lock file: who holds it is named, and who may only read the database cannot."""

from __future__ import annotations

import fcntl
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from eventstore.errors import Locked, StoreError
from eventstore.storage import file_lock
from eventstore.storage.connection import create_or_open
from eventstore.storage.file_lock import is_being_written

_HOLD = """
import fcntl, sys
file = open(sys.argv[1])
fcntl.flock(file, int(sys.argv[2]))
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def held(lock: Path, kind: int) -> Iterator[int]:
    """Let another process hold a lock; gives its number."""
    words = [sys.executable, "-c", _HOLD, str(lock), str(kind)]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        assert "held\n" == process.stdout.readline()
        yield process.pid
        process.communicate("")


@pytest.fixture
def path(tmp_path: Path) -> str:
    found = str(tmp_path / "jobs.sqlite")
    create_or_open(found).close()
    return found


def refused(path: str) -> str:
    with pytest.raises(Locked) as caught:
        create_or_open(path)
    return str(caught.value)


def listed() -> bool:
    return Path("/proc/locks").exists()


def test_who_shares_a_lock_is_named_and_not_who_wrote_last(path: str) -> None:
    lock = Path(f"{path}-lock")
    assert str(os.getpid()) == lock.read_text("ascii")
    with held(lock, fcntl.LOCK_SH) as other:
        words = f"process {other if listed() else 'unknown'} has locked {lock} and does not"
        assert f"{path}: {words} write it; end that process" == refused(path)
        assert not is_being_written(path)
    create_or_open(path).close()


def test_a_database_without_a_lock_file_is_not_being_written(path: str) -> None:
    Path(f"{path}-lock").unlink()
    assert not is_being_written(path)
    assert not is_being_written(f"{path}/none")


def test_who_writes_is_named_whatever_the_file_says(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with held(Path(f"{path}-lock"), fcntl.LOCK_EX) as other:
        assert is_being_written(path)
        if listed():
            assert f"process {other} is writing it" in refused(path)
        monkeypatch.setattr(file_lock, "_LOCKS", Path("/none"))
        assert f"process {os.getpid()} is writing it" in refused(path)  # as the file says


@pytest.mark.parametrize(
    ("entry", "holder"),
    [
        ("1: FLOCK  ADVISORY  WRITE 1 {} 0 EOF", "1"),
        ("9: FLOCK  ADVISORY  WRITE 77 {} 0 EOF", "77"),
        ("9: FLOCK  ADVISORY  READ 77 {0} 0 EOF\n9: FLOCK  ADVISORY  READ 88 {0} 0 EOF", "77"),
        # Of another namespace, another kind, another file: the one that the file says.
        ("1: FLOCK  ADVISORY  WRITE 0 {} 0 EOF", ""),
        ("1: FLOCK  ADVISORY  WRITE -1 {} 0 EOF", ""),
        ("1: POSIX  ADVISORY  WRITE 77 {} 0 EOF", ""),
        ("1: FLOCK  ADVISORY  WRITE 77 {}1 0 EOF", ""),
        ("1: FLOCK", ""),
        ("", ""),
    ],
)
def test_who_holds_a_lock_is_what_the_system_lists(
    path: str, entry: str, holder: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found = os.stat(f"{path}-lock")
    device = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
    listing = tmp_path / "locks"
    listing.write_text(f"1: POSIX ADVISORY READ 5 00:01:1 0 EOF\n{entry.format(device)}\n")
    with create_or_open(path):
        monkeypatch.setattr(file_lock, "_LOCKS", listing)
        assert f"process {holder or os.getpid()} is writing it" in refused(path)


def test_a_lock_that_cannot_be_made_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(file_lock.files, "create", refuse)
    words = r"cannot be written \(Permission denied\); check its folder's permissions"
    with pytest.raises(StoreError, match=words):
        create_or_open(str(tmp_path / "jobs.sqlite"))


@pytest.mark.parametrize(("tries", "taken"), [(0, True), (1, True), (5, True), (6, False)])
def test_a_lock_that_is_held_for_a_moment_is_waited_for(
    path: str, tries: int, taken: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As others do who ask whether it is held."""
    other = os.open(f"{path}-lock", os.O_RDWR)
    waited: list[float] = []

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) >= tries:
            fcntl.flock(other, fcntl.LOCK_UN)

    monkeypatch.setattr(file_lock.time, "sleep", sleep)
    if tries:
        fcntl.flock(other, fcntl.LOCK_SH)
    try:
        if taken:
            create_or_open(path).close()
        else:
            assert "has locked" in refused(path)
    finally:
        os.close(other)
    assert [0.02] * min(tries, 5) == waited


@pytest.mark.parametrize(
    ("mode", "wanted"),
    [(0o600, 0o600), (0o640, 0o600), (0o644, 0o600), (0o660, 0o660), (0o664, 0o660)],
    ids=oct,
)
def test_a_lock_file_is_for_those_who_may_write(path: str, mode: int, wanted: int) -> None:
    lock = Path(f"{path}-lock")
    os.chmod(path, mode)
    for new in (True, False):
        if new:
            lock.unlink()
        else:
            lock.chmod(mode)  # as former versions made it
        create_or_open(path).close()
        assert wanted == stat.S_IMODE(lock.stat().st_mode)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")
def test_who_may_only_read_knows_of_the_writer_and_cannot_stop_one(path: str) -> None:
    os.chmod(path, 0o644)
    for folder in Path(path).parents:  # however deep pytest has put it
        mode = folder.stat().st_mode
        if not mode & 0o001:
            folder.chmod(mode | 0o055)

    def as_nobody() -> tuple[bool, bool]:
        os.seteuid(65534)
        try:
            able = True
            try:
                os.close(os.open(f"{path}-lock", os.O_RDONLY))
            except PermissionError:
                able = False
            return is_being_written(path), able
        finally:
            os.seteuid(0)

    create_or_open(path).close()
    assert (False, False) == as_nobody()
    with create_or_open(path):
        assert (listed(), False) == as_nobody()
