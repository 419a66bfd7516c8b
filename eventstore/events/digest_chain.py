# SPDX-License-Identifier: LGPL-3.0
"""The digest chain: what one batch appended, bound to all batches before it.

    digest(n) = SHA-256( digest(n-1) · header · events · jobspecs · Rs · notices · rejects )

Lengths and columns are part of the input, so that no two different batches have the same
input. A site that logs the head digest elsewhere can detect any later change.

``checks`` holds a CRC-32 for each event, jobspec and R, in this order: the digest tells that
something changed, the checks tell which row. A batch that lost events, and was recovered, keeps
their checks behind those of its rows: see `lost_checks`.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from eventstore.events.records import Notice, Record

GENESIS = bytes(32)
"""Stands for the previous digest in the first batch."""


_ABSENT = -(2**62)
"""Stands for the number of a column that is NULL."""


class Contents(NamedTuple):
    """All rows that one batch appended, in the order of seq; rejects as they came.

    ``jobspecs`` and ``Rs``: (seq, bytes); ``rejects``: (job id, reason, bytes).
    """

    events: Sequence[Record]
    jobspecs: Sequence[tuple[int, bytes]]
    Rs: Sequence[tuple[int, bytes]]
    notices: Sequence[Notice]
    rejects: Sequence[tuple[int | None, str, bytes]]


class EventColumns(NamedTuple):
    """What the digest covers of each event, column by column, in the order of seq."""

    seqs: Sequence[int]
    jobids: Sequence[int]
    streams: Sequence[int]
    replayed: Sequence[int]
    anchors: Sequence[int | None]
    texts: Sequence[bytes]


class Proof(NamedTuple):
    """The proof of a batch: a CRC-32 for each row, and the digest."""

    checks: bytes
    digest: bytes


def prove(previous: bytes, header: tuple[int, int, float], rows: Contents) -> Proof:
    """Return the proof of a batch; ``header`` is (batch, source, committed).

    ``committed`` is in seconds since the epoch. Checks are those of each event, of each
    jobspec, of each R: 4 bytes each, little-endian.
    """
    events = rows.events
    columns = EventColumns(
        [row.seq for row in events],
        [row.jobid for row in events],
        [row.stream for row in events],
        [row.replayed for row in events],
        [row.anchor for row in events],
        [row.entry.text or row.entry.data for row in events],
    )
    return prove_columns(previous, header, columns, rows)


def prove_columns(
    previous: bytes, header: tuple[int, int, float], events: EventColumns, rows: Contents
) -> Proof:
    """Return what `prove` does, with ``events`` in the place of those of ``rows``."""
    *numbers_of_events, anchors, texts = events
    digest = hashlib.sha256(previous)
    digest.update("{} {} {!r} {}\n".format(*header, len(texts)).encode())
    # Column by column: packing row by row would take several times as long.
    for column in (
        *numbers_of_events,
        [_ABSENT if anchor is None else anchor for anchor in anchors],
        [len(text) for text in texts],
    ):
        digest.update(struct.pack(f"<{len(column)}q", *column))
    digest.update(b"".join(texts))
    for letter, payloads in ((b"j", rows.jobspecs), (b"R", rows.Rs)):
        for seq, data in payloads:
            digest.update(b"%b%d %d\n" % (letter, seq, len(data)))
            digest.update(data)
    for seq, time, kind, data in rows.notices:
        digest.update(f"n{seq} {time!r} {kind} {len(data)}\n".encode())
        digest.update(data)
    for jobid_or_none, reason, data in rows.rejects:
        text = reason.encode()
        digest.update(b"r%d %d %d\n" % (_or(jobid_or_none), len(text), len(data)))
        digest.update(text)
        digest.update(data)
    numbers = list(map(zlib.crc32, texts))
    numbers += [zlib.crc32(data) for _, data in (*rows.jobspecs, *rows.Rs)]
    return Proof(struct.pack(f"<{len(numbers)}I", *numbers), digest.digest())


def lost_checks(appended: bytes, left: bytes, count: int) -> bytes:
    """Return the checks of the events that a batch has lost, ``count`` at the most.

    ``appended`` are the checks of all that it had, ``left`` those of what is left of it. When
    the events come again, their checks are those of another batch.
    """
    there = Counter(numbers_of(left))
    lost: list[int] = []
    for number in numbers_of(appended):
        if there[number]:
            there[number] -= 1
        else:
            lost.append(number)
    del lost[count:]  # events come before jobspecs and Rs
    return struct.pack(f"<{len(lost)}I", *lost)


def numbers_of(checks: bytes) -> tuple[int, ...]:
    """Return checks as numbers."""
    return struct.unpack(f"<{len(checks) // 4}I", checks)


def content_digest(data: bytes) -> bytes:
    """Sixteen bytes by which a purge or a reject is recognised when it is received again."""
    return hashlib.sha256(data).digest()[:16]


def _or(value: int | None) -> int:
    return _ABSENT if value is None else value
