# SPDX-License-Identifier: LGPL-3.0
"""Points in time and durations as text, in the forms that `flux jobs` takes and prints.

Durations are Flux Standard Durations (RFC 23). Points in time follow `--since` of flux-jobs.py
and parse_datetime() of Flux's Python module flux.util, but for two things: ISO 8601 is exact
(iso_8601.py), and a date without a year or a time of day is the latest one in the past, at
midnight (english_time.py). A time without a zone is a local one.
"""

import math
import re
from datetime import date, datetime, timezone

from projections.notation import english_time, iso_8601

__all__ = ["format_duration", "format_moment", "parse_duration", "parse_time"]

_UNITS = {"ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(\+?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(ms|s|m|h|d)?")
_INFINITY = ("inf", "infinity", "INF", "INFINITY")
_NUMBER = re.compile(r"\d+(\.\d*)?([eE]\+?\d+)?")
_FEWEST_DIGITS = 9
"""Of whole seconds since the epoch, which are later than March 1973; 0 is accepted, too."""
_ACCEPTED = (
    "expected seconds since the epoch (nine digits or more, or with a decimal point), ISO 8601 "
    "(2026-01-31T10:00), a duration from now (-6h), or English (yesterday, 2 hours ago, "
    "Jan 31 10:00, 10:30)"
)


def parse_duration(text: str) -> float:
    """Return the seconds (0 to infinity) of a Flux Standard Duration such as 1.5h, 100ms, inf.

    Raises ValueError for anything else.
    """
    if text in _INFINITY:
        return math.inf
    match = _DURATION.fullmatch(text)
    if not match:
        raise ValueError(f"{text!r} is not a duration: expected a number and ms, s, m, h or d")
    return float(match[1]) * _UNITS[match[2] or "s"]


def format_duration(seconds: float) -> str:
    """Return `seconds` as a Flux Standard Duration to show: four digits; below 1 ms, 0s."""
    if math.isinf(seconds):
        return "inf"
    if seconds < 1e-3:
        return "0s"
    if seconds < 10:
        return f"{seconds:.3f}s"
    unit = next(
        (u for u, limit in (("s", 60), ("m", 3600), ("h", 86400)) if seconds < limit), "d"
    )
    return f"{seconds / _UNITS[unit]:.4g}{unit}"


def format_moment(time: float, *, local: bool = False) -> str:
    """Return a time (seconds since the epoch) as ISO 8601, to the microsecond.

    In UTC, with Z, or in local time, with its offset.
    """
    try:
        moment = datetime.fromtimestamp(time, timezone.utc)
        if local:
            return moment.astimezone().isoformat(timespec="microseconds")
        return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    except (ValueError, OverflowError, OSError):  # beyond the calendar
        return repr(time)


def parse_time(text: str, *, now: float) -> float:
    """Return the time that `text` tells, as seconds since the epoch; so is `now`.

    Forms are told apart before they are read, so that a mistake in one is not taken for
    another. A number that could be a year, a time of day or seconds is refused.

    Raises ValueError, in one line that names the accepted forms.
    """
    try:
        seconds = _parse(text.strip(), now)
        datetime.fromtimestamp(seconds)  # the range of dates bounds what times can be shown
    except _AmbiguousError as error:
        raise ValueError(f"{text!a} is ambiguous, {error}: {_ACCEPTED}") from None
    except (ValueError, OverflowError, OSError):
        raise ValueError(f"{text!a} is not a time: {_ACCEPTED}") from None
    return seconds


class _AmbiguousError(ValueError):
    """A text has several meanings."""


def _parse(text: str, now: float) -> float:
    if text == "now":
        return now
    if text[:1] in ("+", "-"):
        return now + parse_duration(text[1:]) * (1 if text[0] == "+" else -1)
    if not text.replace("\N{MINUS SIGN}", "-").isascii() or not text.isprintable():
        raise ValueError("no form has other characters")
    if iso_8601.looks_like(text):
        return iso_8601.parse(text, date.fromtimestamp(now))
    if _NUMBER.fullmatch(text):
        return _seconds(text)
    if not re.search("[A-Za-z:/]", text):
        raise ValueError("nothing but digits and signs")
    return english_time.parse(text, now)


def _seconds(text: str) -> float:
    if text.isdecimal() and 0 < len(text) < _FEWEST_DIGITS and text != "0":
        raise _AmbiguousError("a year, a time of day, or seconds")
    return float(text)
