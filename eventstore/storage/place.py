# SPDX-License-Identifier: LGPL-3.0
"""The place of a database: what may be there, and whether it still is what was opened.

SQLite opens its files by their names once, and goes on with what it has, whatever becomes of
the names: what is appended to a file that was moved or deleted is lost to whoever opens its
path (https://www.sqlite.org/howtocorrupt.html). So a writer compares before each batch.
"""

from __future__ import annotations

import ctypes
import os
import stat
from collections.abc import Callable
from pathlib import Path

from eventstore.errors import Gone, LogGone, StoreError

ALLOWED = "FLUX_JOBDB_NETWORK_FILESYSTEM"
"""The environment variable that lets commands write on a network file system: 1."""

NETWORK = {
    0x6969: "NFS",
    0x517B: "SMB",
    0xFF534D42: "CIFS",
    0xFE534D42: "SMB2",
    0x0BD00BD0: "Lustre",
    0x47504653: "GPFS",
    0x00C36400: "Ceph",
    0x19830326: "BeeGFS",
    0xAAD7AAEA: "PanFS",
    0x20030528: "OrangeFS",
    0x5346414F: "AFS",
    0x6B414653: "AFS",
    0x01161970: "GFS2",
    0x7461636F: "OCFS2",
}
"""File systems that several hosts may share, by `statfs`'s f_type (statfs(2), magic.h and the
file systems' own headers). The log's shared memory works within one host only
(https://www.sqlite.org/wal.html)."""

_KINDS = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
)
_STATFS = 256  # bytes, more than struct statfs has

Identity = tuple[int, int]
"""A file's device and inode."""


def check_name(path: str) -> None:
    """Refuse a name that SQLite does not take; raises StoreError."""
    try:
        path.encode()
    except UnicodeEncodeError:
        raise StoreError(f"{path!a}: its name is not UTF-8; name another file") from None


def check(path: str) -> None:
    """Refuse what no database can be made of, before anything is left beside it.

    Raises StoreError: there is no folder, or something that is no file.
    """
    check_name(path)
    real = Path(path).resolve()
    if not real.parent.is_dir():
        raise StoreError(f"{path}: its folder does not exist; make it first")
    try:
        mode = real.stat().st_mode
    except OSError:
        return  # there is nothing; or it cannot be read, which opening it says
    for is_kind, name in _KINDS:
        if is_kind(mode):
            raise StoreError(f"{path}: {name}, no database; name a file")


def check_file_system(path: str, kind_of: Callable[[str], int] | None = None) -> None:
    """Refuse to write on a file system that hosts may share; raises StoreError.

    ``kind_of`` returns statfs's f_type of a folder. `ALLOWED` in the environment lets it pass.
    """
    kind = (kind_of or f_type)(str(Path(path).resolve().parent))
    name = NETWORK.get(kind & 0xFFFFFFFF)
    if name is not None and os.environ.get(ALLOWED) != "1":
        raise StoreError(
            f"{path}: on a network file system ({name}), where two hosts can damage it; name "
            f"a local one, or allow it: network_filesystem in [job-list], {ALLOWED}=1 for "
            "commands"
        )


def f_type(folder: str) -> int:
    """Return the kind of the file system that a folder is on, 0 if that cannot be known."""
    result = ctypes.create_string_buffer(_STATFS)
    try:
        failed = ctypes.CDLL(None).statfs(os.fsencode(folder), result)
    except (OSError, AttributeError):  # no such function here
        return 0
    return 0 if failed else ctypes.c_long.from_buffer(result).value


class Place:
    """The files of an open database, as they were when it was opened.

    ``path`` is the database's name, ``lock`` the descriptor of its lock file.
    """

    def __init__(self, path: str, lock: int) -> None:
        self._path = path
        real = str(Path(path).resolve())
        self._beside = [f"{real}{suffix}" for suffix in ("-wal", "-shm")]
        self._lock = f"{real}-lock"
        self._opened = _identity(path)
        held = os.fstat(lock)
        self._known = [*map(_identity, self._beside), (held.st_dev, held.st_ino)]

    def check(self) -> None:
        """Raise Gone, or LogGone, if the files are no longer those that were opened."""
        now = _identity(self._path)
        if now != self._opened:
            what = "is no longer there" if now is None else "is another file now"
            raise Gone(
                f"{self._path}: {what}; put the old one back, or load the module again to go "
                "on with what is there"
            )
        names = (*self._beside, self._lock)
        for name, known in zip(names, self._known, strict=True):
            if _identity(name) != known:
                raise LogGone(f"{name}: was deleted or replaced while it was in use")


def _identity(path: str) -> Identity | None:
    """Return a file's device and inode, None if it cannot be found."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino
