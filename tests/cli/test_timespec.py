# SPDX-License-Identifier: LGPL-3.0
"""Times against RFC 23 and against what `flux jobs --since` makes of a text."""

import math
import subprocess
import sys
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projections.notation.timespec import format_duration, parse_duration, parse_time


def utc(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=timezone.utc).timestamp()


NOW = utc("2021-06-10T12:30:15.500")  # 08:30:15 on a Thursday in New York

pytestmark = pytest.mark.usefixtures("new_york")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("now", NOW),
        # seconds since the epoch
        ("1700000000", 1700000000.0),
        ("1700000000.25", 1700000000.25),
        ("1.7e9", 1.7e9),
        ("0", 0.0),
        ("100000000", 1e8),
        ("20240101.5", 20240101.5),
        # offsets in Flux Standard Duration
        ("-6h", NOW - 21600),
        ("+30m", NOW + 1800),
        ("-1.5d", NOW - 129600),
        ("-100ms", NOW - 0.1),
        ("+5", NOW + 5),
        # ISO 8601: local without a zone
        ("2024-01-01T10:00", utc("2024-01-01T15:00")),
        ("2024-07-01T10:00:30", utc("2024-07-01T14:00:30")),
        ("2024-07-01 10:00:30.25", utc("2024-07-01T14:00:30.250")),
        ("2024-01-01T10:00Z", utc("2024-01-01T10:00")),
        ("2024-01-01T10:00:00.123456789Z", utc("2024-01-01T10:00:00.123456")),
        ("2024-01-01T10:00:00,5+02:00", utc("2024-01-01T08:00:00.500")),
        ("2024-01-01T10:00:00-0530", utc("2024-01-01T15:30")),
        ("2024-01-01T10:00-03", utc("2024-01-01T13:00")),
        # English: whole seconds, local
        ("2 hours ago", utc("2021-06-10T10:30:15")),
        ("in 10 min", utc("2021-06-10T12:40:15")),
        ("yesterday", utc("2021-06-09T04:00")),
        ("noon tomorrow", utc("2021-06-11T16:00")),
        ("last wed", utc("2021-06-09T04:00")),
        ("6/10/2021 08:00", utc("2021-06-10T12:00")),
        ("Jan 10, 2021 8am", utc("2021-01-10T13:00")),
        ("  yesterday ", utc("2021-06-09T04:00")),
        # a date alone: midnight
        ("2024-01-01", utc("2024-01-01T05:00")),
        ("20240101", utc("2024-01-01T05:00")),
        ("Jan 1 2024", utc("2024-01-01T05:00")),
        # without a year, or a weekday: the latest
        ("Jun 10", utc("2021-06-10T04:00")),
        ("Jun 11", utc("2020-06-11T04:00")),
        ("Thu 8am", utc("2021-06-10T12:00")),
        ("Thu 9am", utc("2021-06-03T13:00")),
        ("friday", utc("2021-06-04T04:00")),
    ],
)
def test_times(text: str, expected: float) -> None:
    assert expected == parse_time(text, now=NOW)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            " ",
            "blursday",
            "6/45/2021",
            "2024-13-45T10:00",
            "2024-01-01T25:00",
            "nan",
            "inf",
        ),
        *(
            "Jan 10 sometime",
            "jann 5",
            "20.11.2021",
            "Feb 30",
            "é",
            "10:\t30",
            "5 \N{DIGIT FIVE}",
        ),
        *("-", "-x", "-1ns", "--5", "-inf", "+1e400", "-1e12d", "1e30", "wed from jan 9999"),
    ],
)
def test_no_time(text: str) -> None:
    with pytest.raises(ValueError, match="is not a time: expected seconds") as caught:
        parse_time(text, now=NOW)
    assert len(str(caught.value).splitlines()) == 1


@given(st.integers(10**8, 10**11))
def test_nine_digits_are_seconds(seconds: int) -> None:
    assert seconds == parse_time(str(seconds), now=NOW)


@given(st.integers(1, 10**6 - 1))
def test_a_few_digits_are_ambiguous(number: int) -> None:
    with pytest.raises(ValueError, match="ambiguous, a year, a time of day, or seconds"):
        parse_time(str(number), now=NOW)


@given(st.integers(10**6, 10**8 - 1))
def test_seven_or_eight_digits_are_a_date_or_nothing(number: int) -> None:
    text = str(number)
    try:
        found = parse_time(text, now=NOW)
    except ValueError:
        return
    moment = datetime.fromtimestamp(found)
    assert text == moment.strftime("%Y%m%d" if len(text) == 8 else "%Y%j")
    assert (moment.hour, moment.minute, moment.second) == (0, 0, 0)


@given(st.text("0123456789-:TWZ.,+ ", max_size=24))
def test_iso_8601_is_read_as_it_is_or_refused(text: str) -> None:
    try:
        found = parse_time(text, now=NOW)
    except ValueError as error:
        assert str(error).isprintable()
    else:
        assert -1e12 < found < 1e12


@given(st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1)))
def test_forms_of_one_moment_agree(moment: datetime) -> None:
    moment = moment.replace(microsecond=0, fold=0)
    forms = [
        f"{moment:{day}T{clock}}"
        for day in ("%Y-%m-%d", "%Y%m%d", "%G-W%V-%u", "%GW%V%u", "%Y-%j", "%Y%j")
        for clock in ("%H:%M:%S", "%H%M%S")
    ]
    assert {moment.timestamp()} == {parse_time(form, now=NOW) for form in forms}


@given(st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1)), st.integers(-840, 840))
def test_iso_8601_with_a_zone(moment: datetime, minutes: int) -> None:
    moment = moment.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    assert moment.timestamp() == parse_time(moment.isoformat(), now=NOW)


# RFC 23, Test Vectors
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2ms", 0.002),
        ("0.1s", 0.1),
        ("30", 30.0),
        ("1.2h", 4320.0),
        ("5m", 300.0),
        ("0s", 0.0),
        ("5d", 432000.0),
        ("inf", math.inf),
        ("INF", math.inf),
        ("infinity", math.inf),
        (".5m", 30.0),
        ("1e3s", 1000.0),
    ],
)
def test_durations(text: str, expected: float) -> None:
    assert expected == parse_duration(text)


@pytest.mark.parametrize(
    "text", ["", "s", "-1", "1x", "1 h", "1hh", "infs", "nan", "1_0", "0x10", "1h2m", "Inf"]
)
def test_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration: expected a number and ms, s, m"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (-1.0, "0s"),
        (0.0, "0s"),
        (0.0009, "0s"),
        (0.001, "0.001s"),
        (1, "1.000s"),
        (9.9996, "10.000s"),
        (10, "10s"),
        (59.9, "59.9s"),
        (59.99999, "60s"),
        (60, "1m"),
        (601, "10.02m"),
        (3600, "1h"),
        (6001, "1.667h"),
        (86400, "1d"),
        (1e8, "1157d"),
        (math.inf, "inf"),
    ],
)
def test_shown_durations(seconds: float, expected: str) -> None:
    assert expected == format_duration(seconds)


@given(st.floats(0.001, 1e9))
def test_shown_durations_can_be_read(seconds: float) -> None:
    assert seconds == pytest.approx(
        parse_duration(format_duration(seconds)), rel=0.002, abs=6e-4
    )


def test_slow_packages_are_imported_only_when_needed() -> None:
    code = "import sys; from projections.notation import jobid, timespec; print(*sys.modules)"
    output = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout
    assert set() == {"parsedatetime", "mnemonicode"} & set(output.split())
