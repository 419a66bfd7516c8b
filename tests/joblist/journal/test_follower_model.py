# SPDX-License-Identifier: LGPL-3.0
"""Random sequences of what can happen to the module, against a simple job manager.

The job manager keeps the committed events of its jobs, and sends them: a backlog, the
sentinel, live events, some of which are in no backlog. Whatever happens, what the module has
stored stays, ``behind`` says the truth, memory is bounded, and in the end, when the store
works and the journal comes, everything is stored, once.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from errno import ECONNRESET, ENODATA, ENOSYS, EPERM, EPROTO

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from eventstore.errors import Busy, Gone, StoreError
from eventstore.storage.connection import create_or_open
from eventstore.storage.sql import fetch
from joblist.journal.follower import Follower
from joblist.journal.follower_states import Place, Storing
from joblist.journal.pending_lines import Limits
from projections.engine.views import Views
from tests.support.fake_bus import SENTINEL, Broken, FakeBus, Module, backlog, event, life

LIMITS = Limits(lines=4, bytes=900, kept=1800)
ERRORS = (StoreError("full"), StoreError("full"), Busy("locked"), Gone("moved"))
Key = tuple[int, float, str]
"""An event: its job, time and name."""


def keys_of(line: bytes) -> set[Key]:
    found = json.loads(line)
    return {(found["id"], e["timestamp"], e["name"]) for e in found["events"]}


class FakeJobManager:
    """The jobs, what the journal has still to deliver, and who listens."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.lives: dict[int, deque[bytes]] = {}  # live responses that are still to be posted
        self.jobs: dict[int, list[bytes]] = {}  # those that were posted, and are committed
        self.wire: deque[bytes] = deque()
        self.listener: ManagedJournal | None = None

    def connect(self, listener: ManagedJournal) -> None:
        self.listener = listener
        self.wire = deque([*map(backlog, self.jobs.values()), SENTINEL])

    def disconnect(self) -> None:
        self.listener = None
        self.wire.clear()

    def submit(self) -> int:
        jobid = len(self.lives) + 1
        self.now += 100
        self.lives[jobid] = deque(life(jobid, self.now))
        self.jobs[jobid] = []
        self.post(jobid)
        return jobid

    def post(self, jobid: int) -> None:
        """Post a job's next event."""
        line = self.lives[jobid].popleft()
        self.jobs[jobid].append(line)
        self._send(line)

    def annotate(self, jobid: int) -> None:
        """Post an event that no backlog has."""
        self.now += 100
        self._send(event(jobid, self.now, "annotations", {"annotations": {"user": {"a": 1}}}))

    def _send(self, line: bytes) -> None:
        if self.listener is not None:
            self.wire.append(line)

    def purge(self, jobid: int) -> bytes:
        del self.jobs[jobid]
        return b'{"jobs":[%d]}' % jobid

    def committed(self) -> set[Key]:
        return {key for lines in self.jobs.values() for line in lines for key in keys_of(line)}


class ManagedJournal:
    """A journal request that the job manager answers."""

    def __init__(self, manager: FakeJobManager, arrived: Callable[[bytes], None]) -> None:
        self.manager, self.arrived = manager, arrived

    def stop(self) -> None:
        assert self.manager.listener is self
        self.manager.disconnect()


class ManagedBus(FakeBus):
    """A bus to that job manager."""

    def __init__(self, manager: FakeJobManager) -> None:
        super().__init__()
        self.manager = manager

    def journal(  # type: ignore[override]
        self, arrived: Callable[[bytes], None], ended: Callable[[int, str], None]
    ) -> ManagedJournal:
        assert self.manager.listener is None, "asked for twice"
        self.ended = ended
        journal = ManagedJournal(self.manager, arrived)
        self.manager.connect(journal)
        return journal


