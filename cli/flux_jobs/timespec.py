# SPDX-License-Identifier: LGPL-3.0
"""Points in time and durations as text, in the forms that `flux jobs` takes and prints.

Durations are Flux Standard Durations (RFC 23). Points in time follow `--since` of
flux-jobs.py and parse_datetime() of Flux's Python module flux.util, which takes English from
the package `parsedatetime`. A time without a zone is a local one. ISO 8601 is an addition: what
flux-core makes of a text such as 2026-01-31T10:00 is a time of the present day.
"""

import math
import re
from datetime import datetime, timezone
from time import localtime

__all__ = ["format_duration", "format_moment", "parse_duration", "parse_time"]

_UNITS = {"ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(\+?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(ms|s|m|h|d)?")
_INFINITY = ("inf", "infinity", "INF", "INFINITY")
_ISO_8601 = re.compile(
    r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d)(:\d\d)?(?:[.,](\d{1,6})\d*)?(?:(Z)|([+-]\d\d):?(\d\d)?)?"
)
_EPOCH_SECONDS = re.compile(r"\d{5,}\.\d*|\d{7,}")
_ACCEPTED = (
    "expected seconds since the epoch, ISO 8601, a duration from now (-6h, +30m) "
    "or English (yesterday, 2 hours ago, Jan 31 10:00)"
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


def format_moment(time: float) -> str:
    """Return a time (seconds since the epoch) in UTC, as ISO 8601, to the microsecond."""
    try:
        return datetime.fromtimestamp(time, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    except (ValueError, OverflowError, OSError):  # beyond the calendar
        return repr(time)


def parse_time(text: str, *, now: float) -> float:
    """Return the time that `text` tells, as seconds since the epoch; so is `now`.

    As in Flux, a date without a time of day means that date at the present time of day
    (`yesterday`, `today` and `tomorrow` mean midnight), and a number that reads as a time of
    day (2024, 123000) is one; from seven digits on it is seconds since the epoch.

    Raises ValueError, in one line that names the accepted forms.
    """
    try:
        seconds = _parse(text.strip(), now)
        datetime.fromtimestamp(seconds)  # the range of dates bounds what times can be shown
    except (ValueError, OverflowError, OSError):
        raise ValueError(f"{text!r} is not a time: {_ACCEPTED}") from None
    return seconds


def _parse(text: str, now: float) -> float:
    if text == "now":
        return now
    if text[:1] in ("+", "-"):
        return now + parse_duration(text[1:]) * (1 if text[0] == "+" else -1)
    if _EPOCH_SECONDS.fullmatch(text):
        return float(text)
    iso = _ISO_8601.fullmatch(text)
    return _from_iso_8601(iso) if iso else _from_english(text, now)


def _from_iso_8601(match: re.Match[str]) -> float:
    date, minute, second, fraction, utc, zone_hour, zone_minute = match.groups("")
    # The one form that fromisoformat() of Python 3.10 knows.
    moment = f"{date}T{minute}{second or ':00'}.{fraction:0<6}"
    zone = "+00:00" if utc else zone_hour and f"{zone_hour}:{zone_minute or '00'}"
    return datetime.fromisoformat(moment + zone).astimezone().timestamp()


def _from_english(text: str, now: float) -> float:
    # Imported here because it is slow to import and most runs of a program do without.
    import parsedatetime  # type: ignore[import-untyped]  # noqa: PLC0415

    calendar = parsedatetime.Calendar(version=parsedatetime.VERSION_CONTEXT_STYLE)
    calendar.ptc.StartHour = 0  # of days like yesterday; its own default is 9
    moment, context = calendar.parse(text, sourceTime=localtime(now))
    if context.dateTimeFlag:
        return datetime(*moment[:6]).astimezone().timestamp()
    return float(text)
