# SPDX-License-Identifier: LGPL-3.0
"""Past moments: a history asked as of T answers as it did when T was now.

Recordings say what job-list answered at some points of their journals. Beside them stands
the simplest oracle there is: another history, which ends at T.
"""

from __future__ import annotations

import json
from functools import lru_cache
from itertools import pairwise
from math import inf, nextafter
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from cli.main import cli
from eventstore.ingest.writer import Writer
from eventstore.storage.connection import Store
from eventstore.storage.sql import fetch
from joblist.config import Config
from joblist.protocol.errors import RpcError
from joblist.service import Service
from projections.notation.jobid import encode
from tests.support.recordings import (
    Recording,
    ask,
    everything,
    new_store,
    play,
    put,
    recordings,
    stats,
    unordered,
)
from tests.support.strategies import QUEUES, journals, line

RECORDINGS = recordings()
each_recording = pytest.mark.parametrize("recording", RECORDINGS, ids=lambda r: r.name)


@lru_cache
def played(name: str) -> Store:
    """All journals of a recording, with their purges."""
    recording = next(one for one in RECORDINGS if one.name == name)
    store, views = new_store()
    play(store, views, recording, recording.boots)
    return store


def moments(recording: Recording) -> list[tuple[float, dict[str, Any]]]:
    """Return each checkpoint with its moment.

    That is the time of the latest event that had been posted by then. A purge has no time of
    its own; it comes right after the events before it.
    """
    found, latest = [], 0.0
    checkpoints = recording.objects("checkpoints")
    for boot in recording.boots:
        times = {0: latest}
        for count, text in enumerate(recording.journal(boot), start=1):
            stamps = [event["timestamp"] for event in json.loads(text)["events"]]
            times[count] = latest = max([latest, *stamps])
        purged = [purge["journal_lines"] for purge in recording.objects("purge-events")]
        for checkpoint in checkpoints:
            if checkpoint["boot"] != boot or not times[checkpoint["journal_lines"]]:
                continue
            reached = times[checkpoint["journal_lines"]]
            if checkpoint["journal_lines"] in purged[: checkpoint["purge_lines"]]:
                reached = nextafter(reached, inf)
            found.append((reached, checkpoint))
    return found


def known_better(recording: Recording) -> set[int]:
    """Ids of the jobs whose annotations job-list lost when it started again: none here has.

    They finished before a later boot.
    """
    first = [one for one in recording.objects("checkpoints") if one["boot"] == 1]
    jobs = json.loads(first[-1]["list"])["jobs"]
    return {job["id"] for job in jobs if job["state"] == 64} if recording.boots[1:] else set()


def comparable(answer: str, finished: set[int]) -> list[dict[str, Any]]:
    jobs: list[dict[str, Any]] = json.loads(answer)["jobs"]
    return [
        {k: v for k, v in job.items() if k != "annotations" or job["id"] not in finished}
        for job in jobs
    ]


@each_recording
def test_each_checkpoint_is_answered_by_list_and_stats(recording: Recording) -> None:
    store = played(recording.name)
    better = known_better(recording)
    checkpoints = moments(recording)
    for time, checkpoint in checkpoints:
        config = recording.config(checkpoint["boot"])
        service = Service(store, config, as_of=time)
        finished = better if checkpoint["boot"] > 1 else set()
        expected = comparable(checkpoint["list"], finished)
        assert expected == comparable(everything(service), finished), checkpoint["label"]
        assert unordered(checkpoint["job_stats"]) == stats(service), checkpoint["label"]
        sizes = json.loads(ask(service, "stats-get")[0])["jobs"]
        assert json.loads(checkpoint["stats_get"])["jobs"] == sizes, checkpoint["label"]
    assert len(checkpoints) >= 4


