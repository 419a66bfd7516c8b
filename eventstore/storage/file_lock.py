# SPDX-License-Identifier: LGPL-3.0
"""Exclusive locks (flock) on files beside the database: the writer's, and those of consumers.

A lock goes with the process that holds it, however that ends. Its file stays, and holds the
number of the process that took the lock last.
"""

from __future__ import annotations

import fcntl
import os
import re
import time
from pathlib import Path

from eventstore.errors import Locked, StoreError
from eventstore.storage import files


class Held(Exception):  # noqa: N818 - the name is clearer without Error
    """Another process holds the lock: its number, or "unknown"."""


def acquire_writer(path: str) -> int:
    """Take the writer's lock of a database; returns a file descriptor, closing it gives it up.

    Raises Locked if another process has it, StoreError if it cannot be made.
    """
    try:
        return acquire(_writer_path(path), path)
    except Held as error:
        raise Locked(
            f"{path}: process {error} is writing it; wait for that one to end"
        ) from error
    except OSError as error:
        raise StoreError(
            f"{path}: it cannot be written ({error.strerror}); check its folder's permissions"
        ) from error


def acquire(path: str, like: str) -> int:
    """Lock the file ``path``, created with the permissions of ``like``; returns a descriptor.

    Closing that gives the lock up. Raises Held where another process holds it, OSError where
    there cannot be such a file.
    """
    files.create(path, like)
    lock = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        _lock_exclusively(lock)
    except BlockingIOError as error:
        holder = re.sub(rb"[^0-9]", b"", os.read(lock, 100)).decode()
        os.close(lock)
        raise Held(holder or "unknown") from error
    except OSError:
        os.close(lock)
        raise
    try:
        os.ftruncate(lock, 0)
        os.pwrite(lock, str(os.getpid()).encode(), 0)
    except OSError:
        pass  # the disk is full: the number is needed for messages only, the lock holds
    return lock


def _lock_exclusively(lock: int) -> None:
    for _ in range(5):
        try:
            return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.02)  # `is_being_written` of another process holds it for a moment
    return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def is_being_written(path: str) -> bool:
    """Whether a process has the database open for writing.

    The lock tells; the number in its file may be that of another process by now.
    """
    try:
        lock = os.open(_writer_path(path), os.O_RDONLY | os.O_CLOEXEC)
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
