# SPDX-License-Identifier: LGPL-3.0
"""How much memory a piece of work takes."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any


def peak_memory(work: Callable[[], Any], runs: int = 1) -> int:
    """Return how many bytes some work takes at most, garbage included: the least of its runs.

    What another thread of this process allocates meanwhile is counted too, and what is kept
    from the first run on: where 100 KB matter, one run is not enough.
    """
    return min(_peak(work) for _ in range(runs))


def _peak(work: Callable[[], Any]) -> int:
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
