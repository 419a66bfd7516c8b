# SPDX-License-Identifier: LGPL-3.0
"""Remembering what pure functions of short texts returned, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TypeVar

_T = TypeVar("_T")
_SHORT = 128  # characters


def remembered(most: int) -> Callable[[Callable[[str], _T]], Callable[[str], _T]]:
    """Remember up to ``most`` results; those of longer texts are worked out each time."""

    def decorate(function: Callable[[str], _T]) -> Callable[[str], _T]:
        cached = lru_cache(most)(function)

        def recall(text: str) -> _T:
            return cached(text) if len(text) <= _SHORT else function(text)

        recall.__doc__ = function.__doc__
        return recall

    return decorate
