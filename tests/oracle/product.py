# SPDX-License-Identifier: LGPL-3.0
"""What is tested, behind one door: the store with its views, and the reducers by themselves."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import apsw

from eventstore.events.journal_line import Response, decode_line
from eventstore.events.records import Notice, Record
from eventstore.ingest.writer import Writer
from eventstore.storage.sql import fetch
from joblist.config import Config
from joblist.protocol.errors import RpcError
from joblist.protocol.requests import Credential
from joblist.service import Request, Service
from projections.engine.rebuild import rebuild
from projections.engine.views import Views
from projections.job.attributes import answer
from projections.job.packing import packed
from projections.job.reducers import fold
from projections.job.state import NEW, Job
from projections.queries.render import Renderer
from tests.support.recordings import new_store

ALL = Renderer(["all"])


class Product:
    """A store in memory, one reader of a journal, and the answers."""

    def __init__(self) -> None:
        self._store, self._views = new_store()
        self.connect("first")

    def connect(
        self,
        name: str,
        boot: str | None = None,
        *,
        complete: bool = False,
        follow: bool = False,
    ) -> None:
        """Read from a new source; ``complete``: it begins with all that there is."""
        expected = (lambda: self._expected(follow)) if complete else None
        self._writer = Writer(self._store, name, self, boot=boot, expected=expected)

    # -- a participant in the batches: the views, which a rebuild replaces

    def apply(self, db: apsw.Connection, records: Sequence[Record | Notice]) -> None:
        self._views.apply(db, records)

    def committed(self) -> None:
        self._views.committed()

    def rolled_back(self) -> None:
        self._views.rolled_back()

    def _expected(self, follow: bool) -> list[int]:
        keys = [job.key for job in self._views.unfinished()]
        if follow:
            sql = "SELECT job FROM inactive WHERE t_purged IS NULL"
            keys += [key for (key,) in fetch(self._store.db, sql)]
        return keys

    def feed(self, lines: Iterable[bytes]) -> None:
        """Append lines as one batch."""
        self._writer.append(lines)

    def reopen(self) -> None:
        """Take up the views as they are stored."""
        self._views = Views(self._store)

    def rebuild(self, chunk: int) -> None:
        """Make all views anew from the events."""
        rebuild(self._views, chunk=chunk)
        self.reopen()

    # -- answers

    def _answer(self, topic: str, request: dict[str, Any], **how: Any) -> Any:
        follow = how.pop("follow", False)
        service = Service(self._store, Config(follow_purges=follow), **how)
        text = json.dumps(request).encode()
        (answer,) = service.answer(Request(f"job-list.{topic}", text, Credential(), False))
        return json.loads(answer)

    def listed(self, **how: Any) -> list[dict[str, Any]]:
        answer = self._answer("list", {"max_entries": 0, "attrs": ["all"]}, **how)
        found: list[dict[str, Any]] = answer["jobs"]
        return found

    def stats(self, **how: Any) -> dict[str, Any]:
        found: dict[str, Any] = self._answer("job-stats", {}, **how)
        found["queues"].sort(key=lambda queue: queue["name"])
        return found

    def one(self, jobid: int, state: int = 0, **how: Any) -> dict[str, Any] | None:
        """The answer to ``list-id``; None where there is none yet."""
        request = {"id": jobid, "attrs": ["all"]} | ({"state": state} if state else {})
        try:
            found: dict[str, Any] = self._answer("list-id", request, **how)["job"]
        except RpcError:
            return None
        return found


def folded(lines: Iterable[bytes]) -> Iterator[dict[str, Any] | None]:
    """Fold one job's events one by one; yields the answer after each."""
    job: Job | None = None
    everything = _records(lines)
    for record in everything:
        job = fold(job, [record])
        yield _shown(job)
    assert job == fold(None, everything), "folded at once"


def payloads(lines: Iterable[bytes]) -> tuple[Any, Any]:
    """A job's jobspec and R as the reducers have them in the end, None where there is none."""
    job = fold(None, _records(lines))
    assert job is not None
    found = (job.jobspec, job.R)
    jobspec, R = (None if text is None else json.loads(text) for text in found)  # noqa: N806
    return jobspec, R


def _shown(job: Job | None) -> dict[str, Any] | None:
    if job is None or job.state == NEW:
        return None
    found: dict[str, Any] = json.loads(ALL.text(job.id, packed(job)))
    assert json.dumps(answer(job)) == json.dumps(found), "packed and not"
    return found


def _records(lines: Iterable[bytes]) -> list[Record]:
    found = []
    for seq, line in enumerate(lines, start=1):
        response = decode_line(line)
        assert isinstance(response, Response), line
        payload = (response.jobspec, response.R)
        for entry in response.entries:
            found.append(
                Record(seq, response.jobid, response.jobid, 1, False, None, entry, *payload)
            )
    return found
