# SPDX-License-Identifier: LGPL-3.0
"""Bulk work: many objects at once, none of which is in a reference cycle."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


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
