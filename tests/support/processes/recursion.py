# SPDX-License-Identifier: LGPL-3.0
"""How deep functions may call each other, and msgspec may read: another limit for a while."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def recursion_limit(levels: int) -> Iterator[None]:
    """Allow so many levels: a thousand as Python does at first, or more than jansson reads."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(levels)
    try:
        yield
    finally:
        sys.setrecursionlimit(before)
