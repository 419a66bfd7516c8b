# SPDX-License-Identifier: LGPL-3.0
"""Lists of host names in the text form of RFC 29, with the behaviour of libhostlist.

The authority is flux-core's src/common/libhostlist. A list is kept as ranges of consecutive
names and never expanded: a range of a million hosts costs what a single host does. Ranges
written with a suffix, as ``n[1-9]-ib``, are single hosts to libhostlist: they don't coalesce,
and are encoded one by one. Here too, but `decode` leaves them together. Where libhostlist
overflows, this module does not follow: see `decode` and `hosts`. Lengths are in characters
(RFC 29 has ASCII only), and there in bytes.
"""

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import chain, groupby, takewhile
from typing import NamedTuple, TypeAlias

from projections.formats import idset
from projections.formats.caching import cached_by_text


class HostRange(NamedTuple):
    """The names of a prefix, a number from ``lo`` to ``hi`` and a suffix.

    Numbers have zeros put before them to be ``width`` digits long. A width of 0 stands for no
    number at all: the prefix is a whole name then, and the rest is 0 or empty.
    """

    prefix: str
    lo: int = 0
    hi: int = 0
    width: int = 0
    suffix: str = ""


Hostlist: TypeAlias = tuple[HostRange, ...]
"""In the order of the text, duplicates kept, coalesced as libhostlist does; ``()`` is empty."""


class HostlistError(ValueError):
    """A text is not a hostlist; str() says why, in words of our own."""


class NameInterval(NamedTuple):
    """Names of a prefix that ends in no digit and ``width`` digits, of numbers lo to hi."""

    prefix: str
    width: int
    lo: int
    hi: int


class _Run(NamedTuple):
    """Names of equal length: head, `width` digits of lo, lo + step, ... hi, tail.

    Head doesn't end and tail doesn't begin in a digit. `at` is the position of the first name.
    """

    head: str
    tail: str
    width: int
    lo: int
    hi: int
    step: int
    at: int


class _Runs(NamedTuple):
    """A list: all runs, those not `_plain`, the numbers of the others by head and width."""

    runs: list[_Run]
    odd: list[_Run]
    lines: dict[tuple[str, int], idset.Ranges]


_DIGITS = "0123456789"
_ULONG_MAX = 2**64 - 1
_RANGE_HOSTS = 2**20  # most hosts of one range in a text
_RANGES = 10240  # most ranges between two brackets
_TOKEN_SIZE = 1023  # a name without brackets is cut after so many characters
_NAME_SIZE = 270  # no longer name is handed out
_NUMBER_SPACE = 19  # so much longer may a number before a suffix be than the first range's
_SPLIT_DIGITS = 10  # names that end in more are looked up in f[001-002], not in f00[1-2]

_STRTOUL = re.compile("[ \t\n\v\f\r]*[+]?([0-9]+)")
_MARK = re.compile(r"[\[\], \t]")  # in a name that has one, find() sees no name


@cached_by_text(2**20)
def decode(text: str) -> Hostlist:
    """Read a hostlist as hostlist_decode() does; raise HostlistError where that fails.

    It takes blanks and tabs for commas, drops a name with a number of more than 64 bits, takes
    such a number between brackets for the greatest one, and blanks there for digits when it
    comes to the width. It refuses ranges of more than 2**20 hosts, and more than 10240 ranges
    between brackets. Refused here only, since there it overflows: a range of all 2**64 numbers
    or to a negative one, and, before a suffix, the number 2**64 - 1 or a width 20 greater than
    the first range's.
    """
    return concat(*map(_decode_token, _tokens(text)))


def _tokens(text: str) -> Iterator[str]:
    """Split at separators where as many brackets were closed as opened."""
    depth = start = 0
    for match in _MARK.finditer(text):
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