@each_recording
def test_each_checkpoint_is_answered_by_id(recording: Recording) -> None:
    store = played(recording.name)
    better = known_better(recording)
    ids = [jobid for (jobid,) in fetch(store.db, "SELECT jobid FROM job ORDER BY key")]
    step = max(len(ids) // 60, 1)
    for time, checkpoint in moments(recording):
        service = Service(store, recording.config(checkpoint["boot"]), as_of=time)
        jobs = {job["id"]: job for job in json.loads(checkpoint["list"])["jobs"]}
        for jobid in ids[::step]:
            if jobid in jobs and not (jobid in better and checkpoint["boot"] > 1):
                assert [{"job": jobs[jobid]}] == by_id(service, jobid)
            elif jobid not in jobs:
                assert [] == by_id(service, jobid)


def by_id(service: Service, jobid: int) -> list[Any]:
    """Return the answer to list-id, none where there is no such job."""
    try:
        answers = ask(service, "list-id", json.dumps({"id": jobid, "attrs": ["all"]}))
    except RpcError as error:
        assert error.errno == 2
        return []
    return [json.loads(answer) for answer in answers]


@each_recording
def test_questions_of_the_last_moment_are_answered_as_ever(recording: Recording) -> None:
    """The way of past moments, with each real question there is."""
    last = recording.boots[-1]
    store, views = new_store()
    play(store, views, recording, [last])
    latest = fetch(store.db, "SELECT max(timestamp) FROM event")[0][0]
    size = recording.meta["size"]
    for query in recording.objects("queries")[::12]:
        config = recording.config(last, **query.get("config", {}))
        now = put(Service(store, config, instance_size=size), query)
        then = put(Service(store, config, as_of=latest, instance_size=size), query)
        if "stats" in query["topic"]:
            now, then = (
                json.loads(json.dumps(one), object_hook=_sorted) for one in (now, then)
            )
        assert now == then, query


def _sorted(found: dict[str, Any]) -> dict[str, Any]:
    found["responses"] = [
        unordered(text) if '"queues"' in text else text for text in found.get("responses", [])
    ]
    return found


def test_purges_are_followed_or_not_at_any_moment() -> None:
    """Asked to keep all, no job that was purged goes away."""
    recording = next(one for one in RECORDINGS if one.objects("purge-events"))
    store = played(recording.name)
    seen = 0
    for (time, before), (later, after) in pairwise(moments(recording)):
        if later != nextafter(time, inf):
            continue
        jobs = [json.loads(one["list"])["jobs"] for one in (before, after)]
        assert len(jobs[0]) > len(jobs[1])
        kept = json.loads(everything(Service(store, Config(), as_of=later)))["jobs"]
        assert [job["id"] for job in jobs[0]] == [
            job["id"] for job in kept if job["id"] in {job["id"] for job in jobs[0]}
        ]
        counts = stats(Service(store, Config(), as_of=later))
        assert counts["inactive_purged"] == 0
        assert counts["job_states"]["total"] == len(kept)
        seen += 1
    assert seen >= 3


@pytest.mark.parametrize("time", [-1e300, -1.0, 0.0, 1.0, 1e9])
def test_before_the_first_event_there_was_nothing(time: float) -> None:
    service = Service(played("basic"), Config(follow_purges=True), as_of=time)
    assert '{"jobs":[]}' == everything(service)
    counts = stats(service)
    assert {0} == {*counts["job_states"].values(), counts["successful"], counts["failed"]}
    assert [] == counts["queues"]
    assert [] == by_id(service, json.loads(RECORDINGS[0].journal(1)[-1])["id"])


@pytest.mark.parametrize("time", [2e9, 1e15, 1e300])
def test_the_future_is_now(time: float) -> None:
    store = played("mixed")
    then, now = (Service(store, Config(), as_of=as_of) for as_of in (time, None))
    assert everything(now) == everything(then)
    assert stats(now) == stats(then)


# -- a history that ends at T


def purges(draw: st.DrawFn, lines: list[bytes]) -> list[bytes]:
    """Put purges of jobs that were met into a journal."""
    ids = sorted({json.loads(text)["id"] for text in lines})
    for _ in range(draw(st.integers(0, 3))):
        some = draw(st.lists(st.sampled_from(ids), min_size=1, max_size=2, unique=True))
        lines.insert(
            draw(st.integers(1, len(lines))), json.dumps({"jobs": some, "n": _}).encode()
        )
    return lines


@st.composite
def purged_journals(draw: st.DrawFn) -> list[bytes]:
    return purges(draw, draw(journals(most_jobs=6)))


@given(purged_journals(), st.lists(st.integers(0, 60), min_size=1, max_size=2), st.booleans())
def test_as_of_t_is_a_history_that_ends_at_t(
    lines: list[bytes], cuts: list[int], follow: bool
) -> None:
    config = Config(follow_purges=follow, queues=QUEUES)
    store, views = new_store()
    Writer(store, "whole", views).append(lines)
    for cut in {cut % len(lines) + 1 for cut in cuts}:
        part = lines[:cut]
        time = 0.0
        for text in part:
            response = json.loads(text)
            if "events" in response:
                time = response["events"][0]["timestamp"]
            else:  # comes right after what came before it
                time = nextafter(time, inf)
        if cut < len(lines) and b'"jobs"' in lines[cut]:
            continue  # another purge, at the very same moment
        shorter, shorter_views = new_store()
        Writer(shorter, "part", shorter_views).append(part)
        now, then = Service(shorter, config), Service(store, config, as_of=time)
        assert everything(now) == everything(then), cut
        assert stats(now) == stats(then), cut
        assert ask(now, "stats-get") == ask(then, "stats-get"), cut
        for (jobid,) in fetch(store.db, "SELECT jobid FROM job"):
            assert by_id(now, jobid) == by_id(then, jobid), (cut, jobid)


def life(jobid: int, names: list[str], start: float, **submit: Any) -> list[bytes]:
    """A job's lines, a second apart."""
    contexts: dict[str, Any] = {"submit": {"userid": 1, "urgency": 16, **submit}}
    contexts["priority"] = {"priority": 1}
    found = []
    for step, (name, _, queue) in enumerate(name.partition(":") for name in names):
        event: dict[str, Any] = {"name": name}
        if name in contexts:
            event["context"] = contexts[name]
        if queue:
            event["context"] = {"attributes.system.queue": queue}
        system = {"duration": 1, "queue": "first", "job": {"name": "x"}}
        spec = {"attributes": {"system": system}, "version": 1}
        extra = {"jobspec": spec} if name == "submit" else {}
        found.append(line(jobid, event, extra, start + step))
    return found


def stored(lines: list[bytes]) -> Store:
    store, views = new_store()
    Writer(store, "any", views).append(lines)
    return store


def test_a_queue_is_named_from_the_moment_a_job_was_in_it() -> None:
    names = ["submit", "validate", "jobspec-update:second", "jobspec-update:third"]
    store = stored([*life(1, names, 1000.0), *life(2, [*names, "clean"], 2000.0)])

    def queues(time: float) -> list[str]:
        found = stats(Service(store, Config(), as_of=time))["queues"]
        return [queue["name"] for queue in found]

    assert [] == queues(1000.0)
    assert ["first"] == queues(1001.0)
    assert ["first", "second"] == queues(1002.5)
    assert ["first", "second", "third"] == queues(1003.0)
    assert ["first", "second", "third"] == queues(2004.0)
    other = stored(life(2, [*names, "clean"], 2000.0))
    store = other
    assert ["first", "second"] == queues(2002.0)
    assert ["first", "second", "third"] == queues(2004.0)


def test_of_two_instances_jobs_of_one_id_the_newest_is_meant() -> None:
    whole = ["submit", "validate", "depend", "priority", "clean"]
    older_waits = stored([*life(7, whole[:4], 1000.0), *life(7, whole, 2000.0, userid=2)])
    newer_waits = stored([*life(7, whole, 1000.0), *life(7, whole[:4], 2000.0, userid=2)])
    for store in (older_waits, newer_waits):
        for time in (None, 2004.0, 3000.0):
            (answer,) = by_id(Service(store, Config(), as_of=time), 7)
            assert answer["job"]["userid"] == 2, time
        (answer,) = by_id(Service(store, Config(), as_of=1500.0), 7)
        assert answer["job"]["userid"] == 1
        jobs = json.loads(everything(Service(store, Config())))["jobs"]
        assert sorted(job["userid"] for job in jobs) == [1, 2]
    purge = b'{"jobs":[7]}'
    both = stored([*life(7, whole, 1000.0), *life(7, whole, 2000.0, userid=2), purge])
    assert [] == by_id(Service(both, Config(follow_purges=True)), 7)
    assert [] == by_id(Service(both, Config(follow_purges=True), as_of=3000.0), 7)


@pytest.mark.parametrize(
    ("time", "state"), [(5000.0, None), (5001.0, 2), (3000.0, 2), (3003.0, 64), (9000.0, 64)]
)
def test_where_the_clock_was_set_back_the_jobs_order_counts(
    time: float, state: int | None
) -> None:
    """Submitted and validated at 5000, then set to 3000: at 3000.5 it had been validated."""
    early = life(1, ["submit", "validate", "depend", "priority", "clean"], 5000.0)
    late = life(1, ["submit", "validate", "depend", "priority", "clean"], 3000.0 - 1)
    store = stored([*early[:2], *late[2:]])
    service = Service(store, Config(), as_of=time)
    found = json.loads(everything(service))["jobs"]
    assert [{"job": job} for job in found] == by_id(service, 1)


# -- at the command line


def test_the_command_line_takes_moments_as_people_write_them(tmp_path: Path) -> None:
    recording = RECORDINGS[0]
    db = str(tmp_path / "jobs.sqlite")
    runner = CliRunner()
    journal = str(recording.folder / "journal.jsonl.gz")
    assert runner.invoke(cli, ["--db", db, "ingest", journal]).exit_code == 0
    time, checkpoint = moments(recording)[len(moments(recording)) // 2]
    request = '{"max_entries":0,"attrs":["all"]}'
    result = runner.invoke(
        cli, ["--db", db, "rpc", "job-list.list", request, "--as-of", repr(time)]
    )
    assert checkpoint["list"] + "\n" == result.stdout
    result = runner.invoke(
        cli, ["--db", db, "rpc", "job-list.job-stats", "--as-of", repr(time)]
    )
    counts, expected = unordered(result.stdout), unordered(checkpoint["job_stats"])
    assert expected["job_states"] == counts["job_states"]
    result = runner.invoke(
        cli, ["--db", db, "list", "-A", "-a", "-c", "0", "--json", "--as-of", repr(time)]
    )
    jobs = [json.loads(text) for text in result.stdout.splitlines()]
    assert [encode(job["id"]) for job in jobs] == [job.pop("jobid") for job in jobs]
    assert json.loads(checkpoint["list"])["jobs"] == jobs
    result = runner.invoke(cli, ["--db", db, "list", "-A", "-a", "--as-of", "2001-01-01"])
    assert 1 == len(result.stdout.splitlines())
    result = runner.invoke(cli, ["--db", db, "list", "-A", "--as-of", "the other day, maybe"])
    assert result.exit_code == 2
    assert "ISO 8601 (2026-01-31T10:00)" in result.output
