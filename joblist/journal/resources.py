# SPDX-License-Identifier: LGPL-3.0
"""Follows the resource module's journal, beside the job manager's: both go to one Follower.

Behind each backlog, resource.status is asked for: it alone says which nodes are excluded. When
the stream ends, a line says how; the module may be gone, or be loaded again, so that it is
asked again. A refusal is final: only the instance owner gets the journal, on rank 0.
"""

from __future__ import annotations

import os
import syslog
import time
from collections.abc import Callable
from errno import ENODATA, ENOSYS, EPERM, EPROTO

from eventstore.events.resource_line import ResourceStatus, decode_resource, encode_end
from joblist.ports import Bus, Journal

DELAYS = (0.2, 0.5, 1.0, 2.0, 5.0)
"""Seconds between requests; the last one is repeated."""
_FINAL = frozenset((EPERM, EPROTO))
_SENTINEL = b'{"events":[]}'


class ResourceFollower:
    """Passes on what the resource module says, as lines; ``take`` stores them."""

    def __init__(self, bus: Bus, take: Callable[[bytes], None]) -> None:
        self._bus = bus
        self._take = take
        self._journal: Journal | None = None
        self._has_backlog = False
        self._delays = 0
        self._told: int | None = None  # the errno that the log has
        self._asking = bus.timer(self.start)

    def start(self) -> None:
        """Request the journal; what fails is tried again later."""
        try:
            self._has_backlog = False
            self._journal = self._bus.resource_journal(self._arrived, self._ended)
        except OSError as error:
            self._ended(error.errno or EPROTO, str(error))

    def stop(self) -> None:
        """Follow no longer."""
        self._asking.stop()
        journal, self._journal = self._journal, None
        if journal is not None:
            journal.stop()

    def _arrived(self, line: bytes) -> None:
        self._take(line)
        if not self._has_backlog and line == _SENTINEL:
            self._has_backlog, self._delays, self._told = True, 0, None
            self._bus.resource_status(self._said)

    def _said(self, payload: bytes) -> None:
        if self._journal is not None and isinstance(decode_resource(payload), ResourceStatus):
            self._take(payload)

    def _ended(self, errno: int, text: str) -> None:
        had = self._has_backlog
        self._journal, self._has_backlog = None, False
        if had:
            how = "clean" if errno == ENODATA else "lost"
            self._take(encode_end(how, time.time()))
        if errno != self._told:
            self._told = errno
            reason = "end of stream" if errno == ENODATA else text or os.strerror(errno)
            level = syslog.LOG_INFO if errno in {ENODATA, ENOSYS} else syslog.LOG_WARNING
            self._bus.log(level, f"resource journal: {reason}: {_then(errno)}")
        if errno in _FINAL:
            return
        self._asking.start(DELAYS[min(self._delays, len(DELAYS) - 1)])
        self._delays += 1


def _then(errno: int) -> str:
    """Return what is done then."""
    return "nodes are not followed" if errno in _FINAL else "asking again"
