# SPDX-License-Identifier: LGPL-3.0
"""How far work is that takes long: a bar on a terminal, else a line now and then."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from cli.output.shown import shown
from cli.output.streams import say

__all__ = ["progress"]

_DELAY = 1.0
"""Seconds that work takes before the bar is shown."""
_FIRST_LINE, _NEXT_LINE = 10.0, 30.0
"""Seconds until the first line, and between two, where standard error is no terminal."""


@contextmanager
def progress(label: str) -> Iterator[Callable[[int, int], None]]:
    """Show on standard error how far some work is, if it takes long enough to ask.

    Yields a function to call with (done, total), in any unit.
    """
    if not sys.stderr.isatty():
        yield _lines(label)
        return
    started = time.monotonic()
    bar: Any = None

    def advance(done: int, total: int) -> None:
        nonlocal bar
        if bar is None and time.monotonic() - started > _DELAY:
            bar = click.progressbar(length=total, label=shown(label), file=sys.stderr)
            bar.__enter__()
        if bar is not None:
            bar.length = total
            bar.update(done - bar.pos)

    try:
        yield advance
    finally:
        if bar is not None:
            bar.render_finish()


def _lines(label: str) -> Callable[[int, int], None]:
    """Return what says a line from time to time."""
    due = time.monotonic() + _FIRST_LINE

    def advance(done: int, total: int) -> None:
        nonlocal due
        if time.monotonic() < due:
            return
        due = time.monotonic() + _NEXT_LINE
        # The size of a pipe is not known: 0.
        how_far = f"{100 * done / total:.0f} %" if total > 0 else "still reading"
        say(f"flux-jobdb: {label}: {how_far}", err=True)

    return advance
