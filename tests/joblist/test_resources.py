# SPDX-License-Identifier: LGPL-3.0
"""The resource module's journal is followed beside the jobs', whatever becomes of it."""

from __future__ import annotations

import json
from errno import ENODATA, ENOSYS, EPERM

from eventstore.ingest.counts import Counts
from eventstore.storage.connection import create_or_open
from eventstore.storage.sql import fetch
from joblist.journal.batches import Source
from joblist.journal.follower import Follower
from joblist.journal.resources import DELAYS, ResourceFollower
from projections.engine.verify_views import differing
from projections.engine.views import Views
from projections.node_queries.present import nodes
from tests.support.fake_bus import SENTINEL, FakeBus

RESTART = (
    b'{"events":[{"timestamp":1.0,"name":"restart","context":'
    b'{"ranks":"0-1","online":"0-1","nodelist":"n[0-1]"}}]}'
)
END = b'{"events":[]}'
STATUS = b'{"R":{"version":1},"drain":{},"online":"0-1","offline":"","exclude":"1","torpid":""}'


def drain(time: float, reason: str) -> bytes:
    context = {"idset": "0", "nodelist": "n0", "reason": reason, "overwrite": 0}
    event = {"timestamp": time, "name": "drain", "context": context}
    return json.dumps({"events": [event]}, separators=(",", ":")).encode()


class Followed:
    """Both journals on a bus without a broker."""

    def __init__(self) -> None:
        self.bus = FakeBus()
        self.store = create_or_open(":memory:")
        self.views = Views(self.store)
        source = Source("live", "boot", list)
        self.follower = Follower(self.bus, self.store, source, (self.views,))
        self.resources = ResourceFollower(self.bus, self.follower.take)
        self.follower.start()
        self.resources.start()

    def backlog(self) -> None:
        for line in (RESTART, END):
            self.bus.resource_arrived(line)
        self.bus.status_asked.pop()(STATUS)

    def reasons(self) -> list[str | None]:
        self.follower.flush()
        return [node.drained and node.drained.reason for node in nodes(self.store.db)]


def test_events_and_the_status_behind_the_backlog_are_stored() -> None:
    live = Followed()
    live.bus.arrived(SENTINEL)
    live.backlog()
    live.bus.resource_arrived(drain(2.0, "disk"))
    assert live.reasons() == ["disk", None]
    assert [node.excluded for node in nodes(live.store.db)] == [False, True]
    assert live.follower.total == Counts(responses=5, new=2, of_resources=4)
    assert differing(live.store.db) is None


def test_a_module_that_is_gone_is_asked_again_and_what_was_missed_is_read() -> None:
    live = Followed()
    live.bus.arrived(SENTINEL)
    live.backlog()
    live.bus.resource_ended(ENODATA, "")
    assert live.reasons() == [None, None]
    assert [node.up for node in nodes(live.store.db)] == [None, None]  # not known meanwhile
    for attempt, delay in enumerate(DELAYS[:3]):
        live.bus.pass_time(delay)
        assert len(live.bus.resource_journals) == attempt + 2
        live.bus.resource_ended(ENOSYS, "No service")
    live.bus.pass_time(DELAYS[3])
    again = RESTART.replace(b"1.0,", b"9.0,", 1)
    early = json.loads(drain(3.0, "missed"))["events"]
    line = json.dumps({"events": [*early, *json.loads(again)["events"]]}).encode()
    for arrived in (line, END):
        live.bus.resource_arrived(arrived)
    assert live.reasons()[0] == "missed"
    assert [node.up for node in nodes(live.store.db)] == [True, True]
    assert len([text for text in live.bus.logged if "No service" in text]) == 1


def test_a_refusal_is_final_and_jobs_go_on() -> None:
    live = Followed()
    live.bus.resource_ended(EPERM, "Request requires owner credentials")
    live.bus.pass_time(60.0)
    assert len(live.bus.resource_journals) == 1
    assert any("not followed" in text for text in live.bus.logged)
    live.bus.arrived(b'{"id":1,"events":[{"timestamp":1.0,"name":"submit","context":{}}]}')
    live.follower.flush()
    assert live.follower.total.new == 1


def test_nothing_is_lost_while_the_job_managers_journal_is_away() -> None:
    live = Followed()
    live.bus.arrived(SENTINEL)
    live.backlog()
    live.bus.ended(ENOSYS, "")
    live.bus.resource_arrived(drain(2.0, "meanwhile"))
    live.bus.pass_time(1.0)  # it is asked for again: another source
    live.bus.arrived(SENTINEL)
    live.bus.resource_arrived(drain(3.0, "no news"))
    assert live.reasons() == ["meanwhile", None]
    kinds = fetch(live.store.db, "SELECT kind, count(*) FROM notice GROUP BY kind")
    assert dict(kinds)["resource"] == 3
    assert dict(kinds)["resource-backlog"] == 1


def test_it_is_left_when_the_module_is() -> None:
    live = Followed()
    live.resources.stop()
    assert live.bus.resource_journals[0].stopped
    live.bus.pass_time(60.0)
    assert len(live.bus.resource_journals) == 1
