# SPDX-License-Identifier: LGPL-3.0
"""Folding inputs into rows, with snapshots of all nodes to begin again from.

A snapshot is made before each restart, and after each 1,500 inputs, where time has
passed: it holds all inputs up to its time and no later one. So what is read late costs the
inputs since the snapshot before it, and so does a look at a past moment.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from math import inf
from typing import Any

import apsw
import msgspec
from msgspec import Struct

from eventstore.events import resource_notices as kinds
from eventstore.events.encoding import to_msgpack
from eventstore.reading.event_log import time_of
from eventstore.storage.sql import fetch, statements, value
from projections.node_views.log import Input, Log, inputs
from projections.node_views.rows import Rows
from projections.nodes import reducers
from projections.nodes.inputs import read_status
from projections.nodes.state import Drain, Key, Lapse, Node, Nodes
from projections.nodes.timeline import Fact, Interval, Open, Timelines, facts

SQL = statements(__file__)

EVERY = 1500
"""Inputs from one snapshot to the next."""

BEGINNING = -inf
_LEVEL = 1  # of compression


def apply(nodes: Nodes, item: Input, log: Log) -> reducers.Touched:
    """Apply one input to the nodes."""
    if item.kind == kinds.EVENT:
        return reducers.on_event(nodes, item.event(), log.knows, log.history)
    form = kinds.decode(item.kind, item.data)
    if item.kind == kinds.STATUS:
        status = read_status(bytes(form.status))
        return (
            reducers.Touched() if status is None
            else reducers.on_status(nodes, item.time, status)
        )  # fmt: skip
    if item.kind == kinds.END:
        mine = form.restart is None or form.restart == nodes.restart
        return reducers.on_end(nodes, item.time, form.how) if mine else reducers.Touched()
    if form.truncated is not None and form.restart is None:
        return reducers.on_truncation(nodes, form.truncated)
    return reducers.Touched()


class _Saved(Struct):
    """`Nodes`, with lists in place of dictionaries."""

    nodes: list[Node]
    ranks: list[Key]
    restart: float | None
    heard: float
    unknown: str | None
    ended: tuple[float, str] | None
    saved: list[tuple[Key, Drain]]
    saved_at: float
    lapses: list[Lapse]


def encode(nodes: Nodes) -> bytes:
    """Return all nodes as a snapshot has them."""
    saved = _Saved(
        list(nodes.nodes.values()), nodes.ranks, nodes.restart, nodes.heard, nodes.unknown,
        nodes.ended, list(nodes.saved.items()), nodes.saved_at, nodes.lapses,
    )  # fmt: skip
    return zlib.compress(to_msgpack(saved), _LEVEL)


def decode(data: bytes) -> Nodes:
    """Return what `encode` was given."""
    found = _decode(zlib.decompress(data))
    return Nodes(
        {node.key: node for node in found.nodes}, found.ranks, found.restart, found.heard,
        found.unknown, found.ended, dict(found.saved), found.saved_at, found.lapses,
    )  # fmt: skip


_decode = msgspec.msgpack.Decoder(_Saved).decode


class Fold:
    """Nodes and their open intervals, after the inputs up to ``place``: (time, seq).

    ``prefix`` stands before the names of the tables.
    """

    def __init__(self, db: apsw.Connection, prefix: str = "") -> None:
        self._db = db
        self._prefix = prefix
        self._log = Log(db)
        self._rows = Rows(prefix)
        self.nodes = Nodes()
        self._timelines = Timelines()
        self.place: tuple[float, int] = (BEGINNING, 0)
        self._count = 0  # inputs so far
        self._saved = 0  # and at the last snapshot
        self._told = inf

    def load(self) -> None:
        """Continue from what is stored; writes nothing."""
        self.begin_before(inf)
        self._open()

    def recall(self, until: float, last: int) -> None:
        """Apply what came since the snapshot up to a time and a seq, and has its rows."""
        for item in inputs(self._db, self.place[0], until):
            if item.seq <= last:
                self._count += 1
                apply(self.nodes, item, self._log)
                self.place = item.time, item.seq

    def rewind(self, time: float) -> float:
        """Undo all inputs from the last snapshot before ``time`` on, in the rows, too.

        Returns the time of the snapshot: what is later is undone.
        """
        p, db = self._prefix, self._db
        back = self.begin_before(time)
        while (ended := self._end_of_load()) is not None and ended <= back:
            # The restart that is undone had told what was not known since then.
            back = self.begin_before(ended)
        restart = BEGINNING if self.nodes.restart is None else self.nodes.restart
        # Whether one is due here is decided anew, by what follows now.
        db.execute(f"DELETE FROM {p}node_snapshot WHERE time >= ?", (back,))
        self._saved = value(db, f"SELECT coalesce(max(inputs), 0) FROM {p}node_snapshot")
        db.execute(f"DELETE FROM {p}node_load WHERE restart >= ?", (restart,))
        for table, rest in (("node_history", ", ended = NULL"), ("node_time", "")):
            db.execute(f"DELETE FROM {p}{table} WHERE t_from > ?", (back,))
            db.execute(f"UPDATE {p}{table} SET t_to = NULL{rest} WHERE t_to > ?", (back,))
        db.execute(f"DELETE FROM {p}node")
        self._open()
        for node in self.nodes.nodes.values():
            self._rows.show(self.nodes, node)
        return back

    def run(self, items: Iterable[Input]) -> float:
        """Apply inputs, and write the rows that follow.

        Returns the earliest time from which on a restart told more of the load before; inf:
        there was none.
        """
        self._told = inf
        for item in items:
            self._maybe_save(item)
            self._count += 1
            self._step(item)
            self.place = item.time, item.seq
        self._rows.flush(self._db)
        return self._told

    def run_all(self) -> float:
        """Apply all inputs behind the place, as `run` does."""
        return self.run(inputs(self._db, self.place[0]))

    def _text(self, name: str) -> str:
        return SQL[name].replace("{p}", self._prefix)

    def _end_of_load(self) -> float | None:
        sql = f"SELECT ended FROM {self._prefix}node_load WHERE restart = ?"
        return time_of(value(self._db, sql, (self.nodes.restart,)))

    def _maybe_save(self, item: Input) -> None:
        """Make a snapshot before an input, where one is due and time has passed."""
        if item.time == self.place[0] or not self._count:
            return
        is_restart = item.kind == kinds.EVENT and item.event().name == "restart"
        if self._count - self._saved >= EVERY or is_restart:
            self._saved = self._count
            row = self.place[0], self._count, encode(self.nodes)
            self._db.execute(self._text("save_snapshot"), row)

    def _step(self, item: Input) -> None:
        touched = apply(self.nodes, item, self._log)
        if touched.began is not None:
            self._leave(touched.began)
        keys = list(self.nodes.nodes) if touched.keys is None else touched.keys
        for key in keys:
            node = self.nodes.nodes[key]
            found = facts(self.nodes, node)
            ended = touched.ends.get(key)
            self._rows.add(self._timelines.advance(key, found, item.time, ended))
            self._rows.show(self.nodes, node)

    def _leave(self, began: Any) -> None:  # noqa: ANN401 - loads.Outcome
        if began.before is None:
            return
        end = began.end
        self._told = min(self._told, end.time)
        self._db.execute(self._text("save_load"), (began.before, end.time, end.how, end.why))
        for key, found in began.left.items():
            changes: list[Interval] = self._timelines.leave(key, found, end.time)
            self._rows.add(changes)

    def begin_before(self, time: float) -> float:
        """Be as at the last snapshot before a time; returns its time."""
        found = fetch(self._db, self._text("snapshot_before"), (time,))
        if not found:
            self.nodes, self.place = Nodes(), (BEGINNING, 0)
            self._count = self._saved = 0
            return BEGINNING
        back, self._count, data = found[0]
        self._saved = self._count
        self.nodes = decode(data)
        self.place = back, 2**62
        return float(back)

    def _open(self) -> None:
        opened: dict[Key, dict[str, Open]] = {}
        for host, twin, kind, begun, reason, since in fetch(
            self._db, self._text("open_intervals")
        ):
            opened.setdefault(Key(host, twin), {})[kind] = Open(begun, Fact(reason, since))
        for host, twin, begun, state in fetch(self._db, self._text("open_states")):
            opened.setdefault(Key(host, twin), {})["state"] = Open(begun, Fact(state))
        self._timelines = Timelines(opened)
