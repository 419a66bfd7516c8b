# SPDX-License-Identifier: LGPL-3.0
"""What holds for any journal, however it is cut, repeated or broken."""

from __future__ import annotations

import copy
import json
from collections import Counter
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from eventstore.events.journal_line import Response, decode_line
from eventstore.events.records import Record
from eventstore.ingest.writer import Writer
from eventstore.maintenance.verify import verify_chain
from eventstore.reading import event_log
from eventstore.storage.connection import Store
from eventstore.storage.sql import fetch
from projections.engine.fold_batch import decode_state
from projections.engine.rebuild import rebuild
from projections.engine.views import Views
from projections.job.reducers import fold
from projections.job.state import INACTIVE, NEW, Job
from tests.support.recordings import events_of, new_store
from tests.support.strategies import backlog_of, journals


def contents(store: Store) -> Counter[tuple[int, int, bytes]]:
    return Counter((event.jobid, event.stream, event.entry.data) for event in events_of(store))


def rows(store: Store) -> dict[str, list[Any]]:
    """All view rows, without what tells when they came: seqs and keys."""
    found = {
        name: sorted(fetch(store.db, f"SELECT * FROM {name}"), key=repr)
        for name in ("stats", "ended", "purged_by_hour")
    }
    found["inactive"] = sorted(fetch(store.db, "SELECT jobid, answer FROM inactive"))
    active = [
        decode_state(data)
        for (data,) in fetch(store.db, "SELECT data FROM active JOIN fold USING (job)")
    ]
    for job in active:
        job.entered = job.key = 0
    found["active"] = sorted(active, key=lambda job: (job.id, job.stream))
    return found


def cut(lines: list[bytes], places: list[int]) -> list[list[bytes]]:
    edges = [0, *sorted(place % (len(lines) + 1) for place in places), len(lines)]
    return [lines[a:b] for a, b in pairwise(edges)]


def records(lines: list[bytes]) -> list[Record]:
    found = []
    for seq, line in enumerate(lines, start=1):
        response = decode_line(line)
        assert isinstance(response, Response)
        for entry in response.entries:
            with_it = (entry, response.jobspec, response.R)
            jobid = response.jobid
            found.append(Record(seq, jobid, jobid, 1, False, None, *with_it))
    return found


@given(
    journals(), st.lists(st.integers(0, 99), max_size=4), st.integers(0, 99), st.integers(0, 99)
)
def test_cuts_and_repetitions_change_nothing(
    lines: list[bytes], places: list[int], first: int, length: int
) -> None:
    whole, views = new_store()
    Writer(whole, "whole", views).append(lines)

    parts, views = new_store()
    writer = Writer(parts, "parts", views)
    start = first % len(lines)
    for part in cut(lines, places):
        writer.append(part)
        if part and part[0] in lines[start:]:
            again = lines[: lines.index(part[0])][start : start + length]
            assert writer.append(again).new == 0
    assert contents(whole) == contents(parts)
    assert rows(whole) == rows(parts)
    rebuild(views, chunk=3)
    assert rows(whole) == rows(parts)
    assert verify_chain(parts).fault is None


@given(journals(), st.lists(st.integers(0, 99), max_size=2))
def test_a_backlog_stores_nothing_new_and_may_come_first(
    lines: list[bytes], places: list[int]
) -> None:
    live, views = new_store()
    Writer(live, "live", views).append(lines)
    before = contents(live)
    # flux-restart is posted while nobody listens: here it was heard, so nothing is new.
    assert Writer(live, "backlog", views).append(backlog_of(lines)).new == 0
    assert before == contents(live)

    other, views = new_store()
    Writer(other, "backlog", views).append(backlog_of(lines))
    writer = Writer(other, "live", views)
    for part in cut(lines, places):
        writer.append(part)
    names = "SELECT jobid, timestamp, name FROM event JOIN job ON key = job"
    assert Counter(fetch(live.db, names)) == Counter(fetch(other.db, names))
    incremental = rows(other)
    rebuild(views, chunk=2)
    assert incremental == rows(other)


