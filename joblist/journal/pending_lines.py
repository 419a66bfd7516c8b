# SPDX-License-Identifier: LGPL-3.0
"""The pending queue: lines of the journal that are not stored yet, bounded in size.

On overflow, responses are dropped: the backlog of a new journal request has them, except for
live-only events (annotations, volatile memos). Purges are in no backlog, so they stay in the
queue unless they alone exceed the bound.
"""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import NamedTuple

from eventstore.events.journal_line import SENTINEL, Response, decode_line

_PURGE = b'{"jobs":'
"""How the payload of a job-purge-inactive event begins (job-manager/purge.c)."""

_OF_RESOURCES = (b'{"events":', b'{"R":', b'{"resource-end":')
"""How what the resource module sends begins (flux-core, resource/reslog.c and status.c)."""

_SENTINEL = b'{"id":-1,'


class Limits(NamedTuple):
    """Bounds of memory and of a transaction's length.

    ``lines`` and ``bytes``: of one batch, unless it is a single line. ``kept``: bytes of the
    whole queue.
    """

    lines: int = 2000
    bytes: int = 16 * 2**20
    kept: int = 256 * 2**20


LIMITS = Limits()


def stands_alone(line: bytes) -> bool:
    """Whether a line is in no backlog of the job manager: a purge, or the resource module's."""
    return line.startswith((_PURGE, *_OF_RESOURCES))


def is_sentinel(line: bytes) -> bool:
    """Whether a line is the sentinel, the response that ends a backlog."""
    if not line.startswith(_SENTINEL):
        return False
    message = decode_line(line)
    return isinstance(message, Response) and message.jobid == SENTINEL


class PendingLines:
    """The queue; ``size`` is its bytes.

    ``dropped``: whether responses were dropped that no complete backlog has brought again.
    """

    def __init__(self, limits: Limits = LIMITS) -> None:
        self.limits = limits
        self.size = 0
        self.dropped = False
        self._lines: deque[bytes] = deque()

    def __len__(self) -> int:
        return len(self._lines)

    def add(self, line: bytes) -> None:
        """Append a line, also beyond the bound."""
        self._lines.append(line)
        self.size += len(line)

    @property
    def fills_a_batch(self) -> bool:
        """Whether there are more bytes than one batch takes."""
        return self.size > self.limits.bytes

    @property
    def overflows(self) -> bool:
        """Whether there are more bytes than may be kept."""
        return self.size > self.limits.kept

    def batch(self) -> list[bytes]:
        """Return the first lines, as many as one batch takes; they stay in the queue."""
        size = 0
        found: list[bytes] = []
        for line in islice(self._lines, self.limits.lines):
            size += len(line)
            if found and size > self.limits.bytes:
                break
            found.append(line)
        return found

    def remove(self, count: int) -> None:
        """Remove the first ``count`` lines: they are stored."""
        for _ in range(count):
            self.size -= len(self._lines.popleft())

    def lines(self) -> list[bytes]:
        """Return all lines but sentinels, for another queue."""
        return [line for line in self._lines if not is_sentinel(line)]

    def drop(self) -> None:
        """Drop all responses but those that stand alone; those too, if they are too many."""
        kept = deque(filter(stands_alone, self._lines))
        self.dropped = self.dropped or len(kept) < len(self._lines)
        self._lines, self.size = kept, sum(map(len, kept))
        if self.overflows:
            self._lines, self.size = deque(), 0
