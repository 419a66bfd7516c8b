# SPDX-License-Identifier: LGPL-3.0
"""One request's view of the database: whose it is, of which moment, and for how long.

A request has a connection of its own, for reading, and one state of the database. It ends after
some seconds: a reader that stays keeps the write-ahead log from being taken in.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import apsw
import msgspec

from eventstore.reading import gaps
from eventstore.storage.connection import open_readonly
from eventstore.storage.sql import fetch
from joblist.config import Config
from joblist.protocol.requests import Credential
from joblist.service import Request, Service
from joblist.visibility import Visibility, users_with_events
from projections.notation.timespec import parse_time
from projections.queries import store_counts

LONGEST = 10.0
"""Seconds that a request may take."""
_STEPS = 10_000
_ANY_SIZE = 2**31


class TooLong(Exception):  # noqa: N818 - it says what happened
    """A request took longer than it may."""


class Counted:
    """What is counted for all requests, one at a time: gaps, and rows that are stored."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._gaps, self._stored = gaps.Counting(), store_counts.Counting()

    def gaps(self, db: apsw.Connection, path: str) -> dict[str, int]:
        """Return how many gaps there are of each kind."""
        with self._lock:
            return self._gaps.counts(db, path)

    def stored(self, db: apsw.Connection) -> dict[str, Any]:
        """Return how much is stored."""
        with self._lock:
            return self._stored.counts(db)

    def begin(self, path: str) -> None:
        """Count for the first time, which takes seconds where a million jobs are stored."""
        with open_readonly(path) as store, store.snapshot() as db:
            self.gaps(db, path)
            self.stored(db)


class Asking:
    """What pages ask. ``at``: the moment that they show, None for now; seconds since epoch."""

    def __init__(
        self, path: str, db: apsw.Connection, service: Service, viewer: Credential,
        at: float | None, counted: Counted,
    ) -> None:  # fmt: skip
        self.cluster = ""  # where several databases are shown
        self.path, self.db, self.viewer, self.at = path, db, viewer, at
        self.now = time.time() if at is None else at
        self._service, self._counted = service, counted
        self._visible = Visibility(service.config, viewer)

    @property
    def sees_all(self) -> bool:
        """Whether everybody's jobs are visible."""
        return self._visible.users is None

    def may_open(self, userid: int) -> bool:
        """Whether the events, jobspec and R of a user's jobs are shown."""
        users = users_with_events(self.viewer)
        return users is None or userid in users

    def jobs(
        self,
        constraint: Mapping[str, Any] | None = None,
        *,
        most: int,
        since: float = 0.0,
        at: float | None = None,
        attrs: Sequence[str] = ("all",),
    ) -> list[dict[str, Any]]:
        """Return visible jobs with all attributes, or these, in the order of `flux jobs`."""
        members = {"max_entries": most, "attrs": attrs, "since": since,
                   "constraint": constraint or {}}  # fmt: skip
        request = self._request("job-list.list", members)
        service = self._service if at is None else self._service_at(at)
        found = filter(None, service.jobs(self.db, request))
        return [msgspec.json.decode(job) for job in found]

    def job(self, jobid: int) -> dict[str, Any] | None:
        """Return a visible job; raises RpcError where there is none."""
        request = self._request("job-list.list-id", {"id": jobid, "attrs": ["all"]})
        (answer,) = self._service.answer(request)
        found: dict[str, Any] = msgspec.json.decode(answer)["job"]
        return found

    def stats(self) -> dict[str, Any] | None:
        """Return job-list's counts; None where they are not for the viewer."""
        if not self.sees_all:
            return None
        request = self._request("job-list.job-stats", {})
        found: dict[str, Any] = msgspec.json.decode(self._service.answer(request)[0])
        return found

    def gap_counts(self) -> dict[str, int]:
        """Return how many gaps there are of each kind."""
        return self._counted.gaps(self.db, self.path)

    def stored(self) -> dict[str, Any]:
        """Return how much is stored (projections/queries/store_counts.py)."""
        return self._counted.stored(self.db)

    def time(self, given: Mapping[str, str], name: str) -> float | None:
        """Return a member of the address that is a time; None where it is not there.

        Raises ValueError for what is no time, or is one of which nothing can be known yet.
        """
        text = given.get(name)
        return self.past(parse_time(text, now=self.now), text) if text else None

    def past(self, time_: float, text: str) -> float:
        """Return a time; raises ValueError where it is in the future, also of the events."""
        if time_ > time.time() and time_ > self.reach()[1]:
            raise ValueError(f"{text!a:.100} is in the future: nothing is known of it")
        return time_

    def reach(self) -> tuple[float, float]:
        """Return the times of the first and the last stored event; 0 where there is none."""
        sql = "SELECT (SELECT min(timestamp) FROM event WHERE seq < 1000), max(timestamp)" \
              " FROM (SELECT timestamp FROM event ORDER BY seq DESC LIMIT 1000)"  # fmt: skip
        first, last = fetch(self.db, sql)[0]
        return first or 0.0, last or 0.0

    def _request(self, topic: str, members: Mapping[str, Any]) -> Request:
        text = msgspec.json.encode(members)
        return Request(topic, text, self.viewer, streaming=topic.endswith(".list"))

    def _service_at(self, at: float) -> Service:
        return Service(
            self._service._store,
            self._service.config, as_of=at, instance_size=_ANY_SIZE,
        )  # fmt: skip


@contextmanager
def asked(
    path: str, config: Config, viewer: Credential, at: str, counted: Counted
) -> Iterator[Asking]:
    """Open the database for a request; raises ValueError for what is no moment, TooLong."""
    moment = parse_time(at, now=time.time()) if at else None
    end = time.monotonic() + LONGEST

    def look() -> bool:
        if time.monotonic() > end:
            raise TooLong
        return False

    with open_readonly(path) as store, store.snapshot() as db:
        db.set_progress_handler(look, _STEPS)
        service = Service(store, config, as_of=moment, instance_size=_ANY_SIZE)
        asking = Asking(path, db, service, viewer, moment, counted)
        if moment is not None:
            asking.past(moment, at)
        yield asking
