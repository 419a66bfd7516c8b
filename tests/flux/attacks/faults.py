# SPDX-License-Identifier: LGPL-3.0
"""System calls that fail, memory that ends, locks that are held: from outside of the module.

Nothing of this is in the module: strace(1) lets a call fail as the kernel would, prlimit(1)
bounds memory, and whoever can read a file can lock it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import resource
import shutil
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.flux.attacks.instance import Attacked, family, until

ERRORS = ("EIO", "ESTALE", "ENOMEM")
_F_OFD_SETLK = 37  # fcntl.h of Linux: a lock of the open file, as SQLite's would be seen


def need_strace() -> None:
    """Skip where no process can be traced."""
    found = shutil.which("strace")
    if found is None:
        pytest.skip("no strace")
    done = subprocess.run([found, "-e", "trace=none", "true"], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("processes cannot be traced here")


@contextmanager
def failing(flux: Attacked, call: str, error: str, when: str, *paths: Path) -> Iterator[Path]:
    """Let a system call on some files fail in the module and in what it has started.

    ``when`` is strace's: ``3`` the third, ``3+`` that and all that follow, ``3+2`` every other.
    The file that is given holds a line for each call that failed.
    """
    trace = flux.folder / f"trace-{time.monotonic_ns()}"
    words = ["strace", "-f", "-o", str(trace), "-e", f"trace={call}"]
    words += ["-e", f"inject={call}:error={error}:when={when}"]
    for path in paths:
        words += ["-P", str(path)]
    for pid in family(flux.module):
        words += ["-p", str(pid)]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as tracer:
        assert tracer.stderr is not None
        said = tracer.stderr.readline()
        if "attached" not in said:
            tracer.kill()
            pytest.skip(f"strace cannot attach: {said}")
        try:
            yield trace
        finally:
            tracer.terminate()
            tracer.wait()


def failures(trace: Path) -> int:
    """Return how many calls have failed."""
    return trace.read_text("utf-8", "replace").count("(INJECTED)")


@contextmanager
def memory_of(flux: Attacked, more: int) -> Iterator[None]:
    """Let the module and what it has started have some bytes of memory more, and no more."""
    limited = []
    for pid in family(flux.module):
        pages = int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[0])
        had = resource.prlimit(pid, resource.RLIMIT_AS)
        size = pages * os.sysconf("SC_PAGE_SIZE") + more
        resource.prlimit(pid, resource.RLIMIT_AS, (size, had[1]))
        limited.append((pid, had))
    try:
        yield
    finally:
        for pid, had in limited:
            with contextlib.suppress(OSError):  # it may have ended
                resource.prlimit(pid, resource.RLIMIT_AS, had)


@contextmanager
def read_lock(path: Path, begin: int, count: int) -> Iterator[None]:
    """Hold a read lock on some bytes of a file, as anyone can who may read it."""
    with path.open("rb") as file:
        # struct flock of 64 bits: type, whence, start, length, pid
        lock = struct.pack("hhqqixxxx", fcntl.F_RDLCK, os.SEEK_SET, begin, count, 0)
        got = until(lambda: _locked(file.fileno(), lock), 5)
        assert got, "the lock cannot be had: the module holds it all the time"
        yield


def _locked(descriptor: int, lock: bytes) -> bool:
    try:
        fcntl.fcntl(descriptor, _F_OFD_SETLK, lock)
    except BlockingIOError:
        return False
    return True


@contextmanager
def shared_flock(path: Path) -> Iterator[None]:
    """Hold a shared lock of the kind that the writer's lock is of."""
    with path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        yield
