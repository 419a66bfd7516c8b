# SPDX-License-Identifier: LGPL-3.0
"""Faults for one request at a time, in the module's thread or in a reader that has these.

A request says by a member that job-list ignores what is to fail: ``"fault": [KIND, NUMBER]``.
``read``: that call of the file system; ``memory read``: the same, as if memory had ended there;
``heap``: SQLite gets so many times 256 bytes more; ``memory``: the process so many KiB.
"""

from __future__ import annotations

import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw

from tests.reliability.torture.faults import Faults, _Disk, _injected

KINDS = ("read", "memory read", "heap", "memory")


class Disk(Faults):
    """Which call fails, and how; ``calls`` since `begin`."""

    def begin(self, kind: str = "", target: int = 0) -> None:
        self.kind, self.target, self.calls, self.failed = kind, target, 0, 0

    def due(self, *, writing: bool) -> bool:
        if super().due(writing=writing):
            if self.kind == "memory read":
                raise _injected(apsw.NoMemError("out of memory"))
            return True
        return False


@contextmanager
def fault(disk: Disk, kind: str, number: int) -> Iterator[None]:
    """Have something fail inside."""
    limits = resource.getrlimit(resource.RLIMIT_AS)
    if kind == "heap":
        apsw.hard_heap_limit(apsw.memory_used() + number * 2**8)
    elif kind == "memory":
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
        size = pages * resource.getpagesize() + number * 2**10
        resource.setrlimit(resource.RLIMIT_AS, (size, limits[1]))
    else:
        disk.begin(kind, number)
    try:
        yield
    finally:
        disk.begin()
        apsw.hard_heap_limit(0)
        resource.setrlimit(resource.RLIMIT_AS, limits)


def install(worker: Any) -> None:
    """Have a reader open its database for each request, on a disk with faults."""
    disk = Disk("read")
    worker.disk = _Disk(disk, "failing")
    answer = worker.Reader._answer

    def failing(reader: Any, ask: Any, text: bytes | None) -> None:
        reader._close()
        found = json.loads(text or b"{}").get("fault")
        if found is None:
            answer(reader, ask, text)
            return
        with fault(disk, *found):
            answer(reader, ask, text)

    worker.Reader._answer = failing
