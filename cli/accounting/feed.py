# SPDX-License-Identifier: LGPL-3.0
"""The accounting feed: adds finished jobs to a flux-accounting database; idempotent.

Rows are added in one transaction of the target, and the cursor is saved after its commit. A
crash in between repeats the work, and rows that exist are left alone. Beside its position in
the events, the cursor holds a digest of the target's last rows: where that differs, the target
was restored from a backup, or is another database, and the feed starts from the beginning.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import NamedTuple

import msgspec

from cli.accounting.flux_accounting_db import Mark, Refused, Target
from eventstore.errors import translated
from eventstore.storage.connection import Store
from projections.definitions.accounting import Accounting
from projections.engine.consumer_cursor import Consumer
from projections.job.clock import Step
from projections.queries.accounting_feed import JobRecord, finished_jobs
from projections.queries.clock_steps import clock_steps

__all__ = ["ACCOUNTING", "Outcome", "consumer_of", "feed"]

ACCOUNTING = Accounting()
_CHUNK = 1000


class Outcome(NamedTuple):
    """What a run did: how many jobs it ``added``, how many existed, which were refused."""

    added: int
    there: int
    refused: list[Refused]


class _Note(msgspec.Struct, gc=False):
    """What the cursor holds beside its position."""

    mark: Mark  # of the target, after the last commit
    since: float  # jobs that ended before were skipped


_decode_note = msgspec.json.Decoder(_Note).decode


def consumer_of(store: Store, target: Target) -> Consumer:
    """Return the consumer that feeds this target."""
    return Consumer(store.path, f"accounting {target.path}")


def feed(
    store: Store,
    target: Target,
    consumer: Consumer,
    since: float = 0.0,
    *,
    dry: bool = False,
    on_steps: Callable[[int, list[Step]], None] = lambda jobid, steps: None,
) -> Outcome:
    """Add the jobs that the target lacks, of those that ended after ``since`` (epoch seconds).

    Reads what was stored since the last run; everything, where the target or the events are
    not those of the last run, or where ``since`` is earlier than then. ``dry``: only count.
    ``on_steps`` is called with each job that was read and during whose life the clock was set.
    Raises StoreError, of which Locked and BeingRebuilt may pass: try again.
    """
    with store.snapshot() as db:
        window = consumer.unread(db, ACCOUNTING)

        def start() -> int:
            return window.after if _continues(consumer, target, since) else 0

        def chunks(after: int, size: int = _CHUNK) -> Iterator[list[JobRecord]]:
            # Errors of the source are to name the source, also inside the target's transaction.
            with translated(store.path):
                found = (record for _, record in finished_jobs(db, after, window.upto, since))
                yield from iter(lambda: list(islice(found, size)), [])

        after = start()
        if dry:
            outcome = _counted(target, chunks(after))
        elif next(chunks(after, 1), None) is None:
            return Outcome(0, 0, [])
        else:
            with target.transaction():
                after = start()  # the target may have been written since
                outcome = _added(target, chunks(after))
                note = _Note(target.mark(), since)
        for jobid, steps in clock_steps(db, after, window.upto, since):
            on_steps(jobid, steps)
    if not dry:
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
