# SPDX-License-Identifier: LGPL-3.0
"""Intervals and present states as rows of the views; they are written together by `flush`.

An interval that begins and ends in one batch is written once, and one without duration not at
all. ``prefix`` stands before the names of the tables.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import apsw

from projections.nodes.state import Key, Node, Nodes
from projections.nodes.timeline import Interval, facts

_Row = tuple[Any, ...]


class Rows:
    """What is to be written."""

    def __init__(self, prefix: str = "") -> None:
        self._prefix = prefix
        # By key: the row, None to delete it.
        self._history: dict[tuple[str, int, str, float], _Row | None] = {}
        self._time: dict[tuple[str, int, float], _Row | None] = {}
        self._nodes: dict[Key, _Row] = {}

    def add(self, changes: Iterable[Interval]) -> None:
        """Add intervals that began or ended."""
        for (host, twin), kind, begun, fact, to, ended in changes:
            empty = to == begun
            if kind == "state":
                row = None if empty else (host, twin, begun, to, fact.reason)
                self._time[host, twin, begun] = row
            else:
                whole = (host, twin, kind, begun, to, fact.since, fact.reason, ended)
                self._history[host, twin, kind, begun] = None if empty else whole

    def show(self, nodes: Nodes, node: Node) -> None:
        """Add the present state of a node."""
        self._nodes[node.key] = (*node.key, *present(nodes, node))

    def flush(self, db: apsw.Connection) -> None:
        """Write what was added."""
        for table, keys, rows, columns in (
            ("node_history", "host = ? AND twin = ? AND kind = ? AND t_from = ?",
             self._history, 8),
            ("node_time", "host = ? AND twin = ? AND t_from = ?", self._time, 5),
        ):  # fmt: skip
            name = self._prefix + table
            gone = [key for key, row in rows.items() if row is None]
            db.executemany(f"DELETE FROM {name} WHERE {keys}", gone)
            marks = ", ".join("?" * columns)
            sql = f"INSERT OR REPLACE INTO {name} VALUES ({marks})"
            db.executemany(sql, [row for row in rows.values() if row is not None])
            rows.clear()
        marks = ", ".join("?" * 9)
        sql = f"INSERT OR REPLACE INTO {self._prefix}node VALUES ({marks})"
        db.executemany(sql, list(self._nodes.values()))
        self._nodes.clear()


def present(nodes: Nodes, node: Node) -> _Row:
    """Return rank, up, torpid, excluded, drained since, reason, why something is unknown."""
    drain = node.drain
    drained = (None, None) if drain is None else (drain.time, drain.reason or None)
    found = facts(nodes, node)
    if "unknown" in found or "absent" in found:
        return (node.rank, None, None, None, *drained, nodes.unknown)
    excluded = None if node.excluded is None else int(node.excluded)
    return (node.rank, int(node.online), int(node.torpid), excluded, *drained, node.doubt)
