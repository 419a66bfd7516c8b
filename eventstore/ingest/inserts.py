# SPDX-License-Identifier: LGPL-3.0
"""The rows that a batch appends, and at last its own, with its digest in the chain."""

from __future__ import annotations

from collections.abc import Iterable

import apsw

from eventstore.events import digest_chain
from eventstore.events.compression import Deflater, shorten
from eventstore.events.records import Notice, Record
from eventstore.ingest.source_state import Rows
from eventstore.reading.event_log import number_of

_EVENT = (
    "INSERT INTO event (seq, job, timestamp, name, replayed, anchor, data, form)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)


def append_events(db: apsw.Connection, records: Iterable[Record | Notice]) -> None:
    """Append the events among records."""
    rows = []
    for record in records:
        if isinstance(record, Notice):
            continue
        entry = record.entry
        timestamp, name = entry.timestamp, entry.name
        form, kept = shorten(entry.data, timestamp, name, entry.context)
        where = (record.seq, record.job, timestamp, name, record.replayed, record.anchor)
        rows.append((*where, kept, form))
    db.executemany(_EVENT, rows)


class Payloads:
    """Appends jobspecs and Rs, deflated with those that came before them."""

    def __init__(self) -> None:
        self._deflaters = {"jobspec": Deflater(), "R": Deflater()}

    def append(
        self, db: apsw.Connection, table: str, payloads: Iterable[tuple[int, bytes]]
    ) -> None:
        """Append (seq, bytes) to ``table``, in the order of seq."""
        keep = self._deflaters[table].keep
        db.executemany(
            f"INSERT INTO {table} (seq, base, data) VALUES (?, ?, ?)",
            [keep(seq, data) for seq, data in payloads],
        )


def append_batch(db: apsw.Connection, rows: Rows, source: int, committed: float) -> None:
    """Append the row of a batch that consists of ``rows``."""
    contents = digest_chain.Contents(
        [row for row in rows.records if isinstance(row, Record)],
        rows.jobspecs,
        rows.rs,
        [row for row in rows.records if isinstance(row, Notice)],
        rows.rejects,
    )
    previous = db.execute("SELECT batch, digest FROM batch ORDER BY batch DESC LIMIT 1")
    number, chain = next(iter(previous), (0, digest_chain.GENESIS))
    header = (number_of(number) + 1, source, committed)
    db.execute(
        "INSERT INTO batch (batch, source, committed, first, last, rejects, checks, digest)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *header,
            rows.first,
            rows.first + len(rows.records) - 1,
            len(rows.rejects),
            *digest_chain.prove(chain, header, contents),
        ),
    )
