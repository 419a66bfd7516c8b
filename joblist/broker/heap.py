# SPDX-License-Identifier: LGPL-3.0
"""Memory of large messages goes back to the system when they are gone.

When the C library's malloc has freed a large block once, it takes blocks of that size from its
heap from then on (M_MMAP_THRESHOLD in mallopt(3)). What is above such a block keeps the heap
from shrinking: a guest's requests of some megabytes would leave the process as large as they
made it, and larger each time. To have each of them mapped by itself would make them slower.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable

from joblist.ports import Timer

LARGE = 256 * 2**10
"""Bytes of a message after which memory is given back."""
DELAY = 1.0
"""Seconds after the first of them: it takes some milliseconds, and others are to come."""


def give_back() -> None:
    """Give free memory of the heap back to the system.

    Does nothing where the C library cannot (musl, macOS).
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


class Heap:
    """Gives memory back some time after large messages; ``timer`` makes a timer.

    ``held``: whether there are messages that are kept, since they are not answered yet.
    """

    def __init__(
        self, timer: Callable[[Callable[[], None]], Timer], held: Callable[[], bool]
    ) -> None:
        self._timer = timer(self._trim)
        self._held = held
        self._due = False

    def message(self, size: int) -> None:
        """Take note of a message of some bytes."""
        if size >= LARGE and not self._due:
            self._due = True
            self._timer.start(DELAY)

    def _trim(self) -> None:
        self._due = self._held()
        if self._due:
            self._timer.start(DELAY)
        give_back()

    def close(self) -> None:
        """Give nothing back any longer."""
        self._timer.stop()
