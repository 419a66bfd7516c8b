# SPDX-License-Identifier: LGPL-3.0
"""The accounting feed: finished jobs into a flux-accounting database, each once.

The order of steps is what makes it safe: rows are added in one transaction of the target, and
the cursor is saved when that is committed. Whatever stops in between is done again, and what
is there is left alone. Beside its place in the events, the cursor remembers the last rows of
the target: where they are not in their places, the target was restored, or is another one,
and everything is gone through again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

import msgspec

from cli.accounting.flux_accounting_db import Mark, Refused, Target
from eventstore.errors import translated
from eventstore.storage.connection import Store
from projections.definitions.accounting import Accounting, JobRecord, job_records
from projections.engine.consumer_cursor import Consumer

ACCOUNTING = Accounting()
_CHUNK = 1000


class Outcome(NamedTuple):
    """What a run did: jobs ``added``, those that were ``there`` already, those refused."""

    added: int
    there: int
    refused: list[Refused]


class _Note(msgspec.Struct, gc=False):
    """What the cursor says beside its place."""

    mark: Mark  # of the target, when all up to the cursor was there
    since: float  # jobs that ended until then were passed over


_decode_note = msgspec.json.Decoder(_Note).decode


def consumer_of(store: Store, target: Target) -> Consumer:
    """Return the consumer that feeds this target."""
    return Consumer(store.path, f"accounting {target.path}")


def feed(
    store: Store, target: Target, consumer: Consumer, since: float = 0.0, *, dry: bool = False
) -> Outcome:
    """Add the jobs that the target does not have, of those that ended after ``since``.

    Goes through what became known since the last run; through everything where target or
    events are not those of then, or where less was passed over now than then. ``dry``: only
    counts what would be added.
    """
    with store.snapshot() as db:
        window = consumer.window(db, ACCOUNTING)

        def chunks(size: int = _CHUNK) -> Iterator[list[JobRecord]]:
            after = window.after if _continues(consumer, target, since) else 0
            # Inside the target's transaction, an error of the source is still the source's.
            with translated(store.path):
                found = (record for _, record in job_records(db, after, window.upto, since))
                yield from iter(lambda: list(islice(found, size)), [])

        if dry:
            return _counted(target, chunks())
        if next(chunks(1), None) is None:
            return Outcome(0, 0, [])
        with target.transaction():
            # Others may have written it meanwhile: the beginning is looked for again.
            outcome = _added(target, chunks())
            note = _Note(target.mark(), since)
    consumer.done(window.end, msgspec.json.encode(note).decode())
    return outcome


def _continues(consumer: Consumer, target: Target, since: float) -> bool:
    if not consumer.position.note:
        return False
    note = _decode_note(consumer.position.note)
    return note.since <= since and target.still_has(note.mark)


def _added(target: Target, chunks: Iterable[list[JobRecord]]) -> Outcome:
    seen = added = 0
    refused: list[Refused] = []
    for records in chunks:
        seen += len(records)
        more, bad = target.add(records)
        added += more
        refused += bad
    return Outcome(added, seen - added - len(refused), refused)


def _counted(target: Target, chunks: Iterable[list[JobRecord]]) -> Outcome:
    seen = added = 0
    for records in chunks:
        seen += len(records)
        added += target.missing(records)
    return Outcome(added, seen - added, [])
