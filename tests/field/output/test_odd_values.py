# SPDX-License-Identifier: LGPL-3.0
"""One odd value is one odd cell: every row is shown, whatever it holds."""

from __future__ import annotations

import json

import pytest

from cli.flux_jobs import fields
from cli.flux_jobs.named_formats import FORMATS
from tests.support.command import Command
from tests.support.field_jobs import EPOCH, event, job, recorded

CASE = recorded("odd-clocks")
NAMES = sorted(
    {*fields._FIELDS, "annotations.user.x", "user.x", "sched.t_estimate", "sched", "user"}
    | {"sched.reason_pending", "user.x[0]", "instance.stats", "instance.utilization"}
)
CONVERSIONS = ("", "!s", "!r", "!a", "!d", "!D", "!F", "!H", "!P")
SPECS = (
    "", ":>12", ":<8.3h", ":h+", ":d", ":x", ":c", ":.3f", ":e", ":%", ":,", ":>+12.4g", ":s",
    ":=10", ":010", ":n", ":b",
)  # fmt: skip
DATES = ("%FT%T", "%s", "%C %G %V", "%c", "%%", "%Ey", "%5", "")
# What JSON can say of a number, and what nobody expects.
NUMBERS = (
    "1e300", "-1e300", "1e12", "1e19", "1e-300", "-1.5", "-1e12", "67768036191676799", "0",
    "9223372036854775807", "253402300800", "-62135596801", "18446744073709551615",
)  # fmt: skip
VALUES = (
    "null",
    "true",
    '""',
    '"1e400"',
    "[]",
    "{}",
    '[1,"a",null]',
    '{"a":{"b":[1]}}',
    '"NaN"',
)


def with_number(number: int, text: str) -> list[bytes]:
    """Return a job that has an odd number wherever it can be."""
    notes = f'{{"user":{{"x":{text}}},"sched":{{"t_estimate":{text},"reason_pending":{text}}}}}'
    annotations = f'{{"annotations":{notes}}}'
    lines = job(
        number,
        system={"duration": "ODD"},
        expiration="ODD",  # type: ignore[arg-type]
        contexts={"priority": {"priority": "ODD"}, "finish": {"status": "ODD"}},
        also={"priority": [event(EPOCH + 3.5, "annotations", "NOTES")]},
    )
    return [
        line.replace(b'"ODD"', text.encode()).replace(b'"NOTES"', annotations.encode())
        for line in lines
    ]


def at_time(number: int, text: str) -> list[bytes]:
    """Return a job all of whose events have an odd time."""
    whole = [json.loads(line) for line in job(number)]
    for part in whole:
        part["events"][0]["timestamp"] = "ODD"
    return [json.dumps(part).replace('"ODD"', text).encode() for part in whole]


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Command:
    """Jobs with all of these; what is no event of RFC 18 is among the rejects."""
    jobdb = Command(tmp_path_factory.mktemp("values"))
    lines = list(CASE)
    texts = [*NUMBERS, *VALUES]
    for number, text in enumerate(texts, 20):
        lines += with_number(number, text)
    for number, text in enumerate(NUMBERS, 60):
        lines += at_time(number, text)
    estimate = {"annotations": {"sched": {"t_estimate": 1e300}}}
    waiting = job(
        99, last="priority", also={"priority": [event(EPOCH, "annotations", estimate)]}
    )
    begins = (*NUMBERS, "x", "99999999999", "99999999999.9", "-1", "1" * 400)
    added = [
        event(EPOCH, "dependency-add", {"description": f"begin-time={begin}"})
        for begin in begins
    ]
    waits = job(98, last="submit", also={"submit": added})
    jobdb.ingest([*lines, *waiting, *waits], status=(0, 3))
    return jobdb


@pytest.fixture(scope="module")
def count(stored: Command) -> int:
    """How many jobs there are."""
    return len(stored("list", "-Aac0", "--json").lines)


def test_all_jobs_are_there(count: int) -> None:
    assert count > 8 + len(NUMBERS) + len(VALUES)


