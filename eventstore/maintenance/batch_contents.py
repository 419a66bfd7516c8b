# SPDX-License-Identifier: LGPL-3.0
"""What a batch appended, read back to be verified: each row's own columns are checked.

The digest tells that a batch differs, a row's columns may tell which row it is. They also tell
what the digest cannot: values that it treats as the same, and other ways to keep the same text.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import apsw

from eventstore.events import digest_chain
from eventstore.events.compression import (
    DIGITS,
    FORMS,
    SHORTEST,
    WHOLE,
    has_digits_form,
    inflate,
    lengthen_all,
)
from eventstore.events.journal_line import Entry, decode_event
from eventstore.events.records import Notice
from eventstore.storage.sql import fetch, statements

SQL = statements(__file__)


class BatchFault(Exception):  # noqa: N818 - verify.py catches it
    """A batch is not as it was appended; the message names it."""


class BatchContents(NamedTuple):
    """The rows of a batch: its events, and what else it has (``others.events`` is empty)."""

    events: digest_chain.EventColumns
    others: digest_chain.Contents


def read_batch(db: apsw.Connection, batch: int, first: int, last: int) -> BatchContents:
    """Return the rows of a batch, which has the seqs ``first`` to ``last``.

    Raises BatchFault if they cannot be read, or cannot be what was appended.
    """
    try:
        events = _events(fetch(db, SQL["events_of_batch"], (first, last)), batch)
        others = digest_chain.Contents(
            (),
            _payloads(db, "jobspec", batch, (first, last)),
            _payloads(db, "R", batch, (first, last)),
            [_notice(row, batch) for row in fetch(db, SQL["notices_of_batch"], (first, last))],
            [_reject(row, batch) for row in fetch(db, SQL["rejects_of_batch"], (batch,))],
        )
    except (apsw.Error, UnicodeDecodeError) as error:
        raise BatchFault(
            f"batch {batch} (seq {first} to {last}): cannot be read: {error}"
        ) from error
    return BatchContents(events, others)


def _events(rows: list[Any], batch: int) -> digest_chain.EventColumns:
    """Return the columns of a batch's events, checked."""
    columns = list(zip(*rows, strict=True)) or [()] * 10
    seqs, _, jobids, streams, replayed, anchors, times, names, forms, kept = columns
    types = [set(map(type, column)) for column in (jobids, streams, times, names, kept)]
    if types == _USUAL_TYPES and set(anchors) == {None} and _REPLAYED.issuperset(replayed):
        # Nothing is left to check but forms that are not the usual one.
        unusual = rows if set(forms) != {DIGITS} else []
        unusual = [row for row in unusual if row[8] != DIGITS]
    else:
        unusual = rows
    for row in unusual:
        _check(row, f"batch {batch}: event {row[0]}")
    texts = lengthen_all(forms, times, names, kept)
    return digest_chain.EventColumns(seqs, jobids, streams, replayed, anchors, texts)


_USUAL_TYPES = [{int}, {int}, {float}, {str}, {bytes}]
_REPLAYED = frozenset((0, 1))


def _check(row: Any, where: str) -> None:  # noqa: ANN401
    """Raise BatchFault where an event's columns cannot be what was appended."""
    seq, _, jobid, stream, replayed, anchor, timestamp, name, form, data = row
    if jobid is None:
        raise BatchFault(f"{where}: its job is missing")
    if (type(jobid), type(stream)) != (int, int):
        raise BatchFault(f"{where}: its job's columns have another type")
    if replayed not in _REPLAYED:
        raise BatchFault(f"{where}: its column replayed was changed")
    # What it stands behind was stored before it.
    if anchor is not None and not (isinstance(anchor, int) and 0 <= anchor < seq):
        raise BatchFault(f"{where}: its column anchor was changed")
    if not isinstance(data, bytes) or form not in FORMS:
        raise BatchFault(f"{where}: its bytes were changed")
    if not isinstance(timestamp, float) or not isinstance(name, str):
        raise BatchFault(f"{where}: its columns differ from its bytes")
    if form == SHORTEST and has_digits_form(timestamp):
        raise BatchFault(f"{where}: its column form was changed")
    if form != WHOLE:
        return
    found = decode_event(data)
    # Bytes that are no event are compared with their check, later.
    if isinstance(found, Entry) and (found.timestamp, found.name) != (timestamp, name):
        raise BatchFault(f"{where}: its columns differ from its bytes")


def _payloads(
    db: apsw.Connection, table: str, batch: int, window: tuple[int, int]
) -> list[tuple[int, bytes]]:
    found = []
    for seq, data, base, base_data, base_of_base in fetch(
        db, SQL[f"{table}s_of_batch"], window
    ):
        where = f"batch {batch}: {table} of event {seq}"
        if base is not None and base_data is None:
            raise BatchFault(f"{where}: that of event {base}, its base, is missing")
        behind = base is not None and base >= seq
        if behind or base_of_base is not None or not isinstance(data, bytes):
            raise BatchFault(f"{where}: its bytes or its base were changed")
        try:
            found.append((seq, inflate(data, base_data)))
        except ValueError as error:
            of = f" or those of its base, of event {base}," if base is not None else ""
            raise BatchFault(f"{where}: its bytes{of} were changed") from error
    return found


def _notice(row: Any, batch: int) -> Notice:  # noqa: ANN401
    notice = Notice(*row)
    if not notice.well_formed:
        raise BatchFault(f"batch {batch}: notice {notice.seq}: its bytes were changed")
    return notice


def _reject(row: Any, batch: int) -> tuple[int | None, str, bytes]:  # noqa: ANN401
    number, jobid, reason, data = row
    if not (isinstance(jobid, int | None) and isinstance(reason, str)):
        raise BatchFault(f"batch {batch}: reject {number}: a column has another type")
    if not isinstance(data, bytes):
        raise BatchFault(f"batch {batch}: reject {number}: its bytes were changed")
    return jobid, reason, data
