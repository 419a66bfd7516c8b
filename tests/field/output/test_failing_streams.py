# SPDX-License-Identifier: LGPL-3.0
"""Streams that take nothing, or end early: one line, and the right status."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.accounting_db import create
from tests.support.command import Command
from tests.support.field_jobs import job, recorded
from tests.support.journal_generator import journal

JOB = "16777216"
PRINTING = {
    "list": "list -Aa",
    "list in columns of its own": "list -Aa -o {id}",
    "list --json": "list -Aa --json",
    "list --stats-only": "list --stats-only",
    "list -o help": "list -o help",
    "history": f"history {JOB}",
    "info": f"info {JOB} eventlog jobspec R",
    "events": "events",
    "events --raw": "events --raw",
    "rpc": "rpc job-list.list-attrs",
    "rpc --batch": "rpc --batch questions",
    "gaps": "gaps",
    "gaps --json": "gaps --json",
    "projections": "projections",
    "rebuild": "rebuild",
    "stats": "stats",
    "stats --json": "stats --json",
    "verify": "verify",
    "backup": "backup copy",
    "recover": "recover --to new",
    "accounting --json": "accounting --json",
    "accounting --to": "accounting --to accounts",
    "accounting --explain": f"accounting --explain {JOB}",
    "--help": "--help",
    "list --help": "list --help",
    "--version": "--version",
}
STATUS = {"list --stats-only": 1}  # no job is active


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Command:
    """A database in which every command has something to print."""
    jobdb = Command(tmp_path_factory.mktemp("streams"))
    # Its beginning was not seen: a gap.
    jobdb.ingest([*recorded("odd-clocks"), *job(9)[1:]])
    create(jobdb.folder / "accounts")
    (jobdb.folder / "questions").write_text('{"topic":"job-list.list-attrs"}\n')
    return jobdb


@pytest.fixture
def jobdb(stored: Command) -> Command:
    for name in ("copy", "new", "new-lock", "new-wal", "new-shm"):
        (stored.folder / name).unlink(missing_ok=True)
    return stored


@pytest.mark.parametrize("name", PRINTING)
def test_a_full_disk_under_standard_output_is_one_line(jobdb: Command, name: str) -> None:
    with open("/dev/full", "wb") as full:
        done = jobdb(*PRINTING[name].split(), stdout=full, status=1)
    # Jobs whose clock was set are named as well.
    (said,) = [line for line in done.err.splitlines() if "the clock went" not in line]
    assert "No space left on device" in said
    assert said.startswith("flux-jobdb: ")


@pytest.mark.parametrize("name", PRINTING)
def test_a_reader_that_has_gone_is_no_error(jobdb: Command, name: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = jobdb.run(*PRINTING[name].split(), stdout=writer)
    finally:
        os.close(writer)
    # As other programs do: nothing said, and 0 or the signal.
    said = [line for line in done.err.splitlines() if "the clock went" not in line]
    assert (said, done.status in {0, -13, STATUS.get(name, 0)}) == ([], True), done


def test_a_pipeline_that_must_not_fail_does_not(jobdb: Command) -> None:
    script = "set -eo pipefail; jobdb {} | true"
    for words in ("list -Aa", "events", "list -Aa --json", "history 16777216", "stats"):
        done = jobdb.shell(script.format(words))
        assert (0, "") == (done.status, done.err), words


def test_a_long_output_that_is_cut_short_is_no_error(tmp_path: Path) -> None:
    jobdb = Command(tmp_path)
    jobdb.ingest(list(journal(400)))
    for words in ("list -Aa -c0", "list -Aac0 --json", "events", "accounting --json"):
        done = jobdb.shell(f"set -eo pipefail; jobdb {words} | head -c 100 > /dev/null")
        assert (0, "") == (done.status, done.err), words


def test_an_interrupted_reader_does_not_move_the_cursor(tmp_path: Path) -> None:
    jobdb = Command(tmp_path)
    jobdb.ingest(list(journal(400)))
    jobdb.shell("jobdb accounting --json --name w | head -c 100 > /dev/null")
    with open("/dev/full", "wb") as full:
        jobdb.run("accounting", "--json", "--name", "w", stdout=full)
    assert len(jobdb("accounting", "--json", "--name", "w").lines) == 400


@pytest.mark.parametrize("words", ["list -Aa", "list -Aa --json", "events", "stats", "--help"])
def test_no_standard_output_at_all_is_one_line(jobdb: Command, words: str) -> None:
    done = jobdb.shell(f"jobdb {words} >&-")
    assert (1, 1) == (done.status, done.err.count("\n")), done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize("where", ["2>&-", "2>/dev/full"])
def test_standard_error_that_fails_loses_no_event(tmp_path: Path, where: str) -> None:
    jobdb = Command(tmp_path)
    (tmp_path / "journal").write_bytes(b"".join(line + b"\n" for line in job(1)))
    done = jobdb.shell(f"jobdb ingest journal {where}")
    assert jobdb.stats()["events"] == 10
    assert done.status in {0, 1}


def test_standard_error_that_is_full_does_not_hide_the_status(jobdb: Command) -> None:
    for words, status in (("history 5", 1), ("no-such-command", 2), ("ingest absent", 1)):
        for where in ("2>/dev/full", "2>&-"):
            assert status == jobdb.shell(f"jobdb {words} {where}").status, (words, where)


@pytest.mark.parametrize(
    "words",
    [
        "ingest -",
        "rpc job-list.list -",
        "rpc --batch -",
    ],
)
def test_no_standard_input_at_all_is_one_line(jobdb: Command, words: str) -> None:
    done = jobdb.shell(f"jobdb {words} <&-")
    assert (1, "") == (done.status, done.out), done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize("data", [b"", b"\x80", b"{", b"[" * 100_000])
def test_a_request_that_is_none_is_answered_with_an_error(jobdb: Command, data: bytes) -> None:
    done = jobdb("rpc", "job-list.list", "-", stdin=data, status=1)
    assert '"errno":71' in done.err.replace(" ", "")
