# SPDX-License-Identifier: LGPL-3.0
"""Every recorded question again, by the path that a broker's clients are served by.

The journal is fed and requests are sent as a broker does it, and what the module sends is
compared, byte for byte: responses, the ENODATA that ends a stream, errors. Lists come from a
database in a file, by the module's thread and by reader processes, as well as from one in
memory, at once and by turns.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from errno import ENODATA, ENOENT
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from eventstore.storage.connection import create_or_open
from joblist.live import memory_lists
from joblist.live.quick import Quick
from joblist.ports import Message
from joblist.protocol.budgets import Budgets
from projections.engine.views import Views
from tests.support.fake_bus import FakeBus, Module, all_by_readers, all_in_the_thread
from tests.support.recordings import Recording, recordings, request_of, unordered

RECORDINGS = recordings()
_TOO_LARGE = Budgets().exceeded("max_thread_request")
CANNOT_WAIT = {"errno": _TOO_LARGE.errno, "errstr": _TOO_LARGE.text}
"""What a list-id gets that is too large for the thread, if there is no such job yet."""
SLICE = 7  # jobs in a response: far fewer than most recorded lists have
STRIDE = int(os.environ.get("QUESTIONS_STRIDE", "4"))
"""Of the recorded questions, which the thread answers all, other ways answer one in so many."""


class Kvs(FakeBus):
    """A bus whose KVS has no job that the journal does not tell of."""

    def job_exists(self, jobid: int, answered: Callable[[int], None]) -> None:
        super().job_exists(jobid, answered)
        self.timer(partial(answered, ENOENT)).start(0.0)


def by_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have lists from a database in memory answered a job at a time."""
    monkeypatch.setattr(Quick, "list_jobs", lambda *_: None)
    monkeypatch.setattr(memory_lists, "TURN", 0.0)


WAYS: dict[str, tuple[str, Callable[[pytest.MonkeyPatch], None]]] = {
    "thread": ("jobs.sqlite", all_in_the_thread),
    "readers": ("jobs.sqlite", all_by_readers),
    "memory": (":memory:", all_in_the_thread),
    "memory, by turns": (":memory:", by_turns),
}
"""Where the database is, and what makes all answers come by one way."""


@contextmanager
def serving(recording: Recording, place: str) -> Iterator[Module]:
    """Yield a module that has followed the recording's last boot."""
    last = recording.boots[-1]
    with create_or_open(place) as store:
        module = Module(
            Views(store), recording.config(last), bus=Kvs(), size=recording.meta["size"]
        )
        for _, lines in recording.feed(last):
            module.feed(*lines)
        module.bus.pass_time(1)
        yield module
        module.live.close()


def served(module: Module, query: dict[str, Any]) -> dict[str, Any]:
    """Send a recorded query; returns what came back, in the form that is recorded."""
    asked = Message(request_of(query), "client", object())
    module.live.handle(asked)
    module.bus.pass_time(1)
    sent = [what for message, what in module.bus.sent if message is asked]
    module.bus.sent.clear()
    responses = [what.decode() for what in sent if isinstance(what, bytes)]
    errors = [what for what in sent if isinstance(what, tuple)]
    assert errors == [what for what in sent[-1:] if isinstance(what, tuple)]
    if query["streaming"] and query["topic"] == "job-list.list":
        assert len(errors) == 1  # nothing else ends a stream
        errors = [error for error in errors if error != (ENODATA, None)]
    if errors:
        ((errno, text),) = errors
        return {"responses": responses, "error": {"errno": errno, "errstr": text}}
    return {"responses": responses}


VERSION = ',"version":1'


def one_by_one(responses: list[str], most: int) -> list[str]:
    """Return a stream's responses as flux-core's module sends them: a job in each."""
    jobs: list[str] = []
    for index, response in enumerate(responses):
        end = ',"version":1}' if index == 0 else "}"
        assert response.startswith('{"jobs":[')
        assert response.endswith("]" + end)
        found = list(_objects(response[len('{"jobs":[') : -len("]" + end)]))
        assert 1 <= len(found) <= most
        jobs += found
    return [f'{{"jobs":[{job}]{"" if index else VERSION}}}' for index, job in enumerate(jobs)]


def _objects(text: str) -> Iterator[str]:
    """Yield the objects of a JSON array's inside, each as it is written."""
    decoder, at = json.JSONDecoder(), 0
    while at < len(text):
        _, end = decoder.raw_decode(text, at)
        yield text[at:end]
        assert text[end : end + 1] in {",", ""}
        at = end + 1


def comparable(answer: dict[str, Any], query: dict[str, Any]) -> dict[str, Any]:
    """Leave out what means nothing: the order of queues; and who waits, which is by chance."""
    responses = answer["responses"]
    if query["topic"] == "job-list.job-stats":
        responses = [unordered(text) for text in responses]
    elif query["topic"] == "job-list.stats-get":
        responses = [json.loads(text)["jobs"] for text in responses]
    return {**answer, "responses": responses}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("recording", RECORDINGS, ids=lambda recording: recording.name)
def test_every_question_is_served_as_it_was(
    recording: Recording, way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, prepare = WAYS[way]
    prepare(monkeypatch)
    queries = recording.objects("queries")
    if way == "memory, by turns":  # which only lists are
        queries = [query for query in queries if query["topic"] == "job-list.list"]
    if way != "thread":
        queries = queries[list(WAYS).index(way) % STRIDE :: STRIDE]
    sliced = 0
    with serving(recording, name if name == ":memory:" else str(tmp_path / name)) as module:
        for query in queries:
            config = recording.config(recording.boots[-1], **query.get("config", {}))
            module.live.reconfigure(replace(config, budgets=Budgets(max_jobs=SLICE)))
            found = served(module, query)
            if query["streaming"] and query["topic"] == "job-list.list":
                sliced += len(found["responses"]) > 1
                found["responses"] = one_by_one(found["responses"], SLICE)
            expected = {key: query[key] for key in ("responses", "error") if key in query}
            if way == "readers" and found.get("error") == CANNOT_WAIT:
                assert expected["error"]["errno"] == ENOENT  # the KVS is asked by the thread
                continue
            assert comparable(expected, query) == comparable(found, query), query
    assert len(queries) > (1000 if way == "thread" else 400 // STRIDE)
    assert sliced > 40 // STRIDE
