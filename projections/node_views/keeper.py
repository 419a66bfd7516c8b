# SPDX-License-Identifier: LGPL-3.0
"""Keeping the views of nodes up to date: takes part in each batch that has such notices.

What belongs behind all that is folded is folded on. What was read late, or tells more of a
restart that is folded already, has the fold begin again from a snapshot before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

import apsw

from eventstore.events import resource_notices as kinds
from eventstore.events.records import Notice, Record
from eventstore.storage.sql import script
from projections.node_views import hours
from projections.node_views.fold import Fold
from projections.node_views.log import FOLDED, Input, first_status, has_status, last_restart

SCHEMA = script(__file__, "schema.sql")
TEMPORARY = "temp."
"""Begins the prefix of tables that are compared with the stored ones."""


class Keeper:
    """The views of nodes in a store that is open for writing."""

    def __init__(self) -> None:
        self._fold: Fold | None = None  # None: to be made of what is stored

    def forget(self) -> None:
        """Drop what is remembered: the tables were changed by somebody else, or rolled back."""
        self._fold = None

    def apply(self, db: apsw.Connection, records: Sequence[Record | Notice]) -> None:
        """Write the rows that follow from a batch, inside its transaction."""
        items = sorted(
            Input(record.time, record.seq, record.kind, record.data)
            for record in records
            if isinstance(record, Notice) and record.kind in FOLDED
        )
        if not items:
            return
        if self._fold is None:
            self._fold = _loaded(db, records[0].seq - 1)
        earliest = min(_concerns(db, item, records[0].seq) for item in items)
        changed = earliest[0]
        if earliest > self._fold.place:
            left = self._fold.run(items)
        else:
            changed = self._fold.rewind(earliest[0])
            left = self._fold.run_all()
        hours.lower(db, min(changed, left))

    def saw(self, db: apsw.Connection, records: Sequence[Record | Notice]) -> None:
        """Drop the sums that what jobs did in a batch may change."""
        if not hours.settled(db):
            return
        times = [one.entry.timestamp for one in records if isinstance(one, Record)]
        if any(isinstance(one, Notice) and one.kind == "gone" for one in records):
            times.append(0.0)  # of jobs that were taken to run since then
        if times:
            hours.lower(db, min(times))


def fill(db: apsw.Connection, prefix: str) -> None:
    """Fill the tables with this prefix from all notices."""
    fold = Fold(db, prefix)
    fold.run_all()
    if not prefix.startswith(TEMPORARY):  # those of a comparison replace none
        hours.lower(db, 0.0)


def _loaded(db: apsw.Connection, last: int) -> Fold:
    """Return the fold of what is stored up to a seq, whose rows are there."""
    fold = Fold(db)
    fold.load()
    fold.recall(inf, last)
    return fold


def _concerns(db: apsw.Connection, item: Input, first: int) -> tuple[float, int]:
    """Return the first place whose fold an input may change; ``first`` is its batch's seq."""
    place = item.time, item.seq
    if item.kind == kinds.BACKLOG:
        shown = kinds.decode(item.kind, item.data)
        if shown.restart is None:
            return place
        before = last_restart(db, shown.restart)
        if before is not None and has_status(db, shown.restart, first):
            # A status that was there already was taken for one of the load before.
            return before, 0
        return shown.restart, 0
    if item.kind == kinds.STATUS:
        # The first one of a load tells who is excluded from its beginning on.
        restart = last_restart(db, item.time)
        found = None if restart is None else first_status(db, restart)
        if restart is not None and found is not None and found[0] == item.time:
            return restart, 0
    return place
