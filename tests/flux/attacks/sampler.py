# SPDX-License-Identifier: LGPL-3.0
"""Memory, descriptors and life of the module's process and of those that it started."""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path

from tests.flux.attacks.instance import children, family

PERIOD = 0.05
"""Seconds between two looks at the memory."""
_PAGE = os.sysconf("SC_PAGE_SIZE")


def memory(pid: int) -> int:
    """Return a process's resident memory in bytes, 0 where it is gone."""
    with contextlib.suppress(OSError):
        return int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1]) * _PAGE
    return 0


def descriptors(pid: int) -> int:
    """Return how many files a process and those that it started have open."""
    found = 0
    for member in family(pid):
        with contextlib.suppress(OSError):
            found += len(os.listdir(f"/proc/{member}/fd"))
    return found


class Sampler(threading.Thread):
    """Looks at a process until told to stop; it is for use as a context manager.

    ``peak``: its own memory, ``readers_peak``: the most that one of those had that it
    started, ``all_peak``: all together (pages that they share are counted more than once),
    each in bytes. ``most_files``: descriptors of all. ``broker_peak``: of the broker, which
    keeps what clients do not read.
    """

    def __init__(self, pid: int, broker: int, limit: int) -> None:
        super().__init__(daemon=True)
        self._pid, self._broker, self._limit = pid, broker, limit
        self._stopped = threading.Event()
        self.over_limit = threading.Event()  # the machine is in danger: no more of this
        self.peak = self.readers_peak = self.all_peak = self.most_files = 0
        self.broker_peak = 0

    def run(self) -> None:
        turn = 0
        while not self._stopped.wait(PERIOD):
            own = memory(self._pid)
            others = [memory(pid) for child in children(self._pid) for pid in family(child)]
            broker = memory(self._broker)
            self.peak = max(self.peak, own)
            self.readers_peak = max(self.readers_peak, *others, 0)
            self.all_peak = max(self.all_peak, own + sum(others))
            self.broker_peak = max(self.broker_peak, broker)
            if own + sum(others) > self._limit or broker > self._limit:
                self.over_limit.set()
            if turn % 4 == 0:
                self.most_files = max(self.most_files, descriptors(self._pid))
            turn += 1

    def __enter__(self) -> Sampler:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self.join()
