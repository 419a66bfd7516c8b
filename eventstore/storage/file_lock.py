# SPDX-License-Identifier: LGPL-3.0
"""Exclusive locks (flock) on files beside the database: the writer's, and those of consumers.

A lock goes with the process that holds it, however that ends. Its file stays, and holds the
number of the process that took the lock last.

Whoever can open a file can lock it, and so keep others from locking it. So a lock file is open
to those only who may write the database, not to those who may read it.
"""

from __future__ import annotations

import fcntl
import os
import re
import stat
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from eventstore.errors import Locked, StoreError
from eventstore.storage import files

_LOCKS = Path("/proc/locks")


class Held(Exception):  # noqa: N818 - the name is clearer without Error
    """Another process holds the lock: its number, or "unknown".

    ``shared``: it is a shared lock, which this program does not keep: another program's.
    """

    def __init__(self, holder: str, *, shared: bool) -> None:
        super().__init__(holder)
        self.shared = shared


def acquire_writer(path: str) -> int:
    """Take the writer's lock of a database; returns a file descriptor, closing it gives it up.

    Raises Locked if another process has it, StoreError if it cannot be made.
    """
    lock = _writer_path(path)
    try:
        return acquire(lock, path)
    except Held as error:
        if error.shared:
            raise Locked(
                f"{path}: process {error} has locked {lock} and does not write it; end that "
                "process"
            ) from error
        raise Locked(
            f"{path}: process {error} is writing it; wait for that one to end"
        ) from error
    except OSError as error:
        raise StoreError(
            f"{path}: it cannot be written ({error.strerror}); check its folder's permissions"
        ) from error


def acquire(path: str, like: str) -> int:
    """Lock the file ``path``, open to those who may write ``like``; returns a descriptor.

    Closing that gives the lock up. Raises Held where another process holds it, OSError where
    there cannot be such a file.
    """
    files.create(path, like)
    lock = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        _close_to_readers(lock)
        _lock_exclusively(lock)
    except BlockingIOError as error:
        shared = _is_free(lock)
        holder = _holder(lock) or ("" if shared else _last_holder(lock))
        os.close(lock)
        raise Held(holder or "unknown", shared=shared) from error
    except OSError:
        os.close(lock)
        raise
    try:
        os.ftruncate(lock, 0)
        os.pwrite(lock, str(os.getpid()).encode(), 0)
    except OSError:
        pass  # the disk is full: the number is needed for messages only, the lock holds
    return lock


def _close_to_readers(lock: int) -> None:
    """Let nobody open a lock file who may not write it."""
    mode = stat.S_IMODE(os.fstat(lock).st_mode)
    wanted = mode & ~sum(4 << n for n in (0, 3) if not mode & (2 << n))
    if wanted != mode:
        with suppress(PermissionError):  # it is another user's, whose next writer does it
            os.fchmod(lock, wanted)


def _lock_exclusively(lock: int) -> None:
    for _ in range(5):
        try:
            return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.02)  # `is_being_written` of another process holds it for a moment
    return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _is_free(lock: int) -> bool:
    """Whether nobody holds a lock of the file exclusively."""
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    fcntl.flock(lock, fcntl.LOCK_UN)
    return True


def _holder(lock: int) -> str:
    """Return the number of a process that holds a lock of a file; "" if that is not known."""
    found = [number for _, number in _holders(os.fstat(lock))]
    return found[0] if found else ""


def _last_holder(lock: int) -> str:
    return re.sub(rb"[^0-9]", b"", os.pread(lock, 100, 0)).decode()


def _holders(file: os.stat_result) -> Iterator[tuple[str, str]]:
    """Yield READ or WRITE, and the process, for each flock of a file that the system lists.

    A line is ``N: FLOCK ADVISORY WRITE PID MAJOR:MINOR:INODE 0 EOF`` (proc_locks(5)).
    """
    device = f"{os.major(file.st_dev):02x}:{os.minor(file.st_dev):02x}:{file.st_ino}"
    try:
        # UTF-8 is built in: for others, Python reads a file, which this user may not open.
        lines = _LOCKS.read_text("utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        words = line.split()
        if words[1:2] == ["FLOCK"] and words[5:6] == [device] and int(words[4]) > 0:
            yield words[3], words[4]


def is_being_written(path: str) -> bool:
    """Whether a process has the database open for writing.

    The lock decides: the process number in its file may be outdated. Users who may only read
    the database cannot open that file: for them, /proc/locks decides.
    """
    name = _writer_path(path)
    try:
        lock = os.open(name, os.O_RDONLY | os.O_CLOEXEC)
    except PermissionError:
        return any(kind == "WRITE" for kind, _ in _holders(os.stat(name)))
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def _writer_path(path: str) -> str:
    return f"{Path(path).resolve()}-lock"
