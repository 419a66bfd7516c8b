# SPDX-License-Identifier: LGPL-3.0
"""Lists of host names in the text form of RFC 29, with the behaviour of libhostlist.

The rules are those of flux-core's src/common/libhostlist. A list is a tuple of ranges of
consecutive names and is never expanded: a range of a million hosts costs as much as one host.

Differences from libhostlist:

* Ranges written with a suffix, as ``n[1-9]-ib``, are single hosts there: they do not coalesce,
  and are encoded one by one. So they are here, but `decode` keeps them as one range.
* Where libhostlist overflows a buffer or an integer, `decode` raises, and `hosts` ends.
* `reread` expands ranges that have a suffix.
* Lengths are in characters here (RFC 29 is ASCII only), in bytes there.

Whether lists have hosts in common is asked in hostlist_runs.py.
"""

import math
import re
from collections.abc import Iterable, Iterator
from itertools import chain, groupby, takewhile
from typing import NamedTuple, TypeAlias

from projections.formats.caching import cached_by_text


class HostRange(NamedTuple):
    """The names of a prefix, a number from ``lo`` to ``hi`` and a suffix.

    Numbers are padded with zeros to ``width`` digits. With a width of 0 there is no number: the
    prefix is the whole name then, and the other members are 0 or empty.
    """

    prefix: str
    lo: int = 0
    hi: int = 0
    width: int = 0
    suffix: str = ""


Hostlist: TypeAlias = tuple[HostRange, ...]
"""In the order of the text, with duplicates, coalesced as libhostlist does."""


class HostlistError(ValueError):
    """A text is not a hostlist; the message says why (libhostlist has none)."""


DIGITS = "0123456789"
_ULONG_MAX = 2**64 - 1
_TOKEN_SIZE = 1023  # a name without brackets is cut after so many characters
NAME_SIZE = 270  # characters of the longest name that iteration returns
_NUMBER_SPACE = 19  # digits that a number before a suffix may have more than the first one
_SPLIT_DIGITS = 10  # names ending in more are found in f[001-002], but not in f00[1-2]

_STRTOUL = re.compile("[ \t\n\v\f\r]*[+]?([0-9]+)")
MARK = re.compile(r"[\[\], \t]")  # find() does not find a name that has one of these


class _Limits(NamedTuple):
    """Most ranges between two brackets, and most hosts of one range in a text."""

    ranges: float
    hosts: float


_OF_INPUT = _Limits(10240, 2**20)
_NONE = _Limits(math.inf, math.inf)


@cached_by_text(2**20)
def decode(text: str) -> Hostlist:
    """Parse a hostlist as hostlist_decode() does; raises HostlistError where that fails.

    As there: blanks and tabs separate like commas. A name with a number of more than 64 bits is
    dropped; between brackets, such a number is taken for 2**64 - 1. Blanks between brackets
    count as digits of the width. Ranges of more than 2**20 hosts, and more than 10240 ranges
    between brackets, are refused.

    Refused here only, because libhostlist overflows: a range of all 2**64 numbers or to a
    negative number, and, before a suffix, the number 2**64 - 1 or a number of 20 or more digits
    more than the first one.
    """
    return _decode(text, _OF_INPUT)


_ONE_RANGE = re.compile(
    r"([^\[\], \t]{0,200}[^\[\], \t0-9])(?:([0-9]{1,18})|\[([0-9]{1,18})-([0-9]{1,18})\])"
)


def one_range(text: str) -> HostRange | None:
    """Parse what most lists are, one range in the form of `encode`; None for any other.

    It is one interval of an index (`hostlist_runs.intervals`), too: all of its numbers have the
    same digits, at most 18, and no suffix.
    """
    match = _ONE_RANGE.fullmatch(text)
    if match is None:
        return None
    prefix, single, first, last = match.groups()
    if single is not None:
        number = int(single)
        return HostRange(prefix, number, number, len(single))
    lo, hi = int(first), int(last)
    if not 0 < hi - lo < _OF_INPUT.hosts or len(first) != len(last):
        return None
    return HostRange(prefix, lo, hi, len(first))


def decode_own(text: str) -> Hostlist | None:
    """Parse what `encode` returned, without the limits of `decode`, which are those of input.

    Ranges that were joined may exceed them. None where libhostlist cannot read what it wrote,
    as for the list ``n[1]a]b``.
    """
    try:
        return decode(text)  # mostly it is the text of R, which is in the cache
    except HostlistError:
        pass
    try:
        return _decode_unlimited(text)
    except HostlistError:
        return None


