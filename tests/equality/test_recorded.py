# SPDX-License-Identifier: LGPL-3.0
"""Equality with real instances: lists, stats, questions, past moments, bytes."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from eventstore.ingest.writer import Writer
from eventstore.maintenance.verify import verify_chain
from eventstore.storage.connection import Store
from eventstore.storage.sql import fetch
from joblist.service import Service
from projections.engine.rebuild import rebuild
from tests.support.recordings import (
    Recording,
    ask,
    checkpoints_on_the_way,
    events_of,
    everything,
    new_store,
    play,
    put,
    recordings,
    stats,
    unordered,
)

RECORDINGS = recordings()
each_recording = pytest.mark.parametrize("recording", RECORDINGS, ids=lambda r: r.name)


def view_rows(store: Store) -> dict[str, list[Any]]:
    """Return all rows of all views, in an order that does not depend on how they came."""
    tables = [row[0].split() for row in fetch(store.db, "SELECT tables FROM view")]
    names = ["fold", *(name for group in tables for name in group)]
    return {name: sorted(fetch(store.db, f"SELECT * FROM {name}"), key=repr) for name in names}


def stored_events(store: Store) -> Counter[tuple[int, float, str]]:
    sql = "SELECT jobid, timestamp, name FROM event JOIN job ON key = job"
    return Counter(fetch(store.db, sql))


def without_annotations_of(finished: set[int], jobs: str) -> list[dict[str, Any]]:
    """Decode a list, leaving out what is better known here than after a restart."""
    decoded: list[dict[str, Any]] = json.loads(jobs)["jobs"]
    for job in decoded:
        if job["id"] in finished:
            job.pop("annotations", None)
    return decoded


def finished_before(store: Store) -> set[int]:
    return {jobid for (jobid,) in fetch(store.db, "SELECT jobid FROM inactive")}


def test_there_are_recordings() -> None:
    assert len(RECORDINGS) >= 5


@each_recording
def test_every_checkpoint_is_answered_as_it_was(recording: Recording) -> None:
    store, views = new_store()
    finished: set[int] = set()
    boot = 1
    seen = 0
    for checkpoint in checkpoints_on_the_way(recording, store, views):
        if checkpoint["boot"] != boot:
            boot = checkpoint["boot"]
        service = Service(store, recording.config(boot))
        if boot == 1:
            assert checkpoint["list"] == everything(service), checkpoint["label"]
            finished = finished_before(store)
        else:
            expected = without_annotations_of(finished, checkpoint["list"])
            assert expected == without_annotations_of(finished, everything(service))
        assert unordered(checkpoint["job_stats"]) == stats(service), checkpoint["label"]
        sizes = json.loads(ask(service, "stats-get")[0])["jobs"]
        assert json.loads(checkpoint["stats_get"])["jobs"] == sizes
        seen += 1
    assert len(recording.objects("checkpoints")) == seen


@each_recording
def test_every_question_is_answered_as_it_was(recording: Recording) -> None:
    last = recording.boots[-1]
    store, views = new_store()
    play(store, views, recording, [last])
    queries = recording.objects("queries")
    for query in queries:
        config = recording.config(last, **query.get("config", {}))
        found = put(Service(store, config, instance_size=recording.meta["size"]), query)
        expected = {key: query[key] for key in ("responses", "error") if key in query}
        if query["topic"] == "job-list.job-stats" and query["responses"]:
            assert unordered(expected["responses"][0]) == unordered(found["responses"][0])
        elif query["topic"] == "job-list.stats-get" and query["responses"]:
            jobs = [json.loads(answer["responses"][0])["jobs"] for answer in (expected, found)]
            assert jobs[0] == jobs[1]
        else:
            assert expected == found, query
    assert len(queries) > 1000


@each_recording
def test_past_moments_are_answered_as_they_were(recording: Recording) -> None:
    store, views = new_store()
    reached: dict[tuple[int, int], float] = {}
    latest = 0.0
    finished: set[int] = set()
    for boot in recording.boots:
        for count, line in enumerate(recording.journal(boot), start=1):
            times = [event["timestamp"] for event in json.loads(line)["events"]]
            latest = max([latest, *times])
            reached[boot, count] = latest
        play(store, views, recording, [boot])
        if boot == 1:
            finished = finished_before(store)
    purged_after: set[tuple[int, int]] = set()
    compared = 0
    for checkpoint in recording.objects("checkpoints"):
        place = (checkpoint["boot"], checkpoint["journal_lines"])
        moment = reached[place]
        if not moment or (checkpoint["purge_lines"] and place in purged_after):
            continue  # a purge has no time of its own: see the test of purges
        purged_after.add(place)
        service = Service(store, recording.config(checkpoint["boot"]), as_of=moment)
        if checkpoint["boot"] == 1:
            assert checkpoint["list"] == everything(service), checkpoint["label"]
        else:
            expected = without_annotations_of(finished, checkpoint["list"])
            assert expected == without_annotations_of(finished, everything(service))
        assert unordered(checkpoint["job_stats"]) == stats(service), checkpoint["label"]
        compared += 1
    assert compared >= 3


@each_recording
def test_a_purge_comes_just_after_the_events_before_it(recording: Recording) -> None:
    store, views = new_store()
    play(store, views, recording, [1])
    purged = fetch(store.db, "SELECT jobid, t_purged FROM inactive WHERE t_purged IS NOT NULL")
    assert recording.meta["jobs_purged"] == len(purged)
    for jobid, time in purged[:5]:
        request = json.dumps({"id": jobid, "attrs": []})
        before = Service(store, recording.config(1), as_of=time - 1e-5)
        assert [f'{{"job":{{"id":{jobid}}}}}'] == ask(before, "list-id", request)
        after = Service(store, recording.config(1), as_of=time)
        with pytest.raises(Exception, match="2"):
            ask(after, "list-id", request)


@each_recording
def test_bytes_are_kept_and_nothing_is_stored_twice(recording: Recording) -> None:
    store, views = new_store()
    sent: list[str] = []
    for line in recording.journal(1):
        text = line.decode()
        for event in json.loads(text)["events"]:
            del event
            start = text.index("[") + 1
            depth, end = 0, start
            while True:  # the first object of the list, by its brackets outside of strings
                char = text[end]
                if char == '"':
                    end += 1
                    while text[end] != '"':
                        end += 2 if text[end] == "\\" else 1
                depth += (char == "{") - (char == "}")
                end += 1
                if depth == 0:
                    break
            sent.append(text[start:end])
    play(store, views, recording, [1])
    assert sent == [event.entry.data.decode() for event in events_of(store)]

    play(store, views, recording, recording.boots[1:])
    before = (stored_events(store), view_rows(store))
    for again in (recording.lines("backlog"), recording.journal(1), recording.lines("backlog")):
        counts = Writer(store, "again", views).append(again)
        assert counts.new == 0
        assert counts.known > 0
    assert before == (stored_events(store), view_rows(store))
    assert verify_chain(store).fault is None


@each_recording
def test_the_order_of_files_does_not_matter(recording: Recording) -> None:
    store, views = new_store()
    play(store, views, recording, recording.boots)
    other, other_views = new_store()
    Writer(other, "backlog", other_views).append(recording.lines("backlog"))
    for boot in recording.boots:
        Writer(other, "journal", other_views).append(recording.journal(boot))
    assert stored_events(store) == stored_events(other)


@each_recording
def test_a_rebuild_gives_the_same_rows(recording: Recording) -> None:
    store, views = new_store()
    play(store, views, recording, recording.boots)
    before = view_rows(store)
    rebuild(views, chunk=997)
    assert before == view_rows(store)
