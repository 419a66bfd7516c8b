# SPDX-License-Identifier: LGPL-3.0
"""All projections rebuilt from the events.

Floor: reading and decoding a sample of the same events, in one process, from a plain table.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from functools import partial
from itertools import islice

import apsw
import msgspec

from bench.histories import Bench, history
from bench.report import Row, rate
from bench.timing import clocked, repeat
from eventstore.events.records import Record
from eventstore.reading import event_log
from projections.engine.rebuild import rebuild
from projections.engine.views import Views

__all__ = ["measure"]

_SAMPLE = 200_000  # events


class _Event(msgspec.Struct):
    timestamp: float
    name: str
    context: msgspec.Raw = msgspec.Raw()


def measure(bench: Bench) -> Iterator[Row]:
    """Rebuild the views of a copy of the history."""
    stored = history(bench.folder, bench.jobs)
    with stored.copy() as store:
        views = Views(store)
        taken = clocked(lambda: rebuild(views, processes=os.cpu_count() or 1))
        found = islice(event_log.records(store.db), _SAMPLE)
        records = [record for record in found if isinstance(record, Record)]
        (own,) = repeat(lambda: deque(islice(event_log.records(store.db), _SAMPLE), maxlen=0))
    (bare,) = repeat(partial(_read, _plain(records)))
    yield rate("rebuild", "events/s", stored.events, taken, 200_000,
                floor=len(records) / bare.wall, floor_of="bare reading, decoding")  # fmt: skip
    share = stored.events / len(records)
    for what, floor in (("of reading the store's rows", own), ("of its floor", bare)):
        yield Row("rebuild", what, share * floor.wall / taken.wall, "x", 0.45, least=True,
                  processor=share * floor.processor / taken.processor)  # fmt: skip


def _plain(records: list[Record]) -> apsw.Connection:
    db = apsw.Connection("")  # a temporary file, which SQLite removes when it is closed
    db.execute("CREATE TABLE event (seq INTEGER PRIMARY KEY, job INTEGER, data BLOB NOT NULL)")
    db.execute("CREATE TABLE more (seq INTEGER PRIMARY KEY, data BLOB NOT NULL)")
    events = [(record.seq, record.job, record.entry.data) for record in records]
    more = [(r.seq, r.jobspec or r.R) for r in records if r.jobspec or r.R]
    with db:
        db.executemany("INSERT INTO event VALUES (?, ?, ?)", events)
        db.executemany("INSERT INTO more VALUES (?, ?)", more)
    return db


def _read(db: apsw.Connection) -> None:
    event = msgspec.json.Decoder(_Event).decode
    anything = msgspec.json.decode
    for _, _, data in db.execute("SELECT seq, job, data FROM event ORDER BY seq"):
        event(data)
    for _, data in db.execute("SELECT seq, data FROM more ORDER BY seq"):
        anything(data)
