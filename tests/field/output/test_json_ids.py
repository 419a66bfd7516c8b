# SPDX-License-Identifier: LGPL-3.0
"""Ids that common readers of JSON change: each is there as text, too, as `flux jobs` has it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from projections.notation.jobid import encode, parse
from tests.support.command import Command
from tests.support.field_jobs import SENTINEL, backlog, job, recorded

LARGE = (2**53 + 1, 2**53 + 2049, 2**60 + 1, 2**63 - 1, 1)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Command:
    """Jobs with large ids, met in a backlog so that each has a gap."""
    jobdb = Command(tmp_path_factory.mktemp("ids"))
    jobdb.ingest([*(backlog(job(jobid=jobid)) for jobid in LARGE), SENTINEL])
    return jobdb


def doubles(done: Any) -> list[dict[str, Any]]:
    """Read lines as JavaScript and jq do: all numbers are doubles."""
    return [json.loads(line, parse_int=float) for line in done.lines]


@pytest.mark.parametrize("words", ["list -Aa --json", "accounting --json", "gaps --json"])
def test_each_line_has_its_id_as_text(stored: Command, words: str) -> None:
    found = doubles(stored(*words.split()))
    assert {parse(row["jobid"]) for row in found} == set(LARGE)
    assert all(row["jobid"].startswith("ƒ") for row in found)
    for row in stored(*words.split()).objects:
        assert row["id"] == parse(row["jobid"])


def test_the_list_of_one_job_has_it(stored: Command) -> None:
    (row,) = doubles(stored("list", "--json", str(LARGE[0])))
    assert row["jobid"] == encode(LARGE[0])


def test_the_case_that_was_reported(jobdb: Command) -> None:
    jobdb.ingest(recorded("json-ids"))
    for words in (("list", "-Aa", "--json"), ("accounting", "--json")):
        rows = {row["jobid"]: row["id"] for row in jobdb(*words).objects}
        assert rows["ƒ2DLNrMSN3J"] == 9007199254748161


def test_events_name_the_job_as_text(stored: Command) -> None:
    assert {line.split()[1] for line in stored("events").lines} == set(map(encode, LARGE))


@pytest.mark.parametrize("words", ["list -Aa --json", "accounting --json", "gaps --json"])
def test_the_text_follows_the_locale(stored: Command, words: str) -> None:
    found = stored(*words.split(), env={"LC_ALL": "C"}).objects
    assert all(row["jobid"].startswith("f") for row in found)


def test_a_gap_that_concerns_no_job_has_none(jobdb: Command) -> None:
    jobdb.ingest(job(1))
    (jobdb.folder / "torn.gz").write_bytes(b"\x1f\x8b\x08\0\0\0\0\0\0\3torn")
    jobdb("ingest", "torn.gz", status=1)
    (row,) = jobdb("gaps", "--json").objects
    assert (None, None, "source") == (row["id"], row["jobid"], row["kind"])


def test_answers_of_rpc_stay_those_of_job_list(stored: Command) -> None:
    (found,) = stored("rpc", "job-list.list-id", f'{{"id":{LARGE[0]},"attrs":["all"]}}').objects
    assert "jobid" not in found["job"]
