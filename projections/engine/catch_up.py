# SPDX-License-Identifier: LGPL-3.0
"""Views that follow what was stored without them: a bulk load, or what a crash left behind.

Events are committed first. Processes fold them, chunk by chunk, and this one writes what that
changes, with the checkpoint that is reached, in one transaction a chunk. So the views are at
one checkpoint at any time, from which whoever opens the store next goes on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from operator import attrgetter

import apsw

from eventstore.bulk_work import default_processes, without_collections
from eventstore.events.records import Notice, Record
from eventstore.reading import event_log
from eventstore.storage.connection import MEMORY
from eventstore.storage.sql import value
from projections.definitions.interface import Projection, kept_among
from projections.engine.left_behind import Failures, failed
from projections.engine.rebuild_workers import Shard, Step, Workers, are_installed
from projections.engine.row_deltas import ViewTables
from projections.engine.views import (
    FOLD,
    Views,
    current,
    save_states,
    stored_views,
    version_of,
)
from projections.job.reducers import FOLD_VERSION

CHUNK = 50_000  # events a transaction
Progress = Callable[[int, int], None]


def behind(db: apsw.Connection, projections: Sequence[Projection]) -> list[Projection]:
    """Return the projections whose views can go on from the checkpoint of the states of jobs.

    An empty list if that is the head already, or if those states are of another version.
    """
    views, head = stored_views(db), event_log.head(db)
    states = views.get(FOLD)
    if states is None or states.version != str(FOLD_VERSION) or states.checkpoint >= head:
        return []
    failures = failed(db, {one.name: version_of(one) for one in projections})
    return [
        one
        for one in projections
        if one.name not in failures
        and one.name in views
        and views[one.name][1:3] == (version_of(one), states.checkpoint)
    ]


def catch_up(views: Views, progress: Progress = lambda done, total: None) -> bool:
    """Have views follow up to the head; returns whether there was something to follow."""
    with views.store.snapshot() as db:
        if not behind(db, views.projections):
            return False
    with CatchUp(views, default_processes()) as follower:
        follower.finish(progress)
    return True


class CatchUp:
    """Has the views of a store follow, by so many ``processes``, of which this one writes.

    Nobody else may write the views meanwhile. Use as a context manager; ``views`` is loaded
    anew when it ends. Each ``chunk`` of events is a transaction.
    """

    def __init__(self, views: Views, processes: int, *, chunk: int = CHUNK) -> None:
        self._chunk = chunk
        self._views = views
        self._store = views.store
        self._processes = 1 if self._store.path == MEMORY else processes
        self._workers: Workers | None = None
        with self._store.snapshot() as db:
            known = behind(db, views.projections) or current(db, views.projections)
            self._done = stored_views(db)[FOLD].checkpoint
        self._begin(known)

    def __enter__(self) -> CatchUp:
        """Return it."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the processes; views are as stored."""
        self._end()
        self._views.reload()
        self._views.say()

    def _begin(self, projections: Sequence[Projection]) -> None:
        """Begin, with these projections, behind what is written."""
        self._projections = list(projections)
        self._tables = ViewTables(self._projections)
        self._keepers = [one.keeper() for one in kept_among(self._projections)]
        self._asked: deque[tuple[int, int]] = deque()
        if self._processes > 1 and are_installed(self._projections):
            names = [one.name for one in self._projections]
            self._workers = Workers(
                self._store.path, names, FOLD, self._done, self._processes - 1
            )
        else:
            self._shard = Shard(self._store.db, self._projections, FOLD, self._done)

    def _end(self) -> None:
        if self._workers is not None:
            self._workers.close()
            self._workers = None

    def advance(self) -> None:
        """Have another chunk folded, where there is one, and write the one before it."""
        head = event_log.head(self._store.db)
        last = self._asked[-1][1] if self._asked else self._done
        if head - last >= self._chunk:
            self._ask(last, head)
            if len(self._asked) > 1:
                self._write()

    def finish(self, progress: Progress = lambda done, total: None) -> None:
        """Follow up to the head."""
        head = event_log.head(self._store.db)
        while self._done < head:
            last = self._asked[-1][1] if self._asked else self._done
            if last < head:
                first = event_log.following(self._store.db, last, head)
                self._ask(last, min(first - 1 + self._chunk, head))
            if last >= head or len(self._asked) > 1:
                self._write()
                progress(self._done, head)

    def _ask(self, after: int, until: int) -> None:
        self._asked.append((after, until))
        if self._workers is not None:
            self._workers.ask(after, until)

    def _write(self) -> None:
        """Write the next chunk. Without a projection that fails, it is folded once more."""
        after, until = self._asked.popleft()
        with without_collections(), self._store.transaction() as db:
            db.execute("SAVEPOINT chunk")
            failures = self._written(db, after, until)
            if failures:
                db.execute("ROLLBACK TO chunk")
                self._views.leave(db, failures)
            db.execute("RELEASE chunk")
        if failures:
            self._end()
            left = [one for one in self._projections if one.name not in failures]
            self._begin(left)
            return
        self._done = until

    def _written(self, db: apsw.Connection, after: int, until: int) -> Failures:
        for step in self._steps(after, until):
            failures = {**step.failures}
            if not failures:
                self._tables.write(db, step.deltas)
                failures = self._tables.failures
            if failures:
                return failures
            save_states(db, FOLD, step.states)
        self._keep(db, after, until)
        names = [FOLD, *(one.name for one in self._projections)]
        sql = "UPDATE view SET checkpoint = ? WHERE name = ?"
        db.executemany(sql, [(until, name) for name in names])
        return {}

    def _steps(self, after: int, until: int) -> Iterator[Step]:
        if self._workers is not None:
            return self._workers.steps()
        return self._shard.steps(after, until)

    def _keep(self, db: apsw.Connection, after: int, until: int) -> None:
        """Write what follows from notices, and see which sums the events of jobs may change."""
        if not self._keepers:
            return
        sql = "SELECT seq FROM event WHERE seq > ? AND seq <= ? ORDER BY timestamp LIMIT 1"
        earliest = value(db, sql, (after, until))
        found: list[Record | Notice] = list(event_log.notices(db, after, until))
        if earliest is not None:
            found += event_log.by_seq(db, [earliest])
        found.sort(key=attrgetter("seq"))
        for keeper in self._keepers:
            keeper.apply(db, found)
            keeper.saw(db, found)
