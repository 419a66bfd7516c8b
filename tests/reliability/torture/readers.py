# SPDX-License-Identifier: LGPL-3.0
"""Readers of a store that is being written: random questions, whose answers must add up.

Each round asks several questions within one snapshot, so that they can be held against each
other, and remembers what must not change: an ended job, a past moment, how many jobs there
were.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from typing import Any

import apsw

from eventstore.storage.connection import open_readonly
from eventstore.storage.sql import fetch, value
from joblist.config import Config
from joblist.protocol.requests import Credential
from joblist.service import Request, Service

_ENDINGS = ("successful", "failed", "canceled", "timeout")
_ACTIVE = ("depend", "priority", "sched", "run", "cleanup")
_STATES = {"depend": 2, "priority": 4, "sched": 8, "run": 16, "cleanup": 32, "inactive": 64}
_REMEMBERED = 500
_SHARE = 3  # a reader rests so many times longer than it works: it is not alone


def adds_up(stats: dict[str, Any]) -> None:
    """Check an answer to job-stats against itself; raises AssertionError."""
    for part in (stats, *stats["queues"]):
        states = part["job_states"]
        assert states["total"] == sum(n for name, n in states.items() if name != "total"), part
        assert states["inactive"] == sum(part[name] for name in _ENDINGS), part
        assert all(number >= 0 for number in states.values()), part
    # Each of these jobs has a queue.
    for name in (*_STATES, "total"):
        by_queue = sum(queue["job_states"][name] for queue in stats["queues"])
        assert by_queue == stats["job_states"][name], (name, stats)
    for name in _ENDINGS:
        assert sum(queue[name] for queue in stats["queues"]) == stats[name], (name, stats)


class Asker:
    """One reader; ``questions`` counts what it asked, by kind."""

    def __init__(self, path: str, seed: int) -> None:
        self.store = open_readonly(path)
        self.random = random.Random(seed)
        self.questions: dict[str, int] = {}
        self._ended: dict[int, dict[str, Any]] = {}
        self._past: dict[float, dict[str, Any]] = {}
        self._most = (0, 0)  # jobs, and ended ones, that there were at least
        self._rounds: list[Callable[[apsw.Connection], None]] = [
            self._stats, self._page, self._one, self._then, self._active,
        ]  # fmt: skip

    def ask(self) -> None:
        """Ask a random question, then pause."""
        begun = time.monotonic()
        with self.store.snapshot() as db:
            if value(db, "SELECT 1 FROM inactive LIMIT 1"):
                self.random.choice(self._rounds)(db)
        time.sleep(min(2.0, 0.001 + _SHARE * (time.monotonic() - begun)))

    def _answer(self, method: str, request: object = None, as_of: float | None = None) -> Any:
        kind = method if as_of is None else f"{method} as of then"
        self.questions[kind] = self.questions.get(kind, 0) + 1
        text = None if request is None else json.dumps(request).encode()
        asked = Request(f"job-list.{method}", text, Credential(), streaming=False)
        (found,) = Service(self.store, Config(), as_of=as_of).answer(asked)
        return json.loads(found)

    def _list(self, constraint: object, most: int = 0) -> list[dict[str, Any]]:
        wanted = {"max_entries": most, "attrs": ["all"], "constraint": constraint}
        found: list[dict[str, Any]] = self._answer("list", wanted)["jobs"]
        return found

    def _stats(self, db: apsw.Connection) -> None:
        """The statistics agree with each other, with the rows, and never go back."""
        stats = self._answer("job-stats")
        adds_up(stats)
        sizes = self._answer("stats-get")["jobs"]
        states = stats["job_states"]
        assert sizes["inactive"] == states["inactive"]
        assert sizes["pending"] == states["depend"] + states["priority"] + states["sched"]
        assert sizes["running"] == states["run"] + states["cleanup"]
        now = (states["total"], states["inactive"])
        assert now[0] >= self._most[0], (now, self._most)
        assert now[1] >= self._most[1], (now, self._most)
        self._most = now
        sql = "SELECT (SELECT max(seq) FROM event), (SELECT max(seq) FROM notice),"
        ((event, notice, checkpoint),) = fetch(db, f"{sql} min(checkpoint) FROM view")
        assert checkpoint == max(event, notice or 0)

    def _active(self, db: apsw.Connection) -> None:
        """The list of active jobs has as many as the statistics say, state by state."""
        del db
        stats = self._answer("job-stats")
        adds_up(stats)
        jobs = self._list({"states": ["active"]})
        for name in _ACTIVE:
            count = sum(job["state"] == _STATES[name] for job in jobs)
            assert count == stats["job_states"][name], (name, count, stats)
        assert len({job["id"] for job in jobs}) == len(jobs)

    def _page(self, db: apsw.Connection) -> None:
        """A page of a random question has what was asked for, in order, and each job once."""
        jobid, user, name, queue, host = fetch(
            db,
            "SELECT jobid, userid, name, queue, nodelist FROM inactive WHERE job >= ? LIMIT 1",
            (self.random.randrange(1, self._last(db) + 1),),
        )[0]
        del jobid
        asked, fits = self.random.choice(
            [
                ({"userid": [user]}, lambda job: job["userid"] == user),
                ({"name": [name]}, lambda job: job["name"] == name),
                ({"queue": [queue]}, lambda job: job["queue"] == queue),
                ({"results": ["failed"]}, lambda job: job["result"] == 2),
                ({"hostlist": [host]}, lambda job: "nodelist" in job),
                ({"and": [{"userid": [user]}, {"queue": [queue]}]},
                 lambda job: (job["userid"], job["queue"]) == (user, queue)),
            ]
        )  # fmt: skip
        jobs = self._list(
            {"and": [{"states": ["inactive"]}, asked]}, self.random.choice((1, 20, 500))
        )
        assert jobs, asked
        assert all(fits(job) for job in jobs), asked
        order = [(job["t_inactive"], job["id"]) for job in jobs]
        assert order == sorted(set(order), reverse=True), asked
        for job in jobs[:5]:
            self._remember(job)

    def _one(self, db: apsw.Connection) -> None:
        """An ended job is the same by its id, today and later."""
        del db
        if self._ended:
            jobid = self.random.choice(list(self._ended))
            job = self._answer("list-id", {"id": jobid, "attrs": ["all"]})["job"]
            assert job == self._ended[jobid], (job, self._ended[jobid])

    def _then(self, db: apsw.Connection) -> None:
        """The answer for a past moment never changes."""
        sql = "SELECT min(t_inactive), max(t_inactive) FROM inactive"
        first, last = fetch(db, sql)[0]
        then = self.random.uniform(first, last)
        if self._past and self.random.random() < 0.5:
            then = self.random.choice(list(self._past))
        stats = self._answer("job-stats", as_of=then)
        adds_up(stats)
        stats["queues"].sort(key=lambda queue: queue["name"])  # no order is promised
        before = self._past.setdefault(then, stats)
        assert stats == before, (then, stats, before)
        while len(self._past) > _REMEMBERED:
            del self._past[next(iter(self._past))]

    def _remember(self, job: dict[str, Any]) -> None:
        assert job == self._ended.setdefault(job["id"], job)
        while len(self._ended) > _REMEMBERED:
            del self._ended[next(iter(self._ended))]

    def _last(self, db: apsw.Connection) -> int:
        return int(value(db, "SELECT max(job) FROM inactive"))
