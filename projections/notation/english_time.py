# SPDX-License-Identifier: LGPL-3.0
"""Points in time in English, as `flux jobs --since` takes them, by the package `parsedatetime`.

What history is asked for lies in the past: a date without a year, or a weekday, is the latest
one. A date without a time of day is midnight. A word that `parsedatetime` does not know is
refused, where it would pass over it.
"""

import re
from datetime import datetime, timedelta
from time import localtime, struct_time
from typing import Any

__all__ = ["parse"]

_MONTHS = "jan(uary)?|feb(ruary)?|mar(ch)?|apr(il)?|may|june?|july?|aug(ust)?|sept?(ember)?|oct(ober)?|nov(ember)?|dec(ember)?"  # noqa: E501
_WEEKDAYS = (
    "mon(day)?|tue(s|sday)?|wed(nesday)?|thu(r|rs|rsday)?|fri(day)?|sat(urday)?|sun(day)?"
)
_UNITS = "s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|dys?|days?|w|wks?|weeks?|mths?|months?|y|yrs?|years?"  # noqa: E501
_NUMBERS = "an?|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|st|nd|rd|th"
_OTHERS = (
    "ago|in|from|at|on|of|the|and|last|next|this|prev(ious)?|past|before|after|since|now|today|"
    "yesterday|tomorrow|noon|midnight|morning|afternoon|evening|night|tonight|am|pm|a|p|"
    "eod|eom|eoy|end|half|lunch|breakfast|dinner|current|prior"
)
_WORD = re.compile("|".join((_MONTHS, _WEEKDAYS, _UNITS, _NUMBERS, _OTHERS)))
_A_DATE = re.compile(rf"\b({_MONTHS}|{_WEEKDAYS})\b|\d/\d")
_A_WEEKDAY = re.compile(rf"\b({_WEEKDAYS})\b")
_RELATIVE = re.compile(r"\b(last|next|this|prev(ious)?|ago|from|in|before|after)\b")
_LEAP_YEARS = 8
"""Years back to look for a date: between two that have a 29 February."""


def parse(text: str, now: float) -> float:
    """Return the time as seconds since the epoch; so is `now`. Raises ValueError."""
    text = text.lower()
    if not all(_WORD.fullmatch(word) for word in re.findall(r"[^\W\d_]+", text)):
        raise ValueError("not all words are known")
    if not _A_DATE.search(text) or _RELATIVE.search(text):
        return _read(text, localtime(now), midnight=bool(_A_DATE.search(text))).timestamp()
    if _A_WEEKDAY.search(text) and not re.search(rf"\b({_MONTHS})\b|\d/\d", text):
        return _latest_weekday(text, now)
    return _latest_date(text, now)


def _latest_date(text: str, now: float) -> float:
    """Return a date of the text's own year, else of the latest year in which it was past."""
    today = localtime(now)
    found = None
    for year in range(today.tm_year, today.tm_year - _LEAP_YEARS - 1, -1):
        try:
            moment = _read(text, _in_year(today, year), midnight=True)
        except ValueError:  # no 29 February in this year
            continue
        if moment == found or moment.timestamp() <= now:
            return moment.timestamp()  # the same for two years: the text says which
        found = moment
    raise ValueError("no such date")


def _latest_weekday(text: str, now: float) -> float:
    today = datetime.fromtimestamp(now)
    moment = _read(text, localtime(now), midnight=True)
    back = timedelta(days=(today.weekday() - moment.weekday()) % 7)
    found = datetime.combine(today.date() - back, moment.time())
    if found.timestamp() > now:  # today, later
        found -= timedelta(weeks=1)
    return found.timestamp()


def _in_year(today: struct_time, year: int) -> struct_time:
    # The day counts only for what is relative to it, which a date is not: 28 is in any month.
    return struct_time((year, today.tm_mon, min(today.tm_mday, 28), *today[3:]))


def _read(text: str, today: struct_time, *, midnight: bool) -> datetime:
    """Read a text as on a day; `midnight`: where it names no time of day, it means that."""
    # Imported here because it is slow to import and most runs of a program do without.
    import parsedatetime  # type: ignore[import-untyped]  # noqa: PLC0415

    calendar = parsedatetime.Calendar(version=parsedatetime.VERSION_CONTEXT_STYLE)
    calendar.ptc.StartHour = 0  # of days like yesterday; its own default is 9
    calendar.ptc.YearParseStyle = 0  # a date without a year: of this year, also when past
    context: Any
    try:
        found, context = calendar.parse(text, sourceTime=today)
    except (ArithmeticError, AttributeError, LookupError, TypeError) as error:
        raise ValueError("parsedatetime fails") from error
    if not context.dateTimeFlag:
        raise ValueError("no time is found")
    moment = datetime(*found[:6])
    if midnight and not context.hasTime:
        return datetime(moment.year, moment.month, moment.day)
    return moment
