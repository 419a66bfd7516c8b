# SPDX-License-Identifier: LGPL-3.0
"""Store, views and service say what the oracle says, whatever happens to the instance.

Here events go the whole way: appended in batches of any size, by readers that come and go,
past restarts and purges, and the answers are those of ``job-list``.
"""

from __future__ import annotations

import json
from itertools import accumulate
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from tests.oracle.compare import event_of, same, same_lists, same_stats
from tests.oracle.instance import Instance
from tests.oracle.product import Product
from tests.oracle.states import CLEANUP, DEPEND, INACTIVE, PRIORITY, RUN, SCHED
from tests.support.lives import Step, illegal, legal, text_of

SENTINEL = b'{"id":-1,"events":[]}'
LIVE_ONLY = {"annotations", "invalidate"}
EVERY_STATE = (DEPEND, PRIORITY, SCHED, RUN, CLEANUP, INACTIVE)


@given(
    st.lists(illegal(submitted_again=False), min_size=1, max_size=2),
    st.lists(st.sampled_from((1, 1, 1, 2, 5)), min_size=40, max_size=40),
    st.randoms(use_true_random=False),
)
def test_illegal_lives_are_listed_as_the_oracle_says(
    lives: list[list[Step]], sizes: list[int], random: Any
) -> None:
    oracle, product = Instance(), Product()
    todo = dict(enumerate((list(life) for life in lives), 1000))
    turns = [jobid for jobid, life in todo.items() for _ in life]
    random.shuffle(turns)
    ends = list(accumulate(sizes))
    batch: list[bytes] = []
    for turn, jobid in enumerate(turns, 1):
        step = todo[jobid].pop(0)
        # A clock may be set back: what one reader reads stays in the order of arrival.
        time = 2000.0 + turn - random.choice((0, 0, 0, 7.5))
        batch.append(text_of(jobid, time, step))
        oracle.take(jobid, event_of(time, step))
        if turn in ends or turn == len(turns):
            product.feed(batch)
            batch = []
            same_each(oracle, product)


def same_each(oracle: Instance, product: Product) -> None:
    """Compare each job's answer, and for which states a lookup of it would wait."""
    for jobid in oracle.moments:
        same(oracle.one(jobid), product.one(jobid), jobid)
        seen = {state for state in EVERY_STATE if product.one(jobid, state) is not None}
        assert oracle.visited(jobid) == seen


