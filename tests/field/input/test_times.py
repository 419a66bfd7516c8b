# SPDX-License-Identifier: LGPL-3.0
"""Texts that name a moment: exact in every form of ISO 8601, refused where they are unclear."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime, timezone

import pytest

from projections.notation.timespec import parse_time
from tests.support.command import Command
from tests.support.field_jobs import job, recorded

NOW = datetime(2026, 11, 25, 11, 34, 56, tzinfo=timezone.utc).timestamp()  # a Wednesday
HOUR = 3600.0

# In central Europe, where it is 12:34:56; the right value is in local time unless it ends in Z.
EXACT = {
    "2026-11-20T10:30:15": "2026-11-20T10:30:15",
    "2026-11-20T10:30": "2026-11-20T10:30:00",
    "2026-11-20 10:30": "2026-11-20T10:30:00",
    "2026-11-20T10:30:15.25": "2026-11-20T10:30:15.25",
    "2026-11-20T10:30:15,25": "2026-11-20T10:30:15.25",
    "2026-11-20T10:30:15.123456789": "2026-11-20T10:30:15.123456",
    "2026-11-20T10:30Z": "2026-11-20T10:30:00Z",
    "2026-11-20T10:30:15+01:00": "2026-11-20T09:30:15Z",
    "2026-11-20T10:30:15-0530": "2026-11-20T16:00:15Z",
    "2026-11-20T10:30+05": "2026-11-20T05:30:00Z",
    # The first of two that the clocks showed twice.
    "2026-10-25T02:30": "2026-10-25T00:30:00Z",
    "2026-06-20T10:00": "2026-06-20T08:00:00Z",
}
GUESSES = {
    "2026-11-20": "2026-11-20T00:00:00",
    "20261120": "2026-11-20T00:00:00",
    "2026-11": "2026-11-01T00:00:00",
    "2026-324": "2026-11-20T00:00:00",
    "2026324": "2026-11-20T00:00:00",
    "2026-W47-5": "2026-11-20T00:00:00",
    "2026W475": "2026-11-20T00:00:00",
    "2026-W47": "2026-11-16T00:00:00",
    "2026W47": "2026-11-16T00:00:00",
    "2020-W53-7": "2021-01-03T00:00:00",
    "2024-366": "2024-12-31T00:00:00",
    "2024-02-29": "2024-02-29T00:00:00",
    "2026-11-20T10": "2026-11-20T10:00:00",
    "2026-11-20T1030": "2026-11-20T10:30:00",
    "20261120T10": "2026-11-20T10:00:00",
    "20261120T1030": "2026-11-20T10:30:00",
    "20261120T103015": "2026-11-20T10:30:15",
    "20261120T103015.5Z": "2026-11-20T10:30:15.5Z",
    "20261120T103015,5+0100": "2026-11-20T09:30:15.5Z",
    "2026-W47-5T10:30": "2026-11-20T10:30:00",
    "2026-324T10:30Z": "2026-11-20T10:30:00Z",
    "2026W475T103015": "2026-11-20T10:30:15",
    "2026-11-20T10Z": "2026-11-20T10:00:00Z",
    "2026-11-20T10+01": "2026-11-20T09:00:00Z",
    "2026-11-20T10.5": "2026-11-20T10:30:00",
    "2026-11-20T10:30.25": "2026-11-20T10:30:15",
    "2026-11-20T10:30,25": "2026-11-20T10:30:15",
    "2026-11-20T24:00": "2026-11-21T00:00:00",
    "2026-11-20T24:00:00Z": "2026-11-21T00:00:00Z",
    "2026-11-20t10:30z": "2026-11-20T10:30:00Z",
    "2026-11-20T10:30:15\N{MINUS SIGN}05:30": "2026-11-20T16:00:15Z",
    "2016-12-31T23:59:60Z": "2017-01-01T00:00:00Z",
    "T10:30": "2026-11-25T10:30:00",
    # The clocks skipped it: by the offset that was valid until then (PEP 495).
    "2026-03-29T02:30": "2026-03-29T01:30:00Z",
    # In English: without a year, the latest in the past; without a time of day, midnight.
    "Nov 20": "2026-11-20T00:00:00",
    "20 Nov": "2026-11-20T00:00:00",
    "november 20": "2026-11-20T00:00:00",
    "Jan 31 10:00": "2026-01-31T10:00:00",
    "Nov 30": "2025-11-30T00:00:00",
    "Dec 24": "2025-12-24T00:00:00",
    "Feb 29": "2024-02-29T00:00:00",
    "Nov 20 10:00": "2026-11-20T10:00:00",
    "Nov 25 18:00": "2025-11-25T18:00:00",
    "Nov 20 2025": "2025-11-20T00:00:00",
    "Monday": "2026-11-23T00:00:00",
    "friday": "2026-11-20T00:00:00",
    "Thu": "2026-11-19T00:00:00",
    "Wednesday": "2026-11-25T00:00:00",
    "11/20/2026": "2026-11-20T00:00:00",
}
AS_IN_FLUX = {
    "now": "2026-11-25T12:34:56",
    "-6h": "2026-11-25T06:34:56",
    "-1.5d": "2026-11-24T00:34:56",
    "-90": "2026-11-25T12:33:26",
    "yesterday": "2026-11-24T00:00:00",
    "today": "2026-11-25T00:00:00",
    "2 hours ago": "2026-11-25T10:34:56",
    "10:30": "2026-11-25T10:30:00",
    "1790000000": "2026-09-21T14:13:20Z",
    "1790000000.5": "2026-09-21T14:13:20.5Z",
}  # fmt: skip
REFUSED = (
    "2026-02-29", "2026-02-30", "2026-13-01", "2026-00-10", "2026-11-00", "2026-11-20T25:00",
    "2026-11-20T10:60", "2026-11-20T10:30:61", "2026-11-20T24:01", "2026-11-20T10:30+99:00",
    "2026-11-20T10:30+01:60",
    "26-11-20",
)  # fmt: skip
UNCLEAR = (
    "20261320", "20260230", "2026-366", "2026-000", "2026-W54-1", "2026-W00-1", "2026-W47-8",
    "2026-11-20T", "2026-11-20T1", "2026-11-20X", "2026-11-20T10:30ZZ", "2026-11-20T10:3",
    "2026-11-2", "2026-1-20", "2026-11-20T10:30:15.", "2026-1120", "202611-20",
    "2026-11-20T10:3015", "20261120T10:30 yesterday", "2026-11-20T10:30 UTC+1", "10000-01-01",
    "2026-11-20\n2026-11-21", "\N{FULLWIDTH DIGIT TWO}026-11-20",
    "2026\N{EN DASH}11\N{EN DASH}20",
)  # fmt: skip
NONSENSE = (
    "", " ", "nonsense", "inf", "-inf", "nan", "1e400", "-1e400d", "-99999999999d", "9" * 30,
    "-", "+", "--6h", "-6x", "\x00", "\ud800",
)  # fmt: skip


@pytest.fixture
def _in_europe(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def seconds(text: str) -> float:
    """Return the moment of a right value, in central Europe or UTC."""
    if text.endswith("Z"):
        return (
            datetime.fromisoformat(f"{text[:-1]:<19}").replace(tzinfo=timezone.utc).timestamp()
        )
    return datetime.fromisoformat(text).astimezone().timestamp()


def check(text: str, right: str) -> None:
    whole, _, fraction = right.partition(".")
    digits, zone = fraction.removesuffix("Z"), "Z" if fraction.endswith("Z") else ""
    wanted = seconds(whole + zone) + float(f"0.{digits or 0}")
    assert wanted == pytest.approx(parse_time(text, now=NOW), abs=2e-6)


@pytest.mark.usefixtures("_in_europe")
@pytest.mark.parametrize(("text", "right"), [*EXACT.items(), *AS_IN_FLUX.items()])
def test_a_moment_is_exact(text: str, right: str) -> None:
    check(text, right)


@pytest.mark.usefixtures("_in_europe")
@pytest.mark.parametrize(("text", "right"), GUESSES.items())
def test_a_moment_is_not_guessed(text: str, right: str) -> None:
    check(text, right)


@pytest.mark.usefixtures("_in_europe")
@pytest.mark.parametrize("text", [*REFUSED, *UNCLEAR])
def test_what_is_nearly_iso_8601_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="ISO 8601"):
        parse_time(text, now=NOW)


@pytest.mark.usefixtures("_in_europe")
@pytest.mark.parametrize("text", NONSENSE)
def test_nonsense_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(ValueError, match="ISO 8601") as caught:
        parse_time(text, now=NOW)
    assert str(caught.value).isprintable()


@pytest.mark.usefixtures("_in_europe")
def test_a_day_on_which_clocks_change_is_as_long_as_it_is() -> None:
    def at(text: str) -> float:
        return parse_time(text, now=NOW)

    assert at("2026-03-30T00:00") - at("2026-03-29T00:00") == 23 * HOUR
    assert at("2026-10-26T00:00") - at("2026-10-25T00:00") == 25 * HOUR


ASKING = {
    "list --since": ("list", "-Aa", "--since"),
    "list --as-of": ("list", "-Aa", "--as-of"),
    "rpc --as-of": ("rpc", "job-list.list-attrs", "--as-of"),
    "accounting --since": ("accounting", "--json", "--since"),
}


@pytest.mark.parametrize("when", ["+1h", "2999-01-01T00:00", "32503680000"])
@pytest.mark.parametrize("name", ASKING)
def test_the_future_is_refused(jobdb: Command, name: str, when: str) -> None:
    jobdb.ingest(job(1))
    done = jobdb(*ASKING[name], when, status=2)
    assert "future" in done.err
    assert b"" == done.stdout


@pytest.mark.parametrize("name", ASKING)
def test_on_a_terminal_the_moment_is_said(jobdb: Command, name: str) -> None:
    jobdb.ingest(recorded("reserialised-orig"))
    shown = jobdb.on_terminal(*ASKING[name], "2026-09-21T15:00+01:00")
    assert (shown.status, "2026-09-21T14:00:00" in shown.err) == (0, True)
    assert any(zone in shown.err for zone in ("Z", "UTC", "+00:00"))
    assert shown.err.count("\n") == 1
    assert shown.stdout


@pytest.mark.parametrize("name", ASKING)
def test_where_nobody_looks_nothing_is_said(jobdb: Command, name: str) -> None:
    jobdb.ingest(recorded("reserialised-orig"))
    assert "" == jobdb(*ASKING[name], "2026-09-21T15:00+01:00").err


def test_a_bare_date_is_midnight_on_the_command_line(jobdb: Command) -> None:
    jobdb.ingest([*job(1, start=1790000000.5), *job(2, start=1790035200.5)])  # 23:59:59.5 UTC
    for text in ("2026-09-22", "20260922", "2026-265", "2026-W39-2"):
        found = jobdb("list", "-Aa", "--no-header", "-o", "{id.dec}", "--since", text)
        assert (["33554432"], "") == (found.lines, found.err), text
