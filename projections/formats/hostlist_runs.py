# SPDX-License-Identifier: LGPL-3.0
"""Hosts that two lists have in common, and hostlists as intervals for an index.

Ranges are split into *runs*: names of equal length that have a head, a number, and a tail. Two
runs can be compared by their numbers alone, so that no list is expanded. Most runs are *plain*,
without a tail: the numbers of these are kept as sets of ranges, by head and number of digits.
"""

from bisect import bisect_left
from collections.abc import Iterator
from functools import cached_property, lru_cache
from operator import itemgetter
from typing import NamedTuple

from projections.formats import idset
from projections.formats.hostlist import (
    DIGITS,
    MARK,
    NAME_SIZE,
    Hostlist,
    HostRange,
    digits_between,
    name_of,
    names_of,
    overlooked,
)


class NameInterval(NamedTuple):
    """Names of a prefix that does not end in a digit, and a number of ``width`` digits.

    The numbers are lo to hi, both included.
    """

    prefix: str
    width: int
    lo: int
    hi: int


class _Run(NamedTuple):
    """Names of equal length: head, a number of `width` digits, tail.

    The numbers are lo, lo + step, ... hi. The head does not end and the tail does not begin
    with a digit. `at` is the position of the first name in the list.
    """

    head: str
    tail: str
    width: int
    lo: int
    hi: int
    step: int
    at: int


class _Runs(NamedTuple):
    """A list: all runs, those not plain, and the numbers of plain ones by head and width."""

    runs: list[_Run]
    odd: list[_Run]
    lines: dict[tuple[str, int], idset.Ranges]


def intersects(a: Hostlist, b: Hostlist) -> bool:
    """Return whether any of `hosts(a)` is found in b; see `first_common_index`."""
    return first_common_index(a, b) is not None


def first_common_index(a: Hostlist, b: Hostlist) -> int | None:
    """Return the position in a of the first of `hosts(a)` that `find` finds in b, or None.

    The time grows with the sum of the numbers of ranges, and with their product only for ranges
    with a suffix. Unlike in `find`, different numbers of more than 64 bits are not equal.
    """
    return Wanted(a).first_index(b)


class Wanted:
    """A hostlist that is looked for in others: its runs are made once."""

    def __init__(self, hostlist: Hostlist) -> None:
        self._hostlist = hostlist

    @cached_property
    def _sorted(self) -> _Runs:
        return _wanted(self._hostlist)

    def first_index(self, b: Hostlist) -> int | None:
        """Return the position of the first host that is in b, as `first_common_index` does."""
        wanted, offered = self._sorted, _offered(b)
        # Of many runs, most are in no list: that is found for all of them at once.
        many = len(wanted.runs) > 1 and not (wanted.odd or offered.odd)
        if many and not any(
            idset.intersects(line, offered.lines.get(key, ()))
            for key, line in wanted.lines.items()
        ):
            return None
        for run in wanted.runs:
            number = _first_number(run, offered)
            if number is not None:
                return run.at + (number - run.lo) // run.step
        return None


def _wanted(hostlist: Hostlist) -> _Runs:
    """Return the runs of the names that `hosts` yields and `find` may find."""
    runs: list[_Run] = []
    position = 0
    for part in hostlist:
        if not MARK.search(part.prefix + part.suffix):
            runs.extend(_runs(part, position))
        if len(name_of(part, part.hi)) > NAME_SIZE:
            break
        position += part.hi - part.lo + 1
    return _arrange(runs)


@lru_cache(maxsize=256)
def _offered(hostlist: Hostlist) -> _Runs:
    """Return the runs of the names that `find` may find in a list."""
    runs = ((part, run) for part in hostlist for run in _runs(part))
    return _arrange([run for part, run in runs if not overlooked(part, run.width)])


def _arrange(runs: list[_Run]) -> _Runs:
    lines: dict[tuple[str, int], list[idset.Ranges]] = {}
    for run in filter(_plain, runs):
        lines.setdefault((run.head, run.width), []).append(((run.lo, run.hi),))
    odd = [run for run in runs if not _plain(run)]
    return _Runs(runs, odd, {key: idset.union(*ranges) for key, ranges in lines.items()})


def _runs(part: HostRange, position: int = 0) -> Iterator[_Run]:
    """Yield the runs of a range, one for each length of name, up to the greatest allowed."""
    head, tail = part.prefix.rstrip(DIGITS), part.suffix.lstrip(DIGITS)
    lo = part.lo
    while lo <= part.hi:
        name = name_of(part, lo)
        if len(name) > NAME_SIZE:
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
    """Return whether such runs share names only if their heads and widths are equal."""
    return run.step == 1 and not run.tail


def _first_number(run: _Run, offered: _Runs) -> int | None:
    """Return the least number of a run whose name is in the other list."""
    plain = _plain(run)
    others = offered.odd if plain else offered.runs
    numbers = [number for other in others if (number := _first_shared(run, other)) is not None]
    line = offered.lines.get((run.head, run.width), ()) if plain else ()
    index = bisect_left(line, run.lo, key=_last)
    if index < len(line) and line[index][0] <= run.hi:
        numbers.append(max(run.lo, line[index][0]))
    return min(numbers) if numbers else None


_last = itemgetter(1)


def _first_shared(run: _Run, other: _Run) -> int | None:
    """Return the least number of a run whose name is in the other run, too."""
    if run[:3] != other[:3]:
        # A common name needs one head to continue, in digits and more, where the other ends.
        short, long = sorted((run, other), key=lambda either: len(either.head))
        rest = long.head[len(short.head) :]
        name = short.head + rest[: len(rest) - len(rest.lstrip(DIGITS))] + short.tail
        return None if _number(other, name) is None else _number(run, name)
    fine, coarse = sorted((run, other), key=lambda either: either.step)
    start = max(run.lo, other.lo)
    number = start + (coarse.lo - start) % coarse.step  # steps are powers of ten
    shared = number <= min(run.hi, other.hi) and (number - fine.lo) % fine.step == 0
    return number if shared else None


def _number(run: _Run, name: str) -> int | None:
    digits = digits_between(name, run.head, run.tail)
    if len(digits) != run.width or (not digits and name != run.head + run.tail):
        return None
    number = int(digits or "0")
    inside = run.lo <= number <= run.hi and (number - run.lo) % run.step == 0
    return number if inside else None


def intervals(hostlist: Hostlist) -> Iterator[NameInterval]:
    """Yield the `hosts` of a list as intervals of numbers, for an index.

    If a host of one list is found in another, an interval of each have the same prefix and
    width and overlap. The reverse holds too, but for the special cases of `find` and for
    numbers of more than 18 digits: their lo and hi are 0, so that 63 bits suffice. Duplicates
    are kept.

    A range has one interval for each number of digits that occurs in it; a range with a suffix
    has one for every host, so that a caller should limit how many it takes.
    """
    for part in hostlist:
        if _is_one_interval(part):
            yield NameInterval(part.prefix, part.width, part.lo, part.hi)
            continue
        for single in map(HostRange, names_of((part,))) if part.suffix else (part,):
            for head, _, width, lo, hi, _, _ in _runs(single):
                yield NameInterval(head, width, *((lo, hi) if width <= 18 else (0, 0)))


def _is_one_interval(part: HostRange) -> bool:
    """Return whether a range needs no splitting; most do not, so that this is decided first."""
    return (
        0 < part.width <= 18
        and part.hi < 10**part.width
        and not part.suffix
        and part.prefix[-1:] not in _DIGIT_SET
        and len(part.prefix) + part.width <= NAME_SIZE
    )


_DIGIT_SET = frozenset(DIGITS)
