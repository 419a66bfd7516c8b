# SPDX-License-Identifier: LGPL-3.0
"""Sets of ids (ranks, cores) in the text form of RFC 22, with the behaviour of libidset.

The authority is flux-core's src/common/libidset, whose reader is laxer than the RFC here and
there: it skips empty items, and takes an id modulo 2**32. A set is kept as its ranges and
never expanded, so that every operation costs by the number of ranges.
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
_UINT = 2**32  # ids are of C's unsigned int, and its two greatest are reserved
_UNIVERSE = 2**31  # ids are below
_TEXT_SIZE = 160  # bytes of an error text in C, with its terminator


class IdsetError(ValueError):
    """A text is not an idset; str() is the text that libidset has for the error.

    Like there it is cut at 159 bytes of UTF-8.
    """

    def __init__(self, text: str) -> None:
        raw = text.encode(errors="replace")
        if len(raw) >= _TEXT_SIZE:
            # A plus sign marks the cut, but not if it is of a single byte.
            cut = raw[:158] + b"+" if len(raw) > _TEXT_SIZE else raw[:159]
            text = cut.decode(errors="replace")
        super().__init__(text)


@cached_by_text(2**20)
def decode(text: str) -> Ranges:
    """Read one idset; raise IdsetError as idset_decode_add() fails.

    Within a text ids must ascend. That holds for each text on its own: adding several texts to
    one set, overlapping or not, is the `union` of what each decodes to. Ids are below 2**31.
    """
    body = text[1:-1] if len(text) > 1 and text[0] == "[" and text[-1] == "]" else text
    if "[" in body or "]" in body:
        raise IdsetError("mismatched or nested brackets")
    ranges: list[tuple[int, int]] = []
    last = -1
    for item in filter(None, body.split(",")):
        lo, hi = _decode_item(item)
        if lo <= last:
            raise IdsetError(f"range '{item}' is out of order")
        _check_limits(item, max(lo, hi))
        # Reduced to 32 bits, the end of a range may have come to lie before its start.
        ranges.append((min(lo, hi), max(lo, hi)))
        last = hi
    return _coalesce(ranges)


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
    """Give the ids that are in any of the sets; `()` of none."""
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
    """Write a set as idset_encode() does with IDSET_FLAG_RANGE.

    With `brackets` (IDSET_FLAG_BRACKETS) a set of two ids or more is put into brackets.
    """
    text = ",".join([str(lo) if lo == hi else f"{lo}-{hi}" for lo, hi in ranges])
    several = len(ranges) > 1 or (bool(ranges) and ranges[0][0] < ranges[0][1])
    return f"[{text}]" if brackets and several else text


def count(ranges: Ranges) -> int:
    """Count the ids of a set."""
    return sum([hi - lo for lo, hi in ranges]) + len(ranges)


def contains(ranges: Ranges, member: int) -> bool:
    """Tell whether an id is in the set, in logarithmic time."""
    index = bisect_right(ranges, member, key=lambda pair: pair[0]) - 1
    return index >= 0 and member <= ranges[index][1]


def intersects(a: Ranges, b: Ranges) -> bool:
    """Tell whether two sets have an id in common, in time linear in their ranges."""
    i = j = 0
    while i < len(a) and j < len(b):
        if a[i][1] < b[j][0]:
            i += 1
        elif b[j][1] < a[i][0]:
            j += 1
        else:
            return True
    return False
