# SPDX-License-Identifier: LGPL-3.0
"""Every recorded question again, by the path that a broker's clients are served by.

The journal is fed and requests are sent as a broker does it, and what the module sends is
compared, byte for byte: responses, the ENODATA that ends a stream, errors. Lists come from a
database in a file, in slices of a few jobs, as well as from one in memory.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from errno import ENODATA, ENOENT
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from eventstore.storage.connection import create_or_open
from joblist.live import list_responses
from joblist.ports import Message
from projections.engine.views import Views
from tests.support.fake_bus import FakeBus, Module
from tests.support.recordings import Recording, recordings, request_of, unordered

RECORDINGS = recordings()
SLICE = 7  # jobs in a response: far fewer than most recorded lists have


class Kvs(FakeBus):
    """A bus whose KVS has no job that the journal does not tell of."""

    def job_exists(self, jobid: int, answered: Callable[[int], None]) -> None:
        super().job_exists(jobid, answered)
        self.timer(partial(answered, ENOENT)).start(0.0)


@pytest.fixture(params=[".sqlite", ":memory:"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where the database is."""
    return ":memory:" if request.param == ":memory:" else str(tmp_path / "jobs.sqlite")


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


@pytest.mark.parametrize("recording", RECORDINGS, ids=lambda recording: recording.name)
def test_every_question_is_served_as_it_was(
    recording: Recording, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(list_responses, "MOST_JOBS", SLICE)
    queries = recording.objects("queries")
    sliced = 0
    with serving(recording, place) as module:
        for query in queries:
            module.live.reconfigure(
                recording.config(recording.boots[-1], **query.get("config", {}))
            )
            found = served(module, query)
            if query["streaming"] and query["topic"] == "job-list.list":
                sliced += len(found["responses"]) > 1
                found["responses"] = one_by_one(found["responses"], SLICE)
            expected = {key: query[key] for key in ("responses", "error") if key in query}
            assert comparable(expected, query) == comparable(found, query), query
    assert len(queries) > 1000
    assert sliced > 30