@cached_by_text(2**20)
def _decode_unlimited(text: str) -> Hostlist:
    return _decode(text, _NONE)


def _decode(text: str, limits: _Limits) -> Hostlist:
    return concat(*(_decode_token(token, limits) for token in _tokens(text)))


def _tokens(text: str) -> Iterator[str]:
    """Split at separators outside of brackets: where as many were closed as opened."""
    depth = start = 0
    for match in MARK.finditer(text):
        mark = match[0]
        if mark == "[":
            depth += 1
        elif mark == "]":
            depth -= 1
        elif depth == 0:
            if start < match.start():
                yield text[start : match.start()]
            start = match.end()
    if start < len(text):
        yield text[start:]


def _decode_token(token: str, limits: _Limits) -> list[HostRange]:
    prefix, opened, rest = token.partition("[")
    body, closed, suffix = rest.partition("]")
    if not opened and "]" not in token:
        return _decode_name(token[:_TOKEN_SIZE])
    if not closed:
        raise HostlistError(f"unmatched bracket in '{token}'")
    items = body.split(",")
    if len(items) > limits.ranges:
        raise HostlistError(f"more than {limits.ranges} ranges between brackets")
    ranges = [HostRange(prefix, *_decode_item(item, limits.hosts), suffix) for item in items]
    widest = ranges[0].width + _NUMBER_SPACE
    if suffix and any(part.width > widest or part.hi == _ULONG_MAX for part in ranges):
        raise HostlistError(f"too wide a number before the suffix '{suffix}'")
    return ranges


def _decode_name(name: str) -> list[HostRange]:
    prefix = name.rstrip(DIGITS)
    digits = name[len(prefix) :]
    number = _value(digits)
    return [HostRange(prefix, number, number, len(digits))] if number <= _ULONG_MAX else []


def _decode_item(item: str, most: float) -> tuple[int, int, int]:
    """Parse one number or range between brackets: lo, hi, width."""
    first, _, last = item.partition("-")
    start = _STRTOUL.match(first)
    # Text behind the first number is ignored if there is a second number.
    end = _STRTOUL.fullmatch(last or first)
    if not (start and end):
        raise HostlistError(f"'{item}' is not a number or range")
    lo, hi = (min(_value(match[1]), _ULONG_MAX) for match in (start, end))
    if not 0 <= hi - lo < most:
        raise HostlistError(f"range '{item}' isn't of 1 to {most} hosts")
    return lo, hi, len(first)


def _value(digits: str) -> int:
    """Return the number; of one with more than 64 bits, only that it has more is exact."""
    return int(digits.lstrip("0")[:21] or "0")


def concat(*lists: Iterable[HostRange]) -> Hostlist:
    """Concatenate lists as hostlist_append() does, joining ranges that continue each other."""
    firsts, lasts = list[HostRange](), list[HostRange]()  # of those that continue each other
    for part in chain.from_iterable(lists):
        if lasts and _continues(lasts[-1], part):
            lasts[-1] = part
        else:
            firsts.append(part)
            lasts.append(part)
    return tuple(map(_run, firsts, lasts))


def reread(hostlist: Hostlist) -> Hostlist:
    """Return a list as it is when its names are parsed one by one.

    So librlist does with the nodelist of an R (rlist_nodelist()): ``f00[1-2]`` becomes
    ``f[001-002]``, for the digits at the end of a name are its number. Raises HostlistError
    where a name does not parse, as those of ``a]b[1-2]``.
    """
    if not any(map(_is_read_otherwise, hostlist)):
        return hostlist
    return concat(*map(_reread, hostlist))


def _is_read_otherwise(part: HostRange) -> bool:
    """Whether the names of a range may be parsed in another way than the range was."""
    return bool(part.suffix or part.prefix[-1:] in set(DIGITS) or MARK.search(part.prefix))


def _reread(part: HostRange) -> list[HostRange]:
    if part.suffix or MARK.search(part.prefix) or not part.width:
        return [one for name in names_of([part]) for one in _decode(name, _OF_INPUT)]
    found: list[HostRange] = []
    lo = part.lo
    while lo <= part.hi:  # numbers of as many digits at a time, however many they are
        digits = max(part.width, len(str(lo)))
        hi = min(part.hi, 10**digits - 1)
        found += [
            first._replace(hi=min(first.lo + hi - lo, _ULONG_MAX))
            for first in _decode_name(name_of(part, lo))  # none if it has more than 64 bits
        ]
        lo = hi + 1
    return found