def test_a_job_that_expires_in_the_year_33715_has_a_dash(jobdb: Command) -> None:
    jobdb.ingest(CASE)
    done = jobdb("list", "-Aa", "--no-header", "-o", "{id.dec} {expiration!D}")
    assert len(done.lines) == 8
    assert "83886080 -" in done.lines
    assert "100663296 2026-09-21T15:14:24" in done.lines
    assert "" == done.err


@pytest.mark.parametrize(
    "conversion",
    CONVERSIONS,
)
def test_every_field_can_be_shown_with_every_conversion(
    stored: Command, count: int, conversion: str
) -> None:
    form = " ".join(f"{{{name}{conversion}}}" for name in NAMES)
    done = stored("list", "-Aac0", "--no-header", "-o", form)
    assert (count, "") == (len(done.lines), done.err)


@pytest.mark.parametrize("conversion", ["", "!F", "!H", "!P", "!D"])
def test_every_field_can_be_shown_with_every_spec(
    stored: Command, count: int, conversion: str
) -> None:
    form = " ".join(f"{{{name}{conversion}{spec}}}" for name in NAMES for spec in SPECS)
    done = stored("list", "-Aac0", "--no-header", "-o", form)
    assert (count, "") == (len(done.lines), done.err)


def test_every_field_can_be_shown_as_every_date(stored: Command, count: int) -> None:
    form = " ".join(f"{{{name}!d:{date}::>20h}}" for name in NAMES for date in DATES)
    done = stored("list", "-Aac0", "--no-header", "-o", form)
    assert (count, "") == (len(done.lines), done.err)


def test_fields_that_fit_their_columns_can_be_odd(stored: Command, count: int) -> None:
    form = " ".join(
        f"{mark}{{{name}{conversion}}}"
        for name in NAMES
        for mark in ("?:", "+:", "?+:")
        for conversion in ("", "!D", "!F")
    )
    done = stored("list", "-Aac0", "--no-header", "-o", form)
    assert (count, "") == (len(done.lines), done.err)


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_with_a_name_shows_all(stored: Command, count: int, form: str) -> None:
    done = stored("list", "-Aac0", "--no-header", "-o", form)
    assert (count, "") == (len(done.lines), done.err)


@pytest.mark.parametrize(
    "keys",
    ["t_submit,-expiration", "user.x", "-annotations", "sched.t_estimate,userid", "name"],
)
def test_a_list_can_be_sorted_by_odd_values(stored: Command, count: int, keys: str) -> None:
    done = stored("list", "-Aac0", "--no-header", "--sort", keys, "-o", "{id.dec}")
    assert count == len(done.lines)


def test_a_value_that_does_not_suit_is_a_dash_in_its_cell(jobdb: Command) -> None:
    jobdb.ingest([*job(1, name="text", expiration=1e300), *job(2, name="more")])
    form = "{id.dec}|{name!D}|{name!F}|{name:d}|{expiration!D:>21}|{expiration!d:%F::>12}"
    done = jobdb("list", "-Aa", "--no-header", "--sort", "id", "-o", form)
    first = ["16777216", "-", "-", "-", f"{'-':>21}", f"{'-':>12}"]
    assert first == done.lines[0].split("|")
    assert done.lines[1] == "33554432|-|-|-|  2026-09-21T15:13:24|  2026-09-21"


def test_a_mistake_in_a_format_is_still_one(jobdb: Command) -> None:
    jobdb.ingest(job(1))
    for form in ("{nosuch}", "{name!x}", "{name:q}", "{name", "{name:5.}"):
        assert "Error" in jobdb("list", "-Aa", "-o", form, status=2).err


def test_other_commands_take_odd_values(stored: Command) -> None:
    for number in (*range(20, 42), *range(60, 73), 98, 99):
        jobid = str(number << 24)
        if number % 7 == 0 or number > 90:
            stored("history", jobid)
            stored("accounting", "--explain", jobid)
    for words in ("stats", "gaps", "accounting --json", "verify", "list --stats-only -A"):
        stored(*words.split(), status=(0, 1))
