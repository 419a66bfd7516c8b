# SPDX-License-Identifier: LGPL-3.0
"""Several exporters of one name at once: each job goes out once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from projections.engine.consumer_cursor import Consumer
from tests.support.accounting_db import create, ids
from tests.support.command import Command, eventually, running
from tests.support.journal_generator import EPOCH, journal

JOBS = 300  # more than a pipe holds: who prints them into one that nobody reads stops midway
EXPORT = ("accounting", "--json", "--name", "w")


@pytest.fixture
def jobdb(tmp_path: Path) -> Command:
    found = Command(tmp_path)
    found.ingest(list(journal(JOBS)))
    return found


def exported(*texts: bytes) -> list[int]:
    return sorted(json.loads(line)["id"] for text in texts for line in text.splitlines())


def midway(process: subprocess.Popen[bytes]) -> bytes:
    """Wait until it has printed a first part; returns that."""
    assert process.stdout is not None
    return os.read(process.stdout.fileno(), 1)  # a buffer would keep what communicate() reads


def test_of_two_at_once_each_job_comes_once(jobdb: Command) -> None:
    with running(jobdb.start(*EXPORT)) as one:
        first = midway(one)
        with running(jobdb.start(*EXPORT)) as two:
            second = b""
            try:
                second, err = two.communicate(timeout=2)
            except subprocess.TimeoutExpired:  # it waits
                rest, _ = one.communicate(timeout=30)
                second, err = two.communicate(timeout=30)
            else:
                rest, _ = one.communicate(timeout=30)
                assert (1, True) == (two.returncode, str(one.pid).encode() in err), err
            assert 0 == one.returncode
    found = exported(first + rest, second)
    assert (JOBS, JOBS) == (len(found), len(set(found)))
    assert b"" == jobdb(*EXPORT).stdout


def test_of_three_at_once_each_job_comes_once(jobdb: Command) -> None:
    started = [jobdb.start(*EXPORT) for _ in range(3)]
    done = [process.communicate(timeout=60) for process in started]
    found = exported(*(out for out, _ in done))
    assert (JOBS, JOBS) == (len(found), len(set(found)))
    assert {process.returncode for process in started} <= {0, 1}
    for process, (_, err) in zip(started, done, strict=True):
        assert process.returncode == 0 or b"process" in err


def test_a_follower_keeps_others_of_its_name_out(jobdb: Command) -> None:
    path = jobdb.folder / "out"
    with path.open("wb") as file, running(jobdb.start(*EXPORT, "--follow", stdout=file)) as one:
        assert eventually(lambda: path.read_bytes().count(b"\n") == JOBS, 20)
        jobdb.ingest(list(journal(50, seed=7, start=EPOCH + 1e6, first=10**6)))
        with running(jobdb.start(*EXPORT)) as two:
            second, _ = two.communicate(timeout=20)
        assert eventually(lambda: path.read_bytes().count(b"\n") + second.count(b"\n") >= 350)
        one.send_signal(signal.SIGINT)
        one.communicate(timeout=20)
    found = exported(path.read_bytes(), second)
    assert (JOBS + 50, JOBS + 50) == (len(found), len(set(found)))


def test_what_a_killed_one_printed_comes_again(jobdb: Command) -> None:
    with running(jobdb.start(*EXPORT)) as one:
        midway(one)
        one.kill()
    assert JOBS == len(set(exported(jobdb(*EXPORT).stdout)))
    assert b"" == jobdb(*EXPORT).stdout


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_who_waits_goes_on_when_the_first_dies(jobdb: Command, number: int) -> None:
    with running(jobdb.start(*EXPORT)) as one:
        midway(one)
        with running(jobdb.start(*EXPORT)) as two:
            try:
                second, err = two.communicate(timeout=1.5)
                assert (1, b"") == (two.returncode, second)  # refused
                assert str(one.pid).encode() in err
            except subprocess.TimeoutExpired:
                one.send_signal(number)
                one.communicate(timeout=10)
                assert JOBS == len(exported(two.communicate(timeout=30)[0]))


def test_other_names_are_not_in_each_others_way(jobdb: Command) -> None:
    with running(jobdb.start(*EXPORT)) as one:
        midway(one)
        assert JOBS == len(jobdb("accounting", "--json", "--name", "other").lines)
        assert JOBS == len(jobdb("accounting", "--json").lines)
        one.communicate(timeout=20)


def test_two_feeds_of_one_target_add_each_job_once(jobdb: Command) -> None:
    target = create(jobdb.folder / "accounts")
    started = [jobdb.start("accounting", "--to", target) for _ in range(3)]
    outs, said = zip(*(process.communicate(timeout=60) for process in started), strict=True)
    assert [0] * 3 == [process.returncode for process in started], said
    assert JOBS == sum(int(out.split()[0]) for out in outs)
    assert JOBS == len(ids(target))


def test_a_link_to_the_database_is_the_same_database(jobdb: Command) -> None:
    """One name under two paths is one reader."""
    link = jobdb.folder / "link.sqlite"
    link.symlink_to(jobdb.db)
    with running(jobdb.start(*EXPORT)) as one:
        midway(one)
        refused = jobdb("--db", str(link), *EXPORT, status=1)
        assert str(one.pid) in refused.err
        one.communicate(timeout=30)
    assert b"" == jobdb("--db", str(link), *EXPORT).stdout


def test_a_dry_run_takes_no_lock(jobdb: Command) -> None:
    with running(jobdb.start(*EXPORT)) as one:
        midway(one)
        assert JOBS == len(jobdb(*EXPORT, "--dry-run").lines)
        one.communicate(timeout=30)


def test_the_python_interface_has_the_same_lock(jobdb: Command) -> None:
    consumer = Consumer(str(jobdb.db), "w")
    with consumer.held():
        assert str(os.getpid()) in jobdb(*EXPORT, status=1).err
    jobdb(*EXPORT)
    before = consumer.position
    with consumer.held():
        assert consumer.position != before  # as it was saved meanwhile