def _decode_token(token: str) -> list[HostRange]:
    prefix, opened, rest = token.partition("[")
    body, closed, suffix = rest.partition("]")
    if not opened and "]" not in token:
        return _decode_name(token[:_TOKEN_SIZE])
    if not closed:
        raise HostlistError(f"unmatched bracket in '{token}'")
    items = body.split(",")
    if len(items) > _RANGES:
        raise HostlistError(f"more than {_RANGES} ranges between brackets")
    ranges = [HostRange(prefix, *_decode_item(item), suffix) for item in items]
    widest = ranges[0].width + _NUMBER_SPACE
    if suffix and any(part.width > widest or part.hi == _ULONG_MAX for part in ranges):
        raise HostlistError(f"too wide a number before the suffix '{suffix}'")
    return ranges


def _decode_name(name: str) -> list[HostRange]:
    prefix = name.rstrip(_DIGITS)
    digits = name[len(prefix) :]
    number = _value(digits)
    return [HostRange(prefix, number, number, len(digits))] if number <= _ULONG_MAX else []


def _decode_item(item: str) -> tuple[int, int, int]:
    """Read one number or range between brackets: lo, hi, width."""
    first, _, last = item.partition("-")
    start = _STRTOUL.match(first)
    # What follows the first number does no harm if there is a second.
    end = _STRTOUL.fullmatch(last or first)
    if not (start and end):
        raise HostlistError(f"'{item}' is not a number or range")
    lo, hi = (min(_value(match[1]), _ULONG_MAX) for match in (start, end))
    if not 0 <= hi - lo < _RANGE_HOSTS:
        raise HostlistError(f"range '{item}' isn't of 1 to {_RANGE_HOSTS} hosts")
    return lo, hi, len(first)


def _value(digits: str) -> int:
    """Read any number of digits; more than 64 bits give just some number of more."""
    return int(digits.lstrip("0")[:21] or "0")


def concat(*lists: Iterable[HostRange]) -> Hostlist:
    """Put lists one behind the other as hostlist_append() does, joining where they meet."""
    joined: list[HostRange] = []
    for part in chain.from_iterable(lists):
        if joined and _continues(joined[-1], part):
            joined[-1] = joined[-1]._replace(hi=part.hi)
        else:
            joined.append(part)
    return tuple(joined)


def _continues(last: HostRange, part: HostRange) -> bool:
    return (
        last.hi + 1 == part.lo
        and last.prefix == part.prefix
        and _numbered(last)
        and _numbered(part)
        # The next number that `last` would write is written as `part` does.
        and max(last.width, len(str(part.lo))) == part.width
    )


def _numbered(part: HostRange) -> bool:
    """Tell whether libhostlist has this as a range too, and not as single hosts."""
    return part.width > 0 and not part.suffix


def encode(hostlist: Hostlist) -> str:
    """Write a list in the canonical form of hostlist_encode().

    Ranges with a suffix are written host by host, so their text is as long as they are.
    """
    groups = groupby(hostlist, key=lambda part: (part.prefix, _numbered(part)))
    return ",".join(
        _encode_numbered(prefix, list(parts)) if numbered else ",".join(_names(parts))
        for (prefix, numbered), parts in groups
    )


def _encode_numbered(prefix: str, parts: list[HostRange]) -> str:
    text = ",".join(
        f"{part.lo:0{part.width}}" + (f"-{part.hi:0{part.width}}" if part.lo < part.hi else "")
        for part in parts
    )
    single = len(parts) == 1 and parts[0].lo == parts[0].hi
    return prefix + text if single else f"{prefix}[{text}]"


def count(hostlist: Hostlist) -> int:
    """Count the hosts, duplicates included."""
    return sum(part.hi - part.lo + 1 for part in hostlist)


def hosts(hostlist: Hostlist) -> Iterator[str]:
    """Give the names in order, lazily.

    The end comes at the first name of more than 270 characters, which libhostlist doesn't hand
    out either. (Where it is zeros that make it long, libhostlist cuts the name and goes on.)
    """
    return takewhile(lambda name: len(name) <= _NAME_SIZE, _names(hostlist))