def _run(first: HostRange, last: HostRange) -> HostRange:
    return first if first is last else first._replace(hi=last.hi)


def _continues(last: HostRange, part: HostRange) -> bool:
    return (
        last.hi + 1 == part.lo
        and last.prefix == part.prefix
        and _numbered(last)
        and _numbered(part)
        # The number after `last` has as many digits in both. (`last` may be any of a run: the
        # later ones are as wide as the first one, or as their numbers.)
        and max(last.width, len(str(part.lo))) == part.width
    )


def _numbered(part: HostRange) -> bool:
    """Return whether this is a range in libhostlist, too, and not single hosts."""
    return part.width > 0 and not part.suffix


def encode(hostlist: Hostlist) -> str:
    """Return a list as text, in the canonical form of hostlist_encode().

    Ranges with a suffix are written host by host, so that the text grows with their length.
    """
    groups = groupby(hostlist, key=lambda part: (part.prefix, _numbered(part)))
    return ",".join(
        _encode_numbered(prefix, list(parts)) if numbered else ",".join(names_of(parts))
        for (prefix, numbered), parts in groups
    )


def _encode_numbered(prefix: str, parts: list[HostRange]) -> str:
    text = ",".join(
        f"{part.lo:0{part.width}}" + (f"-{part.hi:0{part.width}}" if part.lo < part.hi else "")
        for part in parts
    )
    return prefix + text if text.isdigit() else f"{prefix}[{text}]"


def count(hostlist: Hostlist) -> int:
    """Return the number of hosts, duplicates included."""
    return sum(part.hi - part.lo + 1 for part in hostlist)


def hosts(hostlist: Hostlist) -> Iterator[str]:
    """Yield the names in order.

    Ends at the first name of more than 270 characters, which libhostlist does not return
    either. (Where zeros make it that long, libhostlist cuts the name and continues.)
    """
    return takewhile(lambda name: len(name) <= NAME_SIZE, names_of(hostlist))


def names_of(parts: Iterable[HostRange]) -> Iterator[str]:
    """Yield all names of some ranges, however long they are."""
    return (name_of(part, number) for part in parts for number in range(part.lo, part.hi + 1))


def name_of(part: HostRange, number: int) -> str:
    """Return the name with this number."""
    digits = f"{number:0{part.width}}" if part.width else ""
    return f"{part.prefix}{digits}{part.suffix}"


def find(hostlist: Hostlist, host: str) -> int:
    """Return the position of a host, counted from 0 with duplicates, or -1, as hostlist_find().

    Padding counts: i00 is not in i[0-5]. As in libhostlist, a name with a bracket, comma, blank
    or tab is never found; a name that ends in more than ten digits is not found in a range
    whose prefix ends in a digit, as n1234567890[1-2]; and a number of more than 64 bits is
    taken for 2**64 - 1.
    """
    if MARK.search(host):
        return -1
    digits = len(host) - len(host.rstrip(DIGITS))
    position = 0
    for part in hostlist:
        offset = _offset(part, host)
        if offset is not None and not overlooked(part, digits):
            return position + offset
        position += part.hi - part.lo + 1
    return -1


def _offset(part: HostRange, host: str) -> int | None:
    """Return the position of a host among those of a range, None if it is not one of them."""
    if not part.width:
        return 0 if host == part.prefix else None
    digits = digits_between(host, part.prefix, part.suffix)
    number = min(_value(digits), _ULONG_MAX)
    as_written = len(digits) == max(part.width, len(str(number)))
    return number - part.lo if as_written and part.lo <= number <= part.hi else None


def digits_between(name: str, head: str, tail: str) -> str:
    """Return the digits between head and tail, "" if the name is of another form."""
    middle = name[len(head) : len(name) - len(tail)]
    framed = name.startswith(head) and name.endswith(tail)
    return middle if framed and middle.isascii() and middle.isdigit() else ""


def overlooked(part: HostRange, digits: int) -> bool:
    """Return whether hostlist_find() misses names of the range that end in so many digits."""
    too_many = digits > _SPLIT_DIGITS and _numbered(part)
    return too_many and part.prefix != part.prefix.rstrip(DIGITS)
