# SPDX-License-Identifier: LGPL-3.0
"""The end of a batch: its row, with the digest that binds it to the batches before it."""

from __future__ import annotations

import apsw

from . import digest
from .batch import Rows
from .record import Notice, Record


def append_batch(db: apsw.Connection, rows: Rows, source: int, committed: float) -> None:
    """Append the row of a batch that consists of ``rows``."""
    contents = digest.Contents(
        [row for row in rows.records if isinstance(row, Record)],
        rows.jobspecs,
        rows.rs,
        [row for row in rows.records if isinstance(row, Notice)],
        rows.rejects,
    )
    previous = db.execute("SELECT batch, digest FROM batch ORDER BY batch DESC LIMIT 1")
    number, chain = next(iter(previous), (0, digest.GENESIS))
    header = (number + 1, source, committed)
    db.execute(
        "INSERT INTO batch (batch, source, committed, first, last, rejects, checks, digest)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *header,
            rows.first,
            rows.first + len(rows.records) - 1,
            len(rows.rejects),
            digest.checks(contents),
            digest.batch_digest(chain, header, contents),
        ),
    )
