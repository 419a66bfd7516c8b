# SPDX-License-Identifier: LGPL-3.0
"""Allocations of Python's that fail. Not every build of Python can: ``need_failing``."""

from __future__ import annotations

import gc
from collections.abc import Callable
from importlib import import_module

import pytest


def need_failing() -> None:
    """Skip where no allocation can be made to fail."""
    pytest.importorskip("_testcapi")


def fails_at(number: int, step: Callable[[], object], together: int = 1) -> bool:
    """Call a function, its ``number``-th allocation failing, and so many ``together``.

    Returns whether it raised MemoryError.
    """
    allocations = import_module("_testcapi")
    failed = False
    gc.disable()
    allocations.set_nomemory(number, number + together)
    try:
        step()
    except MemoryError:
        failed = True
    finally:
        allocations.remove_mem_hooks()
        gc.enable()
    return failed
