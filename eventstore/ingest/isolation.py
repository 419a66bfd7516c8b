# SPDX-License-Identifier: LGPL-3.0
"""Isolating lines that cannot be stored, so that the others of their batch are.

A line on which this program or a site's projection raises, or which SQLite does not take, must
not keep others from being stored: its batch is halved until that line is alone, and it is kept
as a reject. A store that fails (StoreError) is another matter: no line is rejected for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from eventstore.errors import StoreError, Unfit
from eventstore.ingest.writer import Writer

Report = Callable[[bytes, Exception, bool], None]
"""Called with a line, what it raised (being handled), and whether it is kept as a reject."""


def append_isolating(
    writer: Writer, lines: Sequence[bytes], report: Report
) -> Iterator[Sequence[bytes]]:
    """Append lines, in one transaction if possible; yields what is stored by then.

    ``report`` is called for each line that is set aside. Raises StoreError where the store
    fails: what was yielded before is stored.
    """
    try:
        writer.append(lines)
    except Exception as error:
        if _store_failed(error):
            raise
        if len(lines) == 1:
            report(lines[0], error, _set_aside(writer, lines[0], error))
            yield lines
            return
    else:
        yield lines
        return
    middle = len(lines) // 2
    yield from append_isolating(writer, lines[:middle], report)
    yield from append_isolating(writer, lines[middle:], report)


def _set_aside(writer: Writer, line: bytes, error: Exception) -> bool:
    """Keep a line as a reject; returns False where SQLite does not take it either."""
    try:
        writer.set_aside(line, f"cannot be stored: {error!r:.500}")
    except Unfit:
        return False
    return True


def _store_failed(error: Exception) -> bool:
    """Whether the store failed, so that another attempt may work.

    False for data that SQLite never takes, and for faults of this program.
    """
    return isinstance(error, StoreError) and not isinstance(error, Unfit)
