# SPDX-License-Identifier: LGPL-3.0
"""The oracle itself is held by what real instances answered: it says the same."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.oracle.events import ABSENT, Event
from tests.oracle.instance import Instance
from tests.support.recordings import Recording, recordings

RECORDINGS = recordings()
each_recording = pytest.mark.parametrize("recording", RECORDINGS, ids=lambda r: r.name)


def take(oracle: Instance, line: bytes) -> None:
    """Take a line of a journal, or of a purge, as job-list gets it."""
    message = json.loads(line)
    if "jobs" in message:
        oracle.purge(message["jobs"])
        return
    for event in message["events"]:
        payload = {
            "jobspec": message.get("jobspec", ABSENT) if event["name"] == "submit" else ABSENT,
            "R": message.get("R", ABSENT) if event["name"] == "alloc" else ABSENT,
        }
        context = event.get("context", ABSENT)
        oracle.take(message["id"], Event(event["timestamp"], event["name"], context, **payload))


def same_list(oracle: Instance, text: str) -> None:
    expected: list[dict[str, Any]] = json.loads(text)["jobs"]
    found = oracle.listed(follow=True)
    assert [job["id"] for job in expected] == [job["id"] for job in found]
    for one, other in zip(expected, found, strict=True):
        assert json.dumps(one) == json.dumps(other)


def same_stats(oracle: Instance, text: str) -> None:
    expected = json.loads(text)
    found = oracle.stats(follow=True)
    used = {queue["name"] for queue in found["queues"]}
    expected["queues"] = sorted(
        (queue for queue in expected["queues"] if queue["name"] in used),
        key=lambda queue: queue["name"],
    )
    assert expected == found


@each_recording
def test_the_oracle_says_what_job_list_said_in_the_end(recording: Recording) -> None:
    boot = recording.boots[-1]
    oracle = Instance()
    for _, lines in recording.feed(boot):
        for line in lines:
            take(oracle, line)
    final = recording.objects("checkpoints")[-1]
    same_list(oracle, final["list"])
    same_stats(oracle, final["job_stats"])


@each_recording
def test_the_oracle_says_what_job_list_said_when_it_was_loaded_again(
    recording: Recording,
) -> None:
    for again in recording.objects("reload"):
        oracle = Instance()
        for line in recording.lines("backlog"):
            take(oracle, line)
        same_list(oracle, again["list"])
