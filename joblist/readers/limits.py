# SPDX-License-Identifier: LGPL-3.0
"""What a reader process may take, and that it ends with the module that started it."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys

GRACE = 5.0
"""Seconds of processor time beyond its limit after which a reader is ended by a signal: it is
in code that does not look at the time."""
_NICE = 10
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_MIB = 2**20


def end_with(parent: int) -> None:
    """End this process when its parent has ended, or has ended already."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def yield_to_others() -> None:
    """Let the module, and everything else on the machine, go first."""
    os.nice(_NICE)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's is for the module


class Memory:
    """Lets this process have some MiB more than it has now, and no more."""

    def __init__(self, more: int) -> None:
        self.more = more
        self._begin = _virtual()
        _, most = resource.getrlimit(resource.RLIMIT_AS)
        size = self._begin + more * _MIB
        if most != resource.RLIM_INFINITY:
            size = min(size, most)
        resource.setrlimit(resource.RLIMIT_AS, (size, most))

    @property
    def half_used(self) -> bool:
        """Whether half of that is used, which Python may not give back."""
        return _virtual() > self._begin + self.more * _MIB // 2


def _virtual() -> int:
    """Return the bytes of this process's address space, which RLIMIT_AS bounds."""
    with open("/proc/self/statm", encoding="utf-8") as file:
        return int(file.read().split()[0]) * resource.getpagesize()


def end_after(seconds: float) -> None:
    """End this process after some more seconds of processor time; 0: never."""
    signal.setitimer(signal.ITIMER_PROF, seconds + GRACE if seconds else 0.0)
