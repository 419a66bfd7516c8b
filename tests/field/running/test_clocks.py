# SPDX-License-Identifier: LGPL-3.0
"""Clocks that were set while a job was there: rows as flux-accounting's, and said."""

from __future__ import annotations

import json
import re
from itertools import pairwise

import pytest

from tests.support.accounting_db import create, rows
from tests.support.command import Command
from tests.support.field_jobs import EPOCH, STEPS, job, recorded

CASE = recorded("odd-clocks")
# In the case, these had their clock set: back while it ran, back before it was validated,
# from 1970 while it ran. One lived in 1970 all the time, others near 2038 and 2106.
BACK, BEFORE, FROM_1970 = "16777216", "33554432", "67108864"
PAIRS = [f"{one} and {two}" for one, two in pairwise(STEPS)]
HOUR = 3600.0


def stepped(number: int, behind: str, by: float) -> list[bytes]:
    """Return a job behind whose event ``behind`` the clock goes back."""
    at = STEPS.index(behind)
    times = {
        name: EPOCH + index - (by if index > at else 0.0) for index, name in enumerate(STEPS)
    }
    return job(number, times=times)


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Command:
    jobdb = Command(tmp_path_factory.mktemp("case"))
    jobdb.ingest(CASE)
    return jobdb


@pytest.fixture(scope="module")
def everywhere(tmp_path_factory: pytest.TempPathFactory) -> Command:
    """A job for each pair of events between which the clock goes back, and a sound one."""
    jobdb = Command(tmp_path_factory.mktemp("pairs"))
    lines = [line for n, name in enumerate(STEPS[:-1], 1) for line in stepped(n, name, HOUR)]
    jobdb.ingest([*lines, *job(99)])
    return jobdb


def test_rows_stay_those_of_flux_accounting(case: Command) -> None:
    found = {row["id"]: row for row in case("accounting", "--json").objects}
    assert len(found) == 8
    for row in found.values():
        assert row["actual_duration"] == row["t_inactive"] - row["t_run"]
    assert found[16777216]["actual_duration"] == -3595.0
    target = create(case.folder / "accounts")
    case("accounting", "--to", target)
    there = {int(row["id"]): row for row in rows(target)}
    assert {n: row["t_inactive"] for n, row in there.items()} == {
        n: row["t_inactive"] for n, row in found.items()
    }


@pytest.mark.parametrize("how", ["--json", "--to"])
def test_jobs_whose_clock_was_set_are_named(case: Command, how: str) -> None:
    target = create(case.folder / f"accounts{how}")
    err = case("accounting", how, *([target] if how == "--to" else [])).err
    for name in ("ƒ2UzHM", "ƒ6vx8P"):  # it changes what these are charged
        assert len([line for line in err.splitlines() if name in line]) == 1, (name, err)
    for sound in ("ƒ5Sxr3", "ƒ9tvh5"):
        assert sound not in err


def test_an_explanation_says_what_the_clock_did(case: Command) -> None:
    out = case("accounting", "--explain", BACK).out
    assert re.search(r"the clock went back by 359[59] s between `start` and `finish`", out), out
    assert re.search(
        "clock .*`submit` and `validate`", case("accounting", "--explain", BEFORE).out
    )
    assert re.search(
        "clock .*`start` and `finish`", case("accounting", "--explain", FROM_1970).out
    )
    assert "clock" not in case("accounting", "--explain", "100663296").out


@pytest.mark.parametrize("pair", PAIRS)
def test_wherever_the_clock_goes_back_it_is_said(everywhere: Command, pair: str) -> None:
    one, two = pair.split(" and ")
    out = everywhere("accounting", "--explain", str((STEPS.index(one) + 1) << 24)).out
    assert f"the clock went back by 3599 s between `{one}` and `{two}`" in out


def test_each_such_job_is_named_once(everywhere: Command) -> None:
    done = everywhere("accounting", "--json")
    named = re.findall(r"(ƒ\w+)[^\n]*clock", done.err)
    plain = everywhere("list", "-Aa", "--no-header", "-o", "{id.dec} {id.f58}").lines
    names = {int(dec): f58 for dec, f58 in map(str.split, plain)}
    # From `alloc` on, it changes what is charged.
    charged = [names[n << 24] for n in range(STEPS.index("alloc") + 1, len(STEPS))]
    assert set(charged) <= set(named)
    assert len(named) == len(set(named))
    assert names[99 << 24] not in named


def test_rows_with_a_step_anywhere_are_as_they_were(everywhere: Command) -> None:
    for row in everywhere("accounting", "--json").objects:
        assert row["actual_duration"] == row["t_inactive"] - row["t_run"]


def test_a_follower_names_a_job_once(jobdb: Command) -> None:
    jobdb.ingest(CASE)
    first, again = (jobdb("accounting", "--json", "--name", "w").err for _ in range(2))
    assert (True, "") == ("ƒ2UzHM" in first, again)


NONSENSE = re.compile(r"\+-|-1 day|-\d+ days?,|20717 day|20718 day|2\.07\de\+04d|2\.07\d?e\+04")
SHOWING = {
    "history": ("history", BACK),
    "history of one before": ("history", BEFORE),
    "list": ("list", "-Aa"),
    "list !H": ("list", "-Aa", "-o", "{runtime!H} {t_remaining!H} {contextual_time!H}"),
    "list !F": ("list", "-Aa", "-o", "{runtime!F} {contextual_time!F}"),
    "list !P": ("list", "-Aa", "-o", "{runtime!P}"),
    "list long": ("list", "-Aa", "-o", "long"),
}


@pytest.mark.parametrize("name", SHOWING)
def test_no_format_prints_nonsense(case: Command, name: str) -> None:
    done = case(*SHOWING[name])
    assert [] == [line for line in done.lines if NONSENSE.search(line)]


@pytest.mark.parametrize(
    "form",
    [
        "{runtime!H}",
        "{runtime!F}",
        "{contextual_time!F:>8h}",
    ],
)
def test_a_negative_runtime_is_a_dash(case: Command, form: str) -> None:
    assert "-" == case("list", BACK, "--no-header", "-o", form).out.strip()


def test_json_keeps_the_times_that_came(case: Command) -> None:
    (found,) = case("list", BACK, "--json").objects
    assert (found["t_run"], found["t_inactive"]) == (1790000004.5, 1789996409.5)
    events = [json.loads(line) for line in case("info", BACK, "eventlog").lines]
    assert [one["name"] for one in events] == list(STEPS)


def test_a_step_of_many_sizes_harms_nothing(jobdb: Command) -> None:
    sizes = (1e-6, 0.5, 1.0, 1.5, 86400.0, 1.79e9, 1e12, 1e300)
    lines = [
        line
        for number, size in enumerate(sizes, 1)
        for line in stepped(number, STEPS[number], size)
    ]
    jobdb.ingest(lines)
    # Who ended before 1970 ended before the feed's beginning, as in job-list.
    assert len(jobdb("accounting", "--json").lines) == sum(size < EPOCH for size in sizes)
    for number in range(1, len(sizes) + 1, 3):
        jobdb("history", str(number << 24))
        jobdb("accounting", "--explain", str(number << 24))
    assert len(jobdb("list", "-Aa", "--no-header").lines) == len(sizes)
    jobdb("verify")
