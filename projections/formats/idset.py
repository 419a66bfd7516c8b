# SPDX-License-Identifier: LGPL-3.0
"""Sets of ids (ranks, cores) in the text form of RFC 22, with the behaviour of libidset.

The rules are those of flux-core's src/common/libidset, whose parser accepts more than the RFC:
it skips empty items, and takes an id modulo 2**32. A set is a tuple of ranges and is never
expanded: the cost of an operation grows with the number of ranges, not of ids.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable
from itertools import chain
from typing import TypeAlias

from projections.formats.caching import cached_by_text

Ranges: TypeAlias = tuple[tuple[int, int], ...]
"""Inclusive (lo, hi) pairs, ascending, disjoint and coalesced; ``()`` is the empty set."""

_ITEM = re.compile("(0|[1-9][0-9]{0,19})(?:-(0|[1-9][0-9]{0,19}))?")
_ULONG_MAX = 2**64 - 1
_UINT = 2**32  # ids are unsigned ints, of which the two greatest are reserved
_UNIVERSE = 2**31  # ids are below
_TEXT_SIZE = 160  # bytes of an error text in C, with its terminator


class IdsetError(ValueError):
    """A text is not an idset; the message is libidset's, cut at 159 bytes of UTF-8 as there."""

    def __init__(self, text: str) -> None:
        raw = text.encode(errors="replace")
        if len(raw) >= _TEXT_SIZE:
            # A plus sign marks the cut, unless only one byte is cut.
            cut = raw[:158] + b"+" if len(raw) > _TEXT_SIZE else raw[:159]
            text = cut.decode(errors="replace")
        super().__init__(text)


@cached_by_text(2**20)
def decode(text: str) -> Ranges:
    """Parse one idset; raises IdsetError where idset_decode_add() fails.

    Ids must ascend within a text, and are below 2**31. Adding several texts to one set, which
    may overlap, is the `union` of what each decodes to.
    """
    body = text[1:-1] if text[:1] == "[" and text[-1:] == "]" else text
    if "[" in body or "]" in body:
        raise IdsetError("mismatched or nested brackets")
    ranges: list[tuple[int, int]] = []
    last = -1
    for item in filter(None, body.split(",")):
        lo, hi = _decode_item(item)
        if lo <= last:
            raise IdsetError(f"range '{item}' is out of order")
        _check_limits(item, max(lo, hi))
        # After the reduction to 32 bits, the end of a range may be less than its start.
        ranges.append((min(lo, hi), max(lo, hi)))
        last = hi
    return _coalesce(ranges)


_ONE_RANGE = re.compile("(0|[1-9][0-9]{0,8})(?:-([1-9][0-9]{0,8}))?")


def one_range(text: str) -> tuple[int, int] | None:
    """Parse what most sets are, one range in the form of `encode`; None for any other."""
    match = _ONE_RANGE.fullmatch(text[1:-1] if text[:1] == "[" and text[-1:] == "]" else text)
    if match is None:
        return None
    first, last = match.groups()
    lo = int(first)
    if last is None:
        return lo, lo
    hi = int(last)
    return (lo, hi) if lo < hi else None


def _decode_item(item: str) -> tuple[int, int]:
    match = _ITEM.fullmatch(item)
    start = int(match[1]) if match else _ULONG_MAX + 1
    end = int(match[2]) if match and match[2] else start
    lo = start % _UINT
    if max(start, end) > _ULONG_MAX or (match and match[2] and end <= lo):
        raise IdsetError(f"error parsing range '{item}'")
    return lo, end % _UINT


def _check_limits(item: str, greatest: int) -> None:
    if greatest >= _UINT - 2:
        raise IdsetError(f"error appending '{item}': Invalid argument")
    if greatest >= _UNIVERSE:
        raise IdsetError(f"error appending '{item}': set universe size would exceed maximum")


def union(*sets: Ranges) -> Ranges:
    """Return the ids that are in any of the sets."""
    return _coalesce(chain.from_iterable(sets))


def _coalesce(ranges: Iterable[tuple[int, int]]) -> Ranges:
    merged: list[tuple[int, int]] = []
    for lo, hi in sorted(ranges):
        if merged and lo <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(hi, merged[-1][1]))
        else:
            merged.append((lo, hi))
    return tuple(merged)


def encode(ranges: Ranges, *, brackets: bool = True) -> str:
    """Return a set as text, as idset_encode() does with IDSET_FLAG_RANGE.

    With `brackets` (IDSET_FLAG_BRACKETS), a set of two or more ids is put into brackets.
    """
    text = ",".join([str(lo) if lo == hi else f"{lo}-{hi}" for lo, hi in ranges])
    several = "," in text or "-" in text
    return f"[{text}]" if brackets and several else text


def count(ranges: Ranges) -> int:
    """Return the number of ids in a set."""
    return sum([hi - lo for lo, hi in ranges]) + len(ranges)


def contains(ranges: Ranges, member: int) -> bool:
    """Return whether an id is in the set, in logarithmic time."""
    index = bisect_right(ranges, member, key=lambda pair: pair[0]) - 1
    return index >= 0 and member <= ranges[index][1]


def intersects(a: Ranges, b: Ranges) -> bool:
    """Return whether two sets have an id in common, in time linear in their ranges."""
    i = j = 0
    while i < len(a) and j < len(b):
        if a[i][1] < b[j][0]:
            i += 1
        elif b[j][1] < a[i][0]:
            j += 1
        else:
            return True
    return False
