# SPDX-License-Identifier: LGPL-3.0
"""Intervals by host and kind: drained and why, offline, torpid, excluded, absent, unknown."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from math import inf
from typing import NamedTuple

import apsw

from eventstore.storage.sql import fetch, statements

SQL = statements(__file__)
_DIGITS = re.compile(r"(\d+)", re.ASCII)


class NodeInterval(NamedTuple):
    """An interval of a host; ``to`` None: it lasts. Times are in seconds since the epoch.

    ``reason`` is that of a drain, or why something is not known; ``ended`` is how a drain did.
    """

    host: str
    kind: str
    begun: float
    to: float | None
    reason: str | None
    ended: str | None


def intervals(
    db: apsw.Connection,
    hosts: Iterable[str] | None = None,
    since: float = -inf,
    until: float = inf,
) -> list[NodeInterval]:
    """Return the intervals that overlap [since, until], by host and time; None: all hosts."""
    if hosts is None:
        rows = fetch(db, SQL["intervals"], (until, since))
    else:
        names = dict.fromkeys(hosts)
        sql = SQL["intervals_of_host"]
        rows = [row for host in names for row in fetch(db, sql, (until, since, host))]
    found = [NodeInterval(*row) for row in rows]
    order = cache(natural)  # a host has many
    return sorted(found, key=lambda one: (order(one.host), one.begun, one.kind))


def natural(host: str) -> tuple[tuple[bool, int, str], ...]:
    """Return by what host names are sorted: numbers in them by their value."""
    parts = _DIGITS.split(host)
    return tuple((bool(i % 2), int(p) if i % 2 else 0, p) for i, p in enumerate(parts))
