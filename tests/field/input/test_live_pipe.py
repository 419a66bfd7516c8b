# SPDX-License-Identifier: LGPL-3.0
"""Input that stays open: what came is stored soon, and a signal loses nothing of it."""

from __future__ import annotations

import gzip
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.command import Command, eventually, running, write
from tests.support.field_jobs import job, recorded

CASE = recorded("odd-clocks")  # eight jobs, and the sentinel


@contextmanager
def reading(jobdb: Command, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    """Start an ingest of standard input, and wait until it has made its database."""
    with running(jobdb.start("ingest", *(words or ("-",)))) as process:
        assert eventually(lambda: "sources" in jobdb.stats(), 20)
        yield process


def has(jobdb: Command, events: int) -> bool:
    return eventually(lambda: jobdb.stats()["events"] == events, 4, 0.2)


def left(process: subprocess.Popen[bytes]) -> bytes:
    """Let it end; returns its standard error."""
    _, err = process.communicate(timeout=30)
    assert b"Traceback" not in err, err
    return err


def test_what_came_is_stored_when_the_input_falls_silent(jobdb: Command) -> None:
    with reading(jobdb) as process:
        write(process.stdin, *CASE)
        assert has(jobdb, 80)
        write(process.stdin, *job(9))
        assert has(jobdb, 90)
        assert b"90 events new" in left(process)
        assert process.returncode == 0


def test_input_that_never_falls_silent_is_stored_meanwhile(jobdb: Command) -> None:
    lines = [line for number in range(1, 9) for line in job(number)]
    with reading(jobdb) as process:
        for line in lines[:40]:
            write(process.stdin, line)
            time.sleep(0.05)
        assert jobdb.stats()["events"] > 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
@pytest.mark.parametrize("after", [0.2, 2.0])
def test_a_signal_stores_what_came(jobdb: Command, number: int, after: float) -> None:
    with reading(jobdb) as process:
        write(process.stdin, *CASE)
        time.sleep(after)
        process.send_signal(number)
        err = left(process)
    assert jobdb.stats()["events"] == 80
    assert b"80 events new" in err
    jobdb("verify")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_in_the_middle_of_a_line_stores_the_whole_ones(
    jobdb: Command, number: int
) -> None:
    with reading(jobdb) as process:
        write(process.stdin, *CASE)
        assert process.stdin is not None
        process.stdin.write(job(9)[0][:50])
        process.stdin.flush()
        time.sleep(0.3)
        process.send_signal(number)
        left(process)
    stats = jobdb.stats()
    assert (stats["events"], stats["rejects"]) == (80, 0)
    assert "10 events new, 80 already stored" in jobdb.ingest([*CASE, *job(9)]).err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_before_anything_came_ends_it(jobdb: Command, number: int) -> None:
    with reading(jobdb) as process:
        process.send_signal(number)
        left(process)
    assert jobdb.stats()["events"] == 0
    jobdb.ingest(CASE)  # nothing holds the database


def test_a_line_that_comes_in_two_parts_is_one(jobdb: Command) -> None:
    lines = job(1)
    with reading(jobdb) as process:
        write(process.stdin, *lines[:5])
        assert process.stdin is not None
        process.stdin.write(lines[5][:30])
        process.stdin.flush()
        time.sleep(1.5)
        write(process.stdin, lines[5][30:], *lines[6:])
        assert b"10 events new, 0 already stored; 0 rejects" in left(process)


@pytest.mark.parametrize("whole", [True, False], ids=["a whole member", "a flushed part"])
def test_a_zipped_pipe_is_stored_when_it_falls_silent(jobdb: Command, whole: bool) -> None:
    data = b"".join(line + b"\n" for line in CASE)
    with reading(jobdb) as process:
        assert process.stdin is not None
        zipped = gzip.GzipFile(fileobj=process.stdin, mode="wb")
        zipped.write(data)
        zipped.close() if whole else zipped.flush()
        process.stdin.flush()
        assert has(jobdb, 80)


def test_a_named_pipe_is_read_as_it_comes(jobdb: Command) -> None:
    fifo = jobdb.folder / "fifo"
    os.mkfifo(fifo)
    with running(jobdb.start("ingest", str(fifo))), open(fifo, "wb") as pipe:
        write(pipe, *CASE)
        assert eventually(lambda: jobdb.stats().get("events") == 80)


def test_a_file_and_then_the_pipe_are_both_stored(jobdb: Command) -> None:
    path = jobdb.folder / "journal"
    path.write_bytes(b"".join(line + b"\n" for line in CASE))
    with reading(jobdb, str(path), "-") as process:
        write(process.stdin, *job(9))
        assert has(jobdb, 90)
        process.send_signal(signal.SIGTERM)
        assert b"90 events new" in left(process)


def test_a_signal_while_a_large_file_is_read_keeps_whole_batches(jobdb: Command) -> None:
    path = jobdb.folder / "journal"
    with path.open("wb") as file:
        for number in range(1, 5501):
            file.writelines(line + b"\n" for line in job(number, start=1.79e9 + number * 100))
    with running(jobdb.start("ingest", str(path))) as process:
        assert eventually(lambda: jobdb.stats().get("events", 0) > 0, 30, 0.02)
        process.send_signal(signal.SIGTERM)
        left(process)
    stored = jobdb.stats()["events"]
    jobdb("verify")
    done = jobdb("ingest", str(path))
    assert f"{55_000 - stored} events new, {stored} already stored" in done.err


def test_a_batch_of_requests_is_answered_one_by_one(jobdb: Command) -> None:
    jobdb.ingest(CASE)
    request = b'{"topic":"job-list.list-attrs"}'
    with running(jobdb.start("rpc", "--batch", "-")) as process:
        assert process.stdout is not None
        os.set_blocking(process.stdout.fileno(), False)
        for _ in range(2):
            write(process.stdin, request)
            found: list[bytes] = []

            def answered() -> bool:
                found.append(process.stdout.read() or b"")  # type: ignore[union-attr]  # noqa: B023
                return b"".join(found).endswith(b"\n")  # noqa: B023

            assert eventually(answered, 4)