@given(journals(legal=False), st.lists(st.integers(0, 99), max_size=3))
def test_illegal_lives_are_kept_and_rebuilt_the_same(
    lines: list[bytes], places: list[int]
) -> None:
    whole, whole_views = new_store()
    Writer(whole, "whole", whole_views).append(lines)
    parts, views = new_store()
    writer = Writer(parts, "parts", views)
    for part in cut(lines, places):
        writer.append(part)
    assert contents(whole) == contents(parts)
    assert len(lines) == sum(contents(whole).values())
    assert rows(whole) == rows(parts)
    rebuild(views, chunk=2)
    assert rows(whole) == rows(parts)


@given(journals(legal=False, most_jobs=1))
def test_reducers_never_raise_and_leave_the_old_state_alone(lines: list[bytes]) -> None:
    state: Job | None = None
    for record in records(lines):
        before = copy.deepcopy(state)
        after = fold(state, [record])
        assert before == state
        state = after
    assert state == fold(None, records(lines))


@given(journals(most_jobs=1), st.text(max_size=9))
def test_unknown_events_change_nothing(lines: list[bytes], name: str) -> None:
    state = fold(None, records(lines))
    text = json.dumps({"id": 1000, "events": [{"timestamp": 1e9, "name": "site." + name}]})
    assert state == fold(state, records([text.encode()]))


class StoreAndModel(RuleBasedStateMachine):
    """The store beside a plain model: a list of events by job, and a dumb count of states."""

    @initialize(lines=journals())
    def start(self, lines: list[bytes]) -> None:
        self.store, self.views = new_store()
        self.writer = Writer(self.store, "first", self.views)
        self.lines = lines
        self.read = 0
        self.model: dict[int, list[dict[str, Any]]] = {}

    @rule(count=st.integers(1, 9))
    def read_on(self, count: int) -> None:
        part = self.lines[self.read : self.read + count]
        self.read += len(part)
        assert self.writer.append(part).new == len(part)
        for line in part:
            response = json.loads(line)
            self.model.setdefault(response["id"], []).extend(response["events"])

    @rule(back=st.integers(1, 9))
    def read_again(self, back: int) -> None:
        assert self.writer.append(self.lines[max(self.read - back, 0) : self.read]).new == 0

    @rule()
    def reconnect(self) -> None:
        self.writer.close()
        self.writer = Writer(self.store, "next", self.views)
        assert self.writer.append(backlog_of(self.lines[: self.read])).new == 0

    @rule()
    def start_again(self) -> None:
        self.views = Views(self.store)
        self.writer = Writer(self.store, "restarted", self.views)

    @rule(name=st.sampled_from(["active", "inactive", "stats", "accounting"]))
    def rebuild_one(self, name: str) -> None:
        rebuild(self.views, [name], chunk=4)
        self.writer = Writer(self.store, "after", self.views)

    @invariant()
    def events_are_those_of_the_model(self) -> None:
        for jobid, events in self.model.items():
            stored = [
                json.loads(e.entry.data) for e in event_log.of_jobid(self.store.db, jobid)
            ]
            assert events == stored

    @invariant()
    def states_are_those_of_the_model(self) -> None:
        states = [_state(events) for events in self.model.values()]
        sql = "SELECT sum(inactive), sum(depend + priority + sched + run + cleanup) FROM stats"
        ((inactive, active),) = fetch(self.store.db, sql + " WHERE all_queues")
        assert states.count("inactive") == (inactive or 0)
        assert states.count("active") == (active or 0)
        listed = fetch(self.store.db, "SELECT count(*) FROM inactive")
        assert [(states.count("inactive"),)] == listed


def _state(events: list[dict[str, Any]]) -> str:
    """What RFC 21 says of a legal life, as dumbly as can be."""
    names = [event["name"] for event in events]
    if "clean" in names:
        return "inactive"
    return "active" if "validate" in names else "new"


TestStoreAndModel = StoreAndModel.TestCase


def test_states_of_the_model_are_those_of_the_fold() -> None:
    submit = {"userid": 1, "urgency": 16}
    text = json.dumps(
        {"id": 1000, "events": [{"timestamp": 1, "name": "submit", "context": submit}]}
    )
    job = fold(None, records([text.encode()]))
    assert job is not None
    assert job.state == NEW != INACTIVE