def _names(parts: Iterable[HostRange]) -> Iterator[str]:
    return (_name(part, number) for part in parts for number in range(part.lo, part.hi + 1))


def _name(part: HostRange, number: int) -> str:
    digits = f"{number:0{part.width}}" if part.width else ""
    return f"{part.prefix}{digits}{part.suffix}"


def find(hostlist: Hostlist, host: str) -> int:
    """Give the position of a host, counted from 0 with duplicates, or -1, as hostlist_find().

    Padding counts: i00 is not in i[0-5]. Three oddities are libhostlist's. A name that has a
    bracket, comma, blank or tab is never found. One that ends in more than ten digits isn't in
    a range whose prefix ends in a digit, as n1234567890[1-2]. Numbers beyond 64 bits are taken
    for the greatest of 64 bits.
    """
    if _MARK.search(host):
        return -1
    digits = len(host) - len(host.rstrip(_DIGITS))
    position = 0
    for part in hostlist:
        offset = _offset(part, host)
        if offset >= 0 and not _overlooked(part, digits):
            return position + offset
        position += part.hi - part.lo + 1
    return -1


def _offset(part: HostRange, host: str) -> int:
    if not part.width:
        return 0 if host == part.prefix else -1
    digits = _between(host, part.prefix, part.suffix)
    number = min(_value(digits), _ULONG_MAX)
    as_written = len(digits) == max(part.width, len(str(number)))
    return number - part.lo if as_written and part.lo <= number <= part.hi else -1


def _between(name: str, head: str, tail: str) -> str:
    """Give the digits between head and tail; "" if there is anything else."""
    middle = name[len(head) : len(name) - len(tail)]
    framed = name.startswith(head) and name.endswith(tail)
    return middle if framed and middle.isascii() and middle.isdigit() else ""


def _overlooked(part: HostRange, digits: int) -> bool:
    """Tell whether hostlist_find() fails for names of the range that end in so many digits."""
    too_many = digits > _SPLIT_DIGITS and _numbered(part)
    return too_many and part.prefix != part.prefix.rstrip(_DIGITS)


def intersects(a: Hostlist, b: Hostlist) -> bool:
    """Tell whether any of `hosts(a)` can be found in b; see `first_common_index`."""
    return first_common_index(a, b) is not None


def first_common_index(a: Hostlist, b: Hostlist) -> int | None:
    """Give the position in a of the first of `hosts(a)` that `find` finds in b, or None.

    The time grows with the number of ranges of a and b together; with the product of the two
    only for ranges with a suffix. Other than to `find`, numbers beyond 64 bits are not alike.
    """
    wanted, offered = _wanted(a), _offered(b)
    if not (wanted.odd or offered.odd) and not any(
        idset.intersects(line, offered.lines.get(key, ())) for key, line in wanted.lines.items()
    ):
        return None
    for run in wanted.runs:
        number = _first_number(run, offered)
        if number is not None:
            return run.at + (number - run.lo) // run.step
    return None


@lru_cache(maxsize=256)
def _wanted(hostlist: Hostlist) -> _Runs:
    """Arrange the names that `hosts` gives and `find` doesn't refuse."""
    runs: list[_Run] = []
    position = 0
    for part in hostlist:
        if not _MARK.search(part.prefix + part.suffix):
            runs.extend(_runs(part, position))
        if len(_name(part, part.hi)) > _NAME_SIZE:
            break
        position += part.hi - part.lo + 1
    return _arrange(runs)


@lru_cache(maxsize=256)
def _offered(hostlist: Hostlist) -> _Runs:
    """Arrange the names that `find` may find."""
    runs = ((part, run) for part in hostlist for run in _runs(part))
    return _arrange([run for part, run in runs if not _overlooked(part, run.width)])


