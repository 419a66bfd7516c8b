# SPDX-License-Identifier: LGPL-3.0
"""Deduplication: which events are stored already, and where the others belong: pure.

Each connection to the job manager replays its backlog, and files may be read twice and in
any order. Neither position nor text distinguishes a stored event from a new one: the job
manager posts some events live only, and changes the contexts of a few that it has posted, in
memory. What does not change is the order of a job's events, and each event's (timestamp,
name). So the new events of a job are merged into the stored ones along that order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from eventstore.events.journal_line import Entry
from eventstore.events.json_values import same_values


class Known(NamedTuple):
    """A stored event of one job; ``data`` is None if only a backlog showed it.

    Two live events of the same name and time are the same event if their values are the
    same. A backlog may show other values, so that against it only name and time count.
    """

    timestamp: float
    name: str
    seq: int
    data: bytes | None


def place(
    known: Sequence[Known], entry: Entry, start: int, *, replayed: bool
) -> tuple[bool, int]:
    """Find ``entry`` in a job's stored events, which are in the job's order.

    ``start`` is the index after the last event of the same source: its next event is there or
    later, unless the source repeats itself. Returns (True, index) of the same event, or
    (False, index), the place where it belongs.
    """
    for index in range(start, len(known)):
        if _same(known[index], entry, replayed=replayed):
            return True, index
    if not replayed:
        # A recorded file may have the same live response twice. A backlog response does not
        # repeat an event: what is in it twice has happened twice.
        for index in range(start):
            if _same(known[index], entry, replayed=False):
                return True, index
    # Timestamps order events of which each was seen by one of two sources only. At the end,
    # the order of arrival counts instead: timestamps need not be monotonic.
    for index in range(start, len(known)):
        if known[index].timestamp > entry.timestamp:
            return False, index
    return False, len(known)


def _same(known: Known, entry: Entry, *, replayed: bool) -> bool:
    return (
        known.timestamp == entry.timestamp
        and known.name == entry.name
        and (replayed or known.data is None or same_values(known.data, entry.data))
    )


LIVE_ONLY = frozenset(("annotations", "memo", "invalidate", "priority"))
"""Events that a job manager may post without writing it to the KVS (flux-core, job-manager's
annotate.c, submit.c, prioritize.c)."""


def taken_back(known: Sequence[Known], backlog: Sequence[Entry]) -> bool:
    """Whether stored events of a job are missing from its backlog: the KVS was rolled back.

    A broker that crashed starts from its last KVS checkpoint. What happened to a job
    after that is lost there, and the job goes on from that state: it may run once more.
    """
    said = {(entry.timestamp, entry.name) for entry in backlog}
    return any(
        event.name not in LIVE_ONLY and (event.timestamp, event.name) not in said
        for event in known
    )


def anchored(rows: Sequence[tuple[int, int | None]]) -> list[int]:
    """Indexes of a job's rows (seq, anchor), given in the order of seq, in the job's order.

    A row with an anchor was read late: it belongs behind the row whose seq is its anchor, and
    at the beginning if that is 0.
    """
    first: list[int] = []  # those without an anchor
    behind: dict[int, list[int]] = {0: []}  # by anchor
    for index, (seq, anchor) in enumerate(rows):
        if anchor is None:
            first.append(index)
        else:
            behind[anchor if anchor in behind else 0].append(index)
        behind[seq] = []
    # Each is followed by those behind it, of which the one that was read last stands first.
    order: list[int] = []
    pending = first[::-1] + behind[0]
    while pending:
        index = pending.pop()
        order.append(index)
        pending += behind[rows[index][0]]
    return order
