# SPDX-License-Identifier: LGPL-3.0
"""A message now and then, without which no more requests might come.

flux-core starts this module as a process, and has a relay in the broker that takes messages to
and fro. Two watchers of the relay share one handle, and each of them discards what has happened
on it before it looks for itself (libsubprocess/msgchan.c, libflux/watcher_handle.c, v0.88). So
the relay may miss that the socket to this process has room again, while it waits for just that.
It then sleeps, with all requests and all events of the journal behind it, until this process
sends something. That was seen once, in a quarter of an hour of requests of megabytes.
"""

from __future__ import annotations

from collections.abc import Callable

from joblist.ports import Timer

PERIOD = 0.2
"""Seconds between two messages; one takes 0.4 ms of this process, and 0.25 ms of the broker."""


class KeepAlive:
    """Calls ``send`` each PERIOD, from ``start`` to ``stop``; ``timer`` makes a timer."""

    def __init__(
        self, timer: Callable[[Callable[[], None]], Timer], send: Callable[[], None]
    ) -> None:
        self._timer = timer(self._due)
        self._send = send

    def start(self) -> None:
        """Begin."""
        self._timer.start(PERIOD)

    def _due(self) -> None:
        self._timer.start(PERIOD)
        self._send()

    def stop(self) -> None:
        """Send nothing any longer."""
        self._timer.stop()
