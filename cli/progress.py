# SPDX-License-Identifier: LGPL-3.0
"""A progress bar on standard error for work that takes long."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

__all__ = ["progress"]

_DELAY = 1.0
"""Seconds that work takes before the bar is shown."""


@contextmanager
def progress(label: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar for work that takes longer than a second, on a terminal only.

    Yields a function to call with (done, total), in any unit.
    """
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    started = time.monotonic()
    bar: Any = None

    def advance(done: int, total: int) -> None:
        nonlocal bar
        if bar is None and time.monotonic() - started > _DELAY:
            bar = click.progressbar(length=total, label=label, file=sys.stderr)
            bar.__enter__()
        if bar is not None:
            bar.length = total
            bar.update(done - bar.pos)

    try:
        yield advance
    finally:
        if bar is not None:
            bar.render_finish()