def _arrange(runs: list[_Run]) -> _Runs:
    lines: dict[tuple[str, int], list[idset.Ranges]] = {}
    for run in filter(_plain, runs):
        lines.setdefault((run.head, run.width), []).append(((run.lo, run.hi),))
    odd = [run for run in runs if not _plain(run)]
    return _Runs(runs, odd, {key: idset.union(*ranges) for key, ranges in lines.items()})


def _runs(part: HostRange, position: int = 0) -> Iterator[_Run]:
    """Give the names of a range that aren't too long, one run for each length they have."""
    head, tail = part.prefix.rstrip(_DIGITS), part.suffix.lstrip(_DIGITS)
    lo = part.lo
    while lo <= part.hi:
        name = _name(part, lo)
        if len(name) > _NAME_SIZE:
            return
        end = len(name) - len(tail)
        step = 10 ** (len(part.suffix) - len(tail))
        # The last number that is written with as many digits as `lo`.
        hi = min(part.hi, 10 ** (len(name) - len(part.prefix) - len(part.suffix)) - 1)
        number = int(name[len(head) : end] or "0")
        last = number + (hi - lo) * step
        yield _Run(head, tail, end - len(head), number, last, step, position + lo - part.lo)
        lo = hi + 1


def _plain(run: _Run) -> bool:
    """Tell whether two such runs can share names only if their heads and widths are equal."""
    return run.step == 1 and not run.tail


def _first_number(run: _Run, offered: _Runs) -> int | None:
    """Give the least number of a run whose name is offered."""
    others = offered.odd if _plain(run) else offered.runs
    numbers = [number for other in others if (number := _first_shared(run, other)) is not None]
    line = offered.lines.get((run.head, run.width), ()) if _plain(run) else ()
    index = bisect_left(line, run.lo, key=lambda pair: pair[1])
    if index < len(line) and line[index][0] <= run.hi:
        numbers.append(max(run.lo, line[index][0]))
    return min(numbers, default=None)


def _first_shared(run: _Run, other: _Run) -> int | None:
    """Give the least number of a run whose name is in the other run too."""
    if run[:3] != other[:3]:
        # The only hope: one head goes on, in digits and more, where the other one ends.
        short, long = sorted((run, other), key=lambda either: len(either.head))
        rest = long.head[len(short.head) :]
        name = short.head + rest[: len(rest) - len(rest.lstrip(_DIGITS))] + short.tail
        return None if _number(other, name) is None else _number(run, name)
    fine, coarse = sorted((run, other), key=lambda either: either.step)
    start = max(run.lo, other.lo)
    number = start + (coarse.lo - start) % coarse.step  # steps are powers of ten
    shared = number <= min(run.hi, other.hi) and (number - fine.lo) % fine.step == 0
    return number if shared else None


def _number(run: _Run, name: str) -> int | None:
    digits = _between(name, run.head, run.tail)
    if len(digits) != run.width or (not digits and name != run.head + run.tail):
        return None
    number = int(digits or "0")
    inside = run.lo <= number <= run.hi and (number - run.lo) % run.step == 0
    return number if inside else None


def intervals(hostlist: Hostlist) -> Iterator[NameInterval]:
    """Give the intervals that hold the `hosts` of a list, for an index of them.

    If a host of one list is found in another one, then a span of each have prefix and width
    equal and overlap. The reverse holds too, but for the oddities of `find`, and numbers of
    more than 18 digits: with those lo and hi are 0, so that 63 bits do. Duplicates are kept.

    A range takes one span for each number of digits that it has. But one with a suffix takes
    a span for every host, so call for `count` first.
    """
    for part in hostlist:
        for single in map(HostRange, _names((part,))) if part.suffix else (part,):
            for head, _, width, lo, hi, _, _ in _runs(single):
                yield NameInterval(head, width, *((lo, hi) if width <= 18 else (0, 0)))
