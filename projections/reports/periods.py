# SPDX-License-Identifier: LGPL-3.0
"""Periods: a range of time cut at hours, days, weeks or months of a time zone.

All times are whole microseconds since the epoch. Periods follow each other without a gap: the
first begins where the range does, and the last ends with it.

A day begins at its first instant, which is not midnight where clocks are put forward then.
Weeks are those of ISO 8601, from Monday on. Hours are those of the clock on the wall: where it
is put back by an hour, that hour is there twice, with another offset from UTC.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta, timezone, tzinfo
from typing import NamedTuple
from zoneinfo import ZoneInfo

from projections.job.run_time import HOUR, SECOND

BY = ("hour", "day", "week", "month")


class Period(NamedTuple):
    """From ``start`` to before ``end``.

    ``name`` is that of the whole hour, day, week or month that it is of; empty, if of none.
    """

    start: int
    end: int
    name: str = ""

    @property
    def hours(self) -> tuple[int, int]:
        """The whole hours in it, (first, end) since the epoch; none, if first >= end."""
        return -(-self.start // HOUR), self.end // HOUR


def zone(name: str | None) -> tzinfo:
    """Return the time zone of this name in the tz database; UTC where none is given.

    Raises ValueError where there is none.
    """
    if name is None:
        return timezone.utc
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # OSError: a folder of zones, such as "Europe"
        raise ValueError(
            f"{name!a} is no time zone: expected a name of the tz database, as Europe/Berlin"
        ) from None


def periods(start: int, end: int, by: str | None, where: tzinfo) -> Iterator[Period]:
    """Yield the periods from ``start`` to ``end``; ``by`` is one of BY, None: a single one.

    Raises ValueError where the calendar ends (year 9999) before the range does.
    """
    if by is None:
        yield Period(start, end)
        return
    name = _NAMES[by]
    try:
        while start < end:
            after = min(_next(start, by, where), end)
            yield Period(start, after, name(_local(start, where)))
            start = after
    except OverflowError:
        raise ValueError("the range of time ends after the calendar") from None


def _local(moment: int, where: tzinfo) -> datetime:
    seconds, rest = divmod(moment, SECOND)
    return datetime.fromtimestamp(seconds, where).replace(microsecond=rest)


def _next(moment: int, by: str, where: tzinfo) -> int:
    """Return the end of the period that contains a moment."""
    local = _local(moment, where)
    if by == "hour":
        return moment + HOUR - (local.minute * 60 + local.second) * SECOND - local.microsecond
    day = local.date()
    while True:  # twice where a zone has left out a day
        day = _following(day, by)
        begins = _beginning(day, where)
        if begins > moment:
            return begins


def _following(day: date, by: str) -> date:
    """Return the first day of the period after that of a day."""
    if by == "day":
        return day + timedelta(days=1)
    if by == "week":
        return day + timedelta(days=7 - day.weekday())
    return (day.replace(day=1) + timedelta(days=31)).replace(day=1)


def _beginning(day: date, where: tzinfo) -> int:
    """Return the first instant of a day."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=where)
    late, early = (int(midnight.replace(fold=fold).timestamp()) for fold in (0, 1))
    if late <= early:  # the day has a midnight, or two: the first one
        return late * SECOND
    # The clock was put forward over midnight, at an instant between these two.
    while late - early > 1:
        middle = (early + late) // 2
        if datetime.fromtimestamp(middle, where).date() < day:
            early = middle
        else:
            late = middle
    return (early if datetime.fromtimestamp(early, where).date() >= day else late) * SECOND


def _hour(local: datetime) -> str:
    offset = local.isoformat(timespec="minutes")[16:].replace("+00:00", "Z")
    return f"{local.date()}T{local.hour:02}:00{offset}"


def _week(local: datetime) -> str:
    year, week, _ = local.isocalendar()
    return f"{year:04}-W{week:02}"


_NAMES: dict[str, Callable[[datetime], str]] = {
    "hour": _hour,
    "day": lambda local: local.date().isoformat(),
    "week": _week,
    "month": lambda local: f"{local.year:04}-{local.month:02}",
}