class Following(RuleBasedStateMachine):
    """The module, and what the test knows of it."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.disk = Broken(self.patch, ERRORS[0])
        self.disk.broken = False
        self.manager = FakeJobManager()
        self.store = create_or_open(":memory:")
        self.taken: set[Key] = set()  # what was delivered
        self.forgotten: set[Key] = set()  # of this, what no backlog will bring again
        self.purged: set[int] = set()
        self.purges_lost: set[int] = set()
        self.ends_lost = False  # the end of a source could not be stored
        self.kept: set[Key] = set()  # what was stored at the last look
        self.load()

    def load(self) -> None:
        broken, self.disk.broken = self.disk.broken, False
        views = Views(self.store)
        self.disk.broken = broken
        self.paused = False
        self.overflows = 0
        self.module = Module(views, bus=ManagedBus(self.manager), limits=LIMITS, boot="boot")

    def teardown(self) -> None:
        self.disk.broken = False
        if self.follower.state[0] is Place.ENDED:
            self.reload()
        if self.paused:
            self.unpause()
        for _ in range(3):
            self.pass_time(100)
            self.deliver(1000)
        self.follower.flush()
        assert (Place.FOLLOWING, Storing.WORKING) == self.follower.state
        assert self.follower.behind is None
        assert self.manager.committed() <= self.stored()
        assert self.taken - self.forgotten <= self.stored()
        purged = {jobid for (jobid,) in fetch(self.store.db, PURGED)}
        assert self.purged - self.purges_lost <= purged <= self.purged
        self.module.live.close()
        unended = fetch(self.store.db, "SELECT 1 FROM source WHERE outcome IS NULL")
        assert not unended or self.ends_lost or self.end_was_lost()
        self.store.close()
        self.patch.undo()

    @property
    def follower(self) -> Follower:
        return self.module.live.follower

    def end_was_lost(self) -> bool:
        return any("the end of the source" in line for line in self.module.bus.logged)

    def stored(self) -> set[Key]:
        found = [tuple(row) for row in fetch(self.store.db, EVENTS)]
        assert len(found) == len(set(found)), "stored twice"
        return set(found)

    # -- what happens

    @initialize(jobs=st.integers(0, 4))
    def begin(self, jobs: int) -> None:
        for _ in range(jobs):
            self.manager.submit()

    @rule(jobs=st.integers(1, 3), events=st.integers(0, 20))
    def work(self, jobs: int, events: int) -> None:
        """Submit jobs, and go on with those that there are, the oldest first."""
        for _ in range(jobs):
            self.manager.submit()
        for jobid, lines in self.manager.lives.items():
            for _ in range(min(events, len(lines))):
                self.manager.post(jobid)
                events -= 1

    @rule(data=st.data())
    @precondition(lambda self: self.manager.jobs)
    def annotate(self, data: st.DataObject) -> None:
        self.manager.annotate(data.draw(st.sampled_from(sorted(self.manager.jobs))))

    @rule(data=st.data())
    def purge(self, data: st.DataObject) -> None:
        """Purge a job that is stored to its end: of any other, events would be lost."""
        stored = self.stored()
        ended = [
            jobid
            for jobid, lines in self.manager.jobs.items()
            if not self.manager.lives[jobid] and all(keys_of(line) <= stored for line in lines)
        ]
        if ended:
            jobid = data.draw(st.sampled_from(ended))
            self.purged.add(jobid)
            self.follower.take(self.manager.purge(jobid))
            self.note_losses()

    @rule()
    def deliver_all(self) -> None:
        self.deliver(1000)

    @rule(count=st.integers(1, 30))
    def deliver(self, count: int) -> None:
        for _ in range(count):
            if not self.manager.wire or self.manager.listener is None:
                break
            line = self.manager.wire.popleft()
            self.taken |= keys_of(line)
            self.manager.listener.arrived(line)
            self.note_losses()

    @rule(seconds=st.sampled_from([0.01, 0.05, 0.3, 3, 40]))
    def pass_time(self, seconds: float) -> None:
        self.module.bus.pass_time(seconds)

    @rule()
    def ask(self) -> None:
        if self.module.live.requests.gate.is_open:
            found = set(self.module.ids())
            assert found <= set(self.manager.lives)

    @rule(error=st.sampled_from(ERRORS))
    def break_store(self, error: StoreError) -> None:
        """Make the store fail, or work again."""
        self.disk.error = error
        self.disk.broken = not self.disk.broken

    @rule()
    @precondition(lambda self: self.follower.state[0] is not Place.ENDED)
    def pause(self) -> None:
        """Pause, or unpause, again and again even."""
        if self.paused and self.manager.now % 300 == 0:
            self.follower.pause()
        elif self.paused:
            self.unpause()
        else:
            self.follower.pause()
            self.paused = True

    def unpause(self) -> None:
        self.paused = False
        self.follower.unpause()

    @rule(errno=st.sampled_from([ENODATA, ENOSYS, ECONNRESET, EPERM, EPROTO, 0, 0, 0, 0, 0]))
    @precondition(lambda self: self.manager.listener is not None)
    def end_journal(self, errno: int) -> None:
        if not errno:
            return
        self.manager.disconnect()
        self.module.bus.ended(errno, "")
        final = errno in {EPERM, EPROTO}
        assert (self.follower.state[0] is Place.ENDED) == final
        assert (self.module.bus.stopped is True) == final

    @rule(odds=st.integers(0, 3))
    def reload_sometimes(self, odds: int) -> None:
        if not odds:
            self.reload()

    def reload(self) -> None:
        """Remove the module and load it again. What was in memory only is gone with it."""
        self.module.live.close()
        said = any("responses are not stored" in line for line in self.module.bus.logged)
        assert said or self.taken - self.forgotten <= self.stored() or self.overflows
        self.taken &= self.stored()
        self.purges_lost |= self.purged - self.purges_stored()
        self.ends_lost = self.ends_lost or self.end_was_lost()
        assert self.manager.listener is None
        self.load()

    def purges_stored(self) -> set[int]:
        return {jobid for (jobid,) in fetch(self.store.db, PURGED)}

    def note_losses(self) -> None:
        """Responses were dropped: what is live only is lost then."""
        overflows = sum("too much to keep" in line for line in self.module.bus.logged)
        if overflows > self.overflows:
            self.overflows = overflows
            self.forgotten |= self.taken - self.stored() - self.manager.committed()

    # -- what holds

    @invariant()
    def what_is_stored_stays(self) -> None:
        stored = self.stored()
        assert self.kept <= stored <= self.taken
        self.kept = stored

    @invariant()
    def memory_is_bounded(self) -> None:
        assert self.follower._pending.size <= LIMITS.kept

    @invariant()
    def behind_says_the_truth(self) -> None:
        follower, behind = self.follower, self.follower.behind
        place, storing = follower.state
        pending = follower._pending
        missing = (self.taken - self.forgotten) - self.stored()
        if behind is None:
            assert storing not in {Storing.FAILING, Storing.HELD}
            assert not pending.dropped
            assert not missing or pending
            if not self.paused and follower._batches.begun:
                follower.flush()
            if not self.paused and follower.behind is None:
                assert (self.taken - self.forgotten) <= self.stored()
        else:
            assert (len(pending), pending.size) == (behind.responses, behind.bytes)
            assert pending.dropped == behind.dropped
            assert (
                storing in {Storing.FAILING, Storing.HELD}
                or pending
                or place is not Place.FOLLOWING
            )


EVENTS = "SELECT jobid, timestamp, name FROM event JOIN job ON key = job"
PURGED = "SELECT jobid FROM purged JOIN job ON key = job"

TestFollowing = Following.TestCase
TestFollowing.settings = settings(stateful_step_count=40)
