# SPDX-License-Identifier: LGPL-3.0
"""An interval index in an ordinary B-tree: hosts, ranks and lifetimes of jobs that overlap.

An interval of integers [lo, hi] is stored under its *level*, the number of bits of its length,
and its *bucket*, ``lo >> level``. A bucket of a level is at least as long as the intervals in
it, so that an interval reaches at most into the next bucket. All intervals of a level that
overlap [a, b] are therefore in the buckets ``(a >> level) - 1`` to ``b >> level``, which is one
range of an index on (kind, level, bucket); a query reads one such range for each level that
occurs. (This is known as hierarchical binning.)

The *kind* says what the numbers count: ranks, seconds of a job's life, or hosts whose names
have the same prefix and number of digits. The kind of hosts is a CRC-32 of these two; different
names can have the same one, so that hosts that were found need a residual check.

The rows are in the table ``span`` (definitions/inactive.sql).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from typing import Final, NamedTuple

from projections.formats import hostlist, hostlist_runs, idset

RANKS: Final = -1
LIFETIME: Final = -2
DISORDERED: Final = -3
"""Jobs whose timestamps are not monotonic (the clock was set): they have no lifetime."""

UNNAMED: Final = -4
"""Jobs with more than 4096 intervals of hosts, which are not stored one by one."""

_MOST_INTERVALS: Final = 4096
_LIMIT: Final = 2**62


class Interval(NamedTuple):
    """One interval, with both bounds included, and where it is stored in the index."""

    kind: int
    level: int
    bucket: int
    lo: int
    hi: int


def interval_of(kind: int, lo: float, hi: float) -> Interval:
    """Return the interval [lo, hi]; bounds beyond +-2^62 are reduced to that."""
    first, last = _bounded(lo), _bounded(hi)
    level = (last - first).bit_length()
    return Interval(kind, level, first >> level, first, last)


def rank_range(lo: int, hi: int) -> Interval:
    """Return the interval of one range of ranks, in less time than `rank_intervals`."""
    level = (hi - lo).bit_length()
    return Interval(RANKS, level, lo >> level, lo, hi)


def host_range(hosts: hostlist.HostRange) -> Interval:
    """Return the interval of what `hostlist.one_range` returned, as `host_intervals` does."""
    _, lo, hi, _, _ = hosts
    level = (hi - lo).bit_length()
    return Interval(_kind_of(hosts.prefix, hosts.width), level, lo >> level, lo, hi)


def buckets(level: int, lo: int, hi: int) -> tuple[int, int]:
    """Return the first and last bucket of ``level`` that may hold what overlaps [lo, hi]."""
    return (lo >> level) - 1, hi >> level


def rank_intervals(ranks: idset.Ranges) -> Iterator[Interval]:
    """Yield an interval for each range of a set of ranks."""
    return (interval_of(RANKS, lo, hi) for lo, hi in ranks)


def host_intervals(hosts: hostlist.Hostlist) -> tuple[Interval, ...]:
    """Return the intervals of a hostlist.

    If two lists share a host, an interval of one overlaps an interval of the other. The reverse
    does not hold, since kinds are checksums. A name with a suffix after the number takes an
    interval of its own. A list that would take more than 4096 intervals becomes one interval of
    the kind UNNAMED instead: every search for hosts has to include that kind, and a search for
    such a list cannot use the index.
    """
    found = tuple(islice(_host_intervals(hosts), _MOST_INTERVALS + 1))
    return found if len(found) <= _MOST_INTERVALS else (interval_of(UNNAMED, 0, 0),)


def _host_intervals(hosts: hostlist.Hostlist) -> Iterator[Interval]:
    for found in hostlist_runs.intervals(hosts):
        yield interval_of(_kind_of(found.prefix, found.width), found.lo, found.hi)


@lru_cache(1024)
def _kind_of(prefix: str, width: int) -> int:
    return zlib.crc32(f"{prefix}\0{width}".encode())


def _bounded(number: float) -> int:
    return int(min(max(number, -_LIMIT), _LIMIT))
