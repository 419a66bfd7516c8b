# SPDX-License-Identifier: LGPL-3.0
"""SIGTERM, SIGINT and SIGHUP end reading, so that what was read is stored."""

from __future__ import annotations

import os
import signal
from types import FrameType
from typing import Any

__all__ = ["StopSignals"]

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class StopSignals:
    """A context in which the first of these signals is noted only: the next one ends at once.

    ``number`` is the signal that came, 0 where none did. The object can be waited for beside
    files, as by `select`: it becomes readable. Signals that were ignored (nohup) stay so.
    """

    def __init__(self) -> None:
        self.number = 0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> StopSignals:
        self._readable, self._written = os.pipe()
        for number in _SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        self._restore()
        os.close(self._readable)
        os.close(self._written)

    def fileno(self) -> int:
        """Return the descriptor that becomes readable."""
        return self._readable

    def _note(self, number: int, _: FrameType | None) -> None:
        self.number = number
        self._restore()
        os.write(self._written, b"\0")

    def _restore(self) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)
        self._before = {}
