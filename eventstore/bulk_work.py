# SPDX-License-Identifier: LGPL-3.0
"""Bulk work: many objects at once, none of which is in a reference cycle."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager


def default_processes() -> int:
    """Return how many processes share bulk work where nobody said: one a core, at most 4."""
    return min(os.cpu_count() or 1, 4)


@contextmanager
def without_collections() -> Iterator[None]:
    """Keep Python from looking for reference cycles meanwhile: it looks at every new object.

    Reference counts free what is not used any more all the same. Not to be kept on for long:
    other code of the process may make cycles.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@contextmanager
def rare_collections() -> Iterator[None]:
    """Have Python look for reference cycles when 200,000 objects were made, not 700.

    For a process that answers with some ten thousand objects, which it frees then: they would
    be looked at several times an answer.
    """
    before = gc.get_threshold()
    gc.freeze()  # what is there already stays
    gc.set_threshold(200_000)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
