# SPDX-License-Identifier: LGPL-3.0
"""What a consumer of Kafka has, repeats left out, is what the store has."""

from __future__ import annotations

import json
import os
import random
import sqlite3
import threading
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.command import Command
from tests.support.journal_generator import journal
from tests.support.nodes.recordings import node_recordings

pytest.importorskip("confluent_kafka", reason="confluent-kafka is not installed")

from tests.lake.mock_kafka import (
    GONE,
    NOT_ENOUGH_REPLICAS,
    NOT_LEADER,
    TIMED_OUT,
    Brokers,
    brokers,
    consumed,
)

JOBS = int(os.environ.get("KAFKA_JOBS", "600"))
"""Of eleven events each."""


@pytest.fixture
def jobdb(tmp_path: Path) -> Command:
    return Command(tmp_path)


def events(servers: str, topic: str) -> tuple[list[bytes], Counter[tuple[str, str]]]:
    """Return the texts of events in the order of seq, and how often each message came."""
    found, times = {}, Counter[tuple[str, str]]()
    for message in consumed(servers, topic):
        headers = {name: value.decode() for name, value in message.headers()}
        value = message.value()
        members = json.loads(value)
        assert headers == {"cluster": "elcap", "seq": str(members["seq"])}
        assert message.key().decode() == f"elcap/{members['jobid']}"
        times[headers["cluster"], headers["seq"]] += 1
        rest = value[value.index(b'"event":') + 8 :]
        found[members["seq"]] = rest[: _end(rest)]
    return [found[seq] for seq in sorted(found)], times


def _end(text: bytes) -> int:
    """Return where a JSON value that begins a text ends, in bytes."""
    _, end = json.JSONDecoder().raw_decode(text.decode("latin-1"))
    return end


def test_events_are_published_once_and_go_on(jobdb: Command) -> None:
    lines = list(journal(20))
    with brokers(1) as found:
        words = ("publish", "--kafka", found.servers, "--topic", "t", "--cluster", "elcap")
        jobdb.ingest(lines[:90])
        first = jobdb.stats()["events"]
        assert f"t: {first} messages" in jobdb(*words).out
        assert "t: 0 messages" in jobdb(*words).out
        jobdb.ingest(lines)
        assert f"t: {220 - first} messages" in jobdb(*words).out
        texts, times = events(found.servers, "t")
        assert jobdb("events", "--raw").stdout.splitlines() == texts
        assert {1} == set(times.values())
        (cursor,) = jobdb("consumers", "--json").objects
        assert 0 == cursor["behind"]


def test_nothing_is_lost_whatever_brokers_do_and_whoever_is_killed(jobdb: Command) -> None:
    jobdb.ingest(list(journal(JOBS)))
    choice, is_over = random.Random(3), threading.Event()

    def disturb(found: Brokers) -> None:
        for _ in range(60):
            if is_over.is_set():
                break
            found.fail(choice.choice((GONE, NOT_LEADER, TIMED_OUT, NOT_ENOUGH_REPLICAS)), 3)
            time.sleep(choice.uniform(0.1, 0.4))
        found.fail(GONE, 0)  # they are well: a producer may need minutes if they never are

    with brokers() as found:
        words = ("publish", "--kafka", found.servers, "--topic", "t", "--cluster", "elcap")
        worker = threading.Thread(target=disturb, args=(found,))
        worker.start()
        try:
            for _ in range(4):
                process = jobdb.start(*words)
                time.sleep(choice.uniform(0.4, 1.2))
                process.kill()
                process.communicate()
            done = jobdb.run(*words)
            assert 0 == done.status, done.err
        finally:
            is_over.set()
            worker.join()
        texts, times = events(found.servers, "t")
    assert jobdb("events", "--raw").stdout.splitlines() == texts
    assert 11 * JOBS == len(times)


def test_jobs_and_nodes(jobdb: Command) -> None:
    recording = next(one for one in node_recordings() if one.name == "medium")
    with brokers(1) as found:
        from eventstore.storage.connection import create_or_open  # noqa: PLC0415
        from projections.engine.views import Views  # noqa: PLC0415

        with create_or_open(str(jobdb.db)) as store:
            list(recording.on_the_way(store, Views(store)))
        words = ("publish", "--kafka", found.servers, "--cluster", "elcap", "--topic")
        jobdb(*words, "jobs", "--view", "jobs")
        jobdb(*words, "nodes", "--view", "nodes")
        jobs = [json.loads(message.value()) for message in consumed(found.servers, "jobs")]
        nodes = [json.loads(message.value()) for message in consumed(found.servers, "nodes")]
    with closing(sqlite3.connect(jobdb.db)) as db:
        db.row_factory = sqlite3.Row
        stored = [
            dict(row) for row in db.execute("SELECT * FROM jobs WHERE state = 'INACTIVE'")
        ]
        sql = "SELECT seq, data FROM notice WHERE kind = 'resource' ORDER BY seq"
        notices = [(seq, json.loads(data)) for seq, data in db.execute(sql)]
    newest = {one["id"]: one for one in sorted(jobs, key=lambda one: one["seq"])}
    for one in newest.values():
        assert "elcap" == one.pop("cluster")
        one.pop("seq")
    assert sorted(stored, key=lambda row: row["id"]) == sorted(
        newest.values(), key=lambda row: row["id"]
    )
    assert notices == sorted((one["seq"], one["event"]) for one in nodes)


def test_what_is_wrong_is_said_in_a_line(jobdb: Command) -> None:
    jobdb.ingest(list(journal(2)))
    words = ("publish", "--kafka", "127.0.0.1:9", "--topic", "t")
    assert "--cluster NAME" in jobdb(*words, status=1).err
    assert "KEY=VALUE" in jobdb(*words, "--set", "x", status=2).err
    assert "no-such-setting" in jobdb(*words, "--set", "no-such-setting=1", status=1).err
    script = "import sys\nsys.modules['confluent_kafka'] = None\n"
    assert "pip install 'flux-jobdb[kafka]'" in jobdb(*words, script=script, status=1).err
