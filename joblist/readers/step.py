# SPDX-License-Identifier: LGPL-3.0
"""A step of the pool's work: where memory ends in its midst, everything is begun anew."""

from __future__ import annotations

from collections.abc import Callable


class Step:
    """Something that is done to its end; if memory ends before, ``start_over`` is called.

    If memory ends in that, too, the next step begins with it. Nothing here needs memory itself.
    """

    __slots__ = ("_is_undone", "_start_over")

    def __init__(self, start_over: Callable[[], None]) -> None:
        self._start_over = start_over
        self._is_undone = False  # a step has ended in its midst, and nothing was begun anew

    def __enter__(self) -> None:
        if self._is_undone:
            self._start_over()
            self._is_undone = False

    def __exit__(self, _: object, error: BaseException | None, __: object) -> bool:
        if not isinstance(error, MemoryError):
            return False
        self._is_undone = True
        try:  # not suppress(), which would need memory for itself
            self._start_over()
            self._is_undone = False
        except MemoryError:
            pass
        return True
