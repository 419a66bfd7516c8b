# SPDX-License-Identifier: LGPL-3.0
"""Makes files with the right permissions, and lasting: the database, and what belongs to it.

The database holds everybody's jobspecs, so that a new one is for its owner alone, whatever the
umask. A file that belongs to a database (locks, cursors) gets the mode, owner and group of that
database. SQLite does the same for its own files (-wal, -shm, -journal), provided that the
database exists before SQLite opens it.
"""

from __future__ import annotations

import os
import stat

_OWNER = 0o600
_GROUP = 0o060
_READ_WRITE = 0o666


def create(path: str, like: str | None = None) -> None:
    """Create an empty file, with mode 0600 or the permissions of the file ``like``.

    0600 also where ``like`` does not exist. An existing file is left as it is. Raises OSError.
    """
    try:
        create_new(path, like)
    except FileExistsError:
        return


def create_new(path: str, like: str | None = None) -> None:
    """Create a file as `create` does; raises FileExistsError where there is one."""
    # More than the owner's permissions are given last, when owner and group are the right ones.
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _OWNER)
    try:
        os.fchmod(file, _OWNER)  # a umask may have taken some away
        if like is not None:
            _inherit(file, like)
    finally:
        os.close(file)


def sync(path: str) -> None:
    """Have a file, or a folder's list of files, survive a loss of power. Raises OSError."""
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def _inherit(file: int, like: str) -> None:
    try:
        wanted = os.stat(like)
    except FileNotFoundError:
        return
    # The owner can always write, since the program does; nobody can execute it.
    mode = stat.S_IMODE(wanted.st_mode) & _READ_WRITE | _OWNER
    if not _give_to(file, wanted):
        mode &= ~_GROUP  # another group than that of ``like`` gets nothing
    os.fchmod(file, mode)


def _give_to(file: int, wanted: os.stat_result) -> bool:
    """Set owner and group as far as permitted; returns whether the group is the wanted one."""
    # Root works on a database of the user flux, who needs the file afterwards.
    for owner in (wanted.st_uid, -1):
        try:
            os.fchown(file, owner, wanted.st_gid)
        except OSError:  # not permitted, or the file system has no owners
            continue
        return True
    return os.fstat(file).st_gid == wanted.st_gid
