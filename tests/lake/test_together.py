# SPDX-License-Identifier: LGPL-3.0
"""Exporters and readers at the same time: one waits for none, and none sees a row twice."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from tests.lake.asking import export, finished_texts, pq, rows, texts
from tests.support import field_jobs
from tests.support.command import Command
from tests.support.journal_generator import journal

LATE = 6
WORDS = ("export", "--cluster=tuolumne")


def read(lake: Path) -> list[int]:
    """Return the seqs of events in the documented way, as a reader of another program."""
    while True:
        listed = json.loads((lake / "manifest" / "tuolumne.json").read_bytes())["files"]
        found: list[int] = []
        try:
            for file in listed:
                if file["path"].startswith("events/"):
                    found += seqs(lake / file["path"])
        except FileNotFoundError:
            continue  # the manifest was replaced since it was read
        return found


def seqs(path: Path) -> list[int]:
    for name in (path, path.with_name("._part." + path.name), path):
        try:
            with name.open("rb") as file:
                found: list[int] = pq.read_table(file, columns=["seq"])["seq"].to_pylist()
                return found
        except FileNotFoundError:
            continue
    raise FileNotFoundError(path)


def test_a_reader_sees_each_row_once_at_any_time(tmp_path: Path) -> None:
    jobdb, lake = Command(tmp_path), tmp_path / "lake"
    jobdb.ingest([*journal(60), *field_jobs.job(1)])
    export(jobdb, lake)
    is_over = threading.Event()

    def work() -> None:
        try:
            for number in range(1, LATE + 1):
                late = field_jobs.event(field_jobs.EPOCH + 20 + number, "memo", {"n": number})
                jobdb.ingest([field_jobs.response(1 << 24, late)])
                export(jobdb, lake, *(["--compact"] if number % 3 == 0 else []))
        finally:
            is_over.set()

    worker = threading.Thread(target=work)
    worker.start()
    looks, counts = 0, [0]
    while not is_over.is_set():
        found = read(lake)
        assert len(found) == len(set(found))
        assert len(found) >= counts[-1]  # none is lost, nor for a moment
        counts.append(len(found))
        looks += 1
    worker.join()
    assert looks > LATE
    assert finished_texts(jobdb) == texts(lake)
    assert sorted(read(lake)) == sorted(row["seq"] for row in rows(lake, "events"))
    assert len({*counts}) > 3


@pytest.mark.parametrize("pair", [("", ""), ("--compact", ""), ("--compact", "--compact")])
def test_two_exporters_do_no_harm(pair: tuple[str, str], tmp_path: Path) -> None:
    jobdb, lake = Command(tmp_path), tmp_path / "lake"
    lines = list(journal(300))
    for part in (1, 2, 3):
        jobdb.ingest(lines[: len(lines) * part // 3])
        both = [jobdb.start(*WORDS, *filter(None, [word]), str(lake)) for word in pair]
        ended = [(process.communicate()[1], process.returncode) for process in both]
        assert 0 in {status for _, status in ended}
        for said, status in ended:
            assert 0 == status or b"another process exports tuolumne" in said
        found = texts(lake)
        assert set(found) <= set(finished_texts(jobdb))
    export(jobdb, lake, "--compact")
    assert finished_texts(jobdb) == texts(lake)
    export(jobdb, lake, "--verify")