class WholeInstance(RuleBasedStateMachine):
    """A job manager with legal jobs, whose journal is read, and not read, and read again."""

    def __init__(self) -> None:
        super().__init__()
        self.oracle, self.product = Instance(), Product()
        self.clock = 5000.0
        self.todo: dict[int, list[Step]] = {}
        self.sent: dict[int, list[tuple[float, Step, bool]]] = {}  # time, event, was it read
        self.last = 0
        self.boots = 1
        self.forgotten: set[int] = set()

    # -- the job manager

    @initialize(lives=st.lists(legal(), min_size=2, max_size=3))
    def begin(self, lives: list[list[Step]]) -> None:
        for life in lives:
            self.submit(life)

    @precondition(lambda self: sum(map(bool, self.todo.values())) < 4)
    @rule(life=legal())
    def submit(self, life: list[Step]) -> None:
        steps = [step for step in life if step[0] != "flux-restart"]
        self.todo[1000 + len(self.todo)] = steps

    def _next(self, choice: int, pause: float) -> tuple[int, float, Step] | None:
        waiting = [jobid for jobid, steps in self.todo.items() if steps]
        if not waiting:
            return None
        jobid = waiting[choice % len(waiting)]
        self.clock += pause or (0.5 if jobid == self.last else 0.0)
        self.last = jobid
        return jobid, self.clock, self.todo[jobid].pop(0)

    def _send(self, jobid: int, time: float, step: Step, *, read: bool) -> None:
        self.sent.setdefault(jobid, []).append((time, step, read))
        if read:
            self.oracle.take(jobid, event_of(time, step))

    @precondition(lambda self: any(self.todo.values()))
    @rule(
        choices=st.lists(
            st.tuples(st.integers(0, 99), st.sampled_from((0.0, 0.25, 1.0, 1800.0))),
            min_size=1,
            max_size=12,
        )
    )
    def happen(self, choices: list[tuple[int, float]]) -> None:
        """Some events, read as one batch."""
        batch = []
        for choice, pause in choices:
            found = self._next(choice, pause)
            if found is not None:
                self._send(*found, read=True)
                batch.append(text_of(*found))
        self.product.feed(batch)

    @precondition(lambda self: any(self.todo.values()))
    @rule(choice=st.integers(0, 99))
    def end(self, choice: int) -> None:
        """The rest of a job's life, read as one batch."""
        waiting = [jobid for jobid, steps in self.todo.items() if steps]
        jobid = waiting[choice % len(waiting)]
        batch = []
        for step in self.todo[jobid]:
            self.clock += 1.0
            self._send(jobid, self.clock, step, read=True)
            batch.append(text_of(jobid, self.clock, step))
        self.todo[jobid] = []
        self.product.feed(batch)

    @precondition(lambda self: any(self.todo.values()))
    @rule(choices=st.lists(st.integers(0, 99), min_size=1, max_size=6))
    def happen_unread(self, choices: list[int]) -> None:
        for choice in choices:
            found = self._next(choice, 1.0)
            if found is not None:
                self._send(*found, read=False)

    @property
    def over(self) -> list[int]:
        """The inactive jobs that the job manager has."""
        return [jobid for jobid in self.there if self.sent[jobid][-1][1][0] == "clean"]

    @precondition(lambda self: self.over)
    @rule(choices=st.sets(st.integers(0, 99), min_size=1, max_size=3))
    def purge(self, choices: set[int]) -> None:
        chosen = sorted({self.over[choice % len(self.over)] for choice in choices})
        self.forgotten |= set(chosen)
        self.product.feed([json.dumps({"jobs": chosen}).encode()])
        self.oracle.purge(chosen)

    # -- readers

    def _backlog(self, jobs: set[int]) -> list[bytes]:
        """What a new reader gets first; the oracle takes what was not read before."""
        lines = []
        for jobid in sorted(jobs, key=lambda jobid: jobid * 7 % 10):
            kept = []
            for n, (time, step, read) in enumerate(self.sent[jobid]):
                if step[0] in LIVE_ONLY or volatile(time, step):
                    continue
                kept.append((time, step))
                if not read:
                    self.sent[jobid][n] = (time, step, True)
                    self.oracle.take(jobid, event_of(time, step), late=True)
            lines.append(response(jobid, kept))
        return [*lines, SENTINEL]

    @property
    def there(self) -> set[int]:
        """The jobs that the job manager has."""
        dropped = {jobid for jobid, sent in self.sent.items() if sent[-1][1][0] == "invalidate"}
        return set(self.sent) - self.forgotten - dropped

    def _expected(self) -> set[int]:
        known = {jobid for jobid in self.oracle.moments if self.oracle.state(jobid)}
        return {jobid for jobid in known if not self.oracle.purged(jobid)}

    @rule()
    def reconnect(self) -> None:
        self.product.connect("again", self._boot)
        self.product.feed(self._backlog(self.there))

    @rule(choices=st.sets(st.integers(0, 99), max_size=3))
    def reconnect_for_good(self, choices: set[int]) -> None:
        """What the backlog does not have is gone; it may lack even what there is."""
        there, expected = sorted(self.there), self._expected()
        lacking = {there[choice % len(there)] for choice in choices if there}
        before = self.oracle.latest
        self.product.connect("complete", self._boot, complete=True, follow=True)
        self.product.feed(self._backlog(set(there) - lacking))
        self.oracle.lose(expected - (set(there) - lacking), before)

    @rule()
    def restart(self) -> None:
        """The broker starts again: jobs in SCHED get their priority anew."""
        self.boots += 1
        before = self.oracle.latest
        self.product.connect("rebooted", self._boot)
        for jobid in self.there:
            if self._true_state(jobid) == SCHED:
                self.clock += 1.0
                self._send(jobid, self.clock, ("flux-restart", None, {}), read=False)
                self.clock += 1.0
                self._send(jobid, self.clock, ("priority", {"priority": 2}, {}), read=False)
        lines = self._backlog(self.there)
        self.product.feed(lines)
        memos = {jobid: self._memos(jobid) for jobid in self.there}
        if before:
            self.oracle.boot(memos, before)

    @property
    def _boot(self) -> str | None:
        return None if self.boots == 1 else f"boot {self.boots}"

    def _true_state(self, jobid: int) -> int:
        alone = Instance()
        for time, step, _ in self.sent[jobid]:
            alone.take(jobid, event_of(time, step))
        return alone.state(jobid)

    def _memos(self, jobid: int) -> list[Any]:
        return [
            step[1]
            for time, step, _ in self.sent[jobid]
            if step[0] == "memo" and not volatile(time, step)
        ]

    # -- the store

    @rule()
    def reopen(self) -> None:
        self.product.reopen()

    @rule(chunk=st.integers(1, 9))
    def rebuild(self, chunk: int) -> None:
        self.product.rebuild(chunk)

    # -- answers

    @invariant()
    def all_is_as_the_oracle_says(self) -> None:
        same_lists(self.oracle, self.product)
        same_stats(self.oracle, self.product)

    @rule(choice=st.integers(0, 999))
    def look_back(self, choice: int) -> None:
        times = [time for sent in self.sent.values() for time, _, _ in sent]
        if times:
            moment = times[choice % len(times)] + (choice % 3) * 0.25
            then = self.oracle.at(moment)
            same_lists(then, self.product, as_of=moment)
            same_stats(then, self.product, as_of=moment)


def volatile(time: float, step: Step) -> bool:
    """Whether a memo was posted without being written down: every second one."""
    return step[0] == "memo" and int(time * 4) % 2 == 1


def response(jobid: int, events: list[tuple[float, Step]]) -> bytes:
    """A backlog's line: all events of a job, with its jobspec and R."""
    lines = [json.loads(text_of(jobid, time, step)) for time, step in events]
    merged: dict[str, Any] = {"id": jobid, "events": []}
    for line in lines:
        events = merged["events"] + line["events"]
        merged |= line | {"events": events}
    return json.dumps(merged, separators=(",", ":"), ensure_ascii=False).encode()


TestWholeInstance = WholeInstance.TestCase
TestWholeInstance.settings = settings(stateful_step_count=30)
