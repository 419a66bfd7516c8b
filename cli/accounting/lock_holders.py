# SPDX-License-Identifier: LGPL-3.0
"""Which processes hold locks on an SQLite database, by /proc/locks of Linux (proc(5))."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["holders"]

_FILES = ("", "-wal", "-shm")  # where SQLite takes its locks, in WAL mode or not
_LOCKS = Path("/proc/locks")


def holders(path: str) -> str:
    """Name the processes that hold locks on a database; "another process" where unknown."""
    places = {_place(path + suffix) for suffix in _FILES if Path(path + suffix).exists()}
    try:
        lines = _LOCKS.read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    pids = {
        words[4]
        for words in map(str.split, lines)
        if words[1] != "->" and words[5] in places  # "->" marks a process that waits
    }
    # Processes of other PID namespaces are shown as 0, open-file-description locks as -1.
    others = sorted((pids - {str(os.getpid())} or pids) - {"0", "-1"}, key=int)
    return " and ".join(map(_named, others)) or "another process"


def _place(path: str) -> str:
    """Return a file as /proc/locks names it: MAJOR:MINOR:INODE, the former two in hex."""
    status = Path(path).stat()
    return f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"


def _named(pid: str) -> str:
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        command = b""
    words = command.decode(errors="replace").split("\0")
    text = " ".join(words).strip()
    return f"process {pid} ({text[:60]})" if text else f"process {pid}"
