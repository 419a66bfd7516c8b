# SPDX-License-Identifier: LGPL-3.0
"""ISO 8601 in all its forms that name a moment, and nothing besides.

    date   2026-11-20, 20261120, 2026-11   calendar; a month means its first day
           2026-W47-5, 2026W475, 2026-W47  week; a week means its Monday
           2026-324, 2026324               day of the year
    time   10, 10:30, 1030, 10:30:15, 103015, and decimals of the last part (10:30:15.5,
           10.5), 24:00 for the end of a day, a second 60 at the end of an hour
    zone   Z, +01, +01:00, -0530; none: local time

Date and time are joined by T, or by one space; a time alone is `T10:30`. Letters may be small.
The first of two equal local times is meant where clocks go back; one that they skip has the
offset that was valid before (PEP 495).
"""

import re
from datetime import date, datetime, timedelta, timezone

__all__ = ["looks_like", "parse"]

_DATE = re.compile(
    r"(?P<year>\d{4})(?:"
    r"-(?P<month>\d\d)(?:-(?P<day>\d\d))?|(?P<month_>\d\d)(?P<day_>\d\d)|"
    r"-W(?P<week>\d\d)(?:-(?P<weekday>\d))?|W(?P<week_>\d\d)(?P<weekday_>\d)?|"
    r"-?(?P<ordinal>\d{3}))"
)
_TIME = re.compile(
    r"(?P<hour>\d\d)(?:(?P<colon>:?)(?P<minute>\d\d)(?:(?P=colon)(?P<second>\d\d))?)?"
    r"(?:[.,](?P<decimals>\d+))?"
    r"(?P<zone>Z|(?P<sign>[+-])(?P<zone_hour>\d\d)(?::?(?P<zone_minute>\d\d))?)?"
)
# What a reader would take for it: it is that, or a mistake.
_NEARLY = re.compile(r"\d{4,}-|\d{4,}W|\d{4,}T|T\d|\d{1,3}-\d|\d+[T ]\d")
_DIGITS_OF_A_DATE = (7, 8)


def looks_like(text: str) -> bool:
    """Whether a text is meant as ISO 8601: then it is exact, or refused."""
    digits_only = text.isdecimal() and len(text) in _DIGITS_OF_A_DATE
    return digits_only or bool(_NEARLY.match(text.upper()))


def parse(text: str, today: date) -> float:
    """Return the moment as seconds since the epoch; `today` is the date of a time alone.

    Raises ValueError for anything that is not ISO 8601, and for dates that there are not.
    """
    text = text.upper().replace("\N{MINUS SIGN}", "-")
    day, separator, clock = re.fullmatch(r"([^T ]*)([T ]?)(.*)", text).groups()  # type: ignore[union-attr]
    midnight = datetime.combine(_date(day) if day else today, datetime.min.time())
    if not separator:
        return midnight.timestamp()
    if not day and separator == " ":
        raise ValueError("neither date nor time")
    return _at(midnight, clock)


def _date(text: str) -> date:
    match = _DATE.fullmatch(text)
    if not match:
        raise ValueError("no date")
    part = {name.rstrip("_"): int(found) for name, found in match.groupdict().items() if found}
    year = part["year"]
    if "ordinal" in part:
        found = date(year, 1, 1) + timedelta(days=part["ordinal"] - 1)
        if found.year != year:
            raise ValueError("the year has no such day")
        return found
    if "week" in part:
        return date.fromisocalendar(year, part["week"], part.get("weekday", 1))
    return date(year, part["month"], part.get("day", 1))


def _at(midnight: datetime, text: str) -> float:
    match = _TIME.fullmatch(text)
    if not match:
        raise ValueError("no time of day")
    hour, minute, second = (int(match[name] or 0) for name in ("hour", "minute", "second"))
    unit = 1 if match["second"] else 60 if match["minute"] else 3600
    # Exact, and cut to what a datetime can hold.
    micros = int((match["decimals"] or "0")[:15].ljust(15, "0")) * unit // 10**9
    end_of_day = hour == 24 and not (minute or second or micros)
    leap = second == 60 and minute == 59
    if not ((hour < 24 or end_of_day) and minute < 60 and (second < 60 or leap)):
        raise ValueError("no time of day")
    moment = midnight + timedelta(
        hours=hour, minutes=minute, seconds=second, microseconds=micros
    )
    if match["zone"]:
        moment = moment.replace(tzinfo=_zone(match))
    return moment.timestamp()


def _zone(match: re.Match[str]) -> timezone:
    hours, minutes = int(match["zone_hour"] or 0), int(match["zone_minute"] or 0)
    if minutes > 59:
        raise ValueError("no offset from UTC")
    offset = timedelta(hours=hours, minutes=minutes)
    return timezone(-offset if match["sign"] == "-" else offset)
