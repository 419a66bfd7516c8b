# SPDX-License-Identifier: LGPL-3.0
"""Finding intervals that overlap: hosts, ranks and lifetimes of jobs in an ordinary index.

An interval of numbers [lo, hi] is filed under its *level*, the power of two that its length
reaches, and its *bucket*, ``lo >> level``. It then reaches into no other bucket of that
level but the next, so that all intervals that overlap [a, b] are in the buckets from
``(a >> level) - 1`` to ``b >> level`` of each level: few, and in one range of the index.

A *kind* says what the numbers count: ranks, seconds of life, or hosts of one name. Names
are told apart by a checksum: whoever asks looks at what is found, so that two names of one
checksum cost time only.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from itertools import islice
from typing import Final, NamedTuple

from projections.formats import hostlist, idset

RANKS: Final = -1
LIFETIME: Final = -2
DISORDERED: Final = -3
"""Jobs whose times are not in the order of a life: the clock was set while they lived."""

UNNAMED: Final = -4
"""Jobs with hosts of so many spans that these are not filed one by one."""

_MOST_SPANS: Final = 4096
_LIMIT: Final = 2**62


class Span(NamedTuple):
    """One interval: where it is filed, and its bounds, both included."""

    kind: int
    level: int
    bucket: int
    lo: int
    hi: int


def span(kind: int, lo: float, hi: float) -> Span:
    """File the interval [lo, hi]; numbers beyond 2^62 count as that."""
    first, last = _bounded(lo), _bounded(hi)
    level = (last - first).bit_length()
    return Span(kind, level, first >> level, first, last)


def buckets(level: int, lo: int, hi: int) -> tuple[int, int]:
    """Return the first and last bucket of ``level`` that may hold what overlaps [lo, hi]."""
    return (lo >> level) - 1, hi >> level


def rank_spans(ranks: idset.Ranges) -> Iterator[Span]:
    """Return the spans of a set of ranks."""
    return (span(RANKS, lo, hi) for lo, hi in ranks)


def host_spans(hosts: hostlist.Hostlist) -> tuple[Span, ...]:
    """Return spans that overlap those of another list wherever the two share a host.

    Names with something behind the number take a span each. A list that would take very many
    spans is filed as UNNAMED instead: whoever asks for hosts has to ask for that too, and
    whoever gets it here cannot ask by spans.
    """
    found = tuple(islice(_host_spans(hosts), _MOST_SPANS + 1))
    return found if len(found) <= _MOST_SPANS else (span(UNNAMED, 0, 0),)


def _host_spans(hosts: hostlist.Hostlist) -> Iterator[Span]:
    for found in hostlist.spans(hosts):
        kind = zlib.crc32(f"{found.prefix}\0{found.width}".encode())
        yield span(kind, found.lo, found.hi)


def _bounded(number: float) -> int:
    return int(min(max(number, -_LIMIT), _LIMIT))
