# SPDX-License-Identifier: LGPL-3.0
"""Which jobs had which hosts: from ``alloc``, at which a job runs, to ``free``.

A job that ended without ``free``, as its instance crashed, is taken to have had its hosts until
it was inactive.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import inf
from typing import NamedTuple

import apsw

from eventstore.reading import event_log
from eventstore.storage.sql import fetch, statements
from projections.constraints import interval_index
from projections.engine.fold_batch import decode_state, refold
from projections.formats import hostlist, idset
from projections.job.state import Job
from projections.nodes.inputs import ids
from projections.queries.candidates import alive, disordered, overlapping

SQL = statements(__file__)


class Allocation(NamedTuple):
    """The hosts of a job from ``begun`` until before ``freed`` (inf: it has them still)."""

    jobid: int
    begun: float
    freed: float
    ranks: str | None
    nodelist: str

    def places(self) -> Iterator[tuple[int, str]]:
        """Yield each rank with its host; -1 where ranks are not known."""
        hosts = hostlist.decode_own(self.nodelist) or ()
        ranks = ids(idset.decode(self.ranks)) if self.ranks else iter(())
        for host in hostlist.hosts(hosts):
            yield next(ranks, -1), host


def at(db: apsw.Connection, time: float) -> Iterator[Allocation]:
    """Yield what was allocated at ``time``, in the order of job ids."""
    found = [*of_active(db), *_lost(db), *_of_inactive(db, time)]
    return iter(sorted(one for one in set(found) if one.begun <= time < one.freed))


def now(db: apsw.Connection) -> Iterator[Allocation]:
    """Yield what is allocated now, in the order of job ids."""
    return iter(sorted(one for one in of_active(db) if one.freed == inf))


def during(db: apsw.Connection, lifetimes: interval_index.Interval) -> Iterator[Allocation]:
    """Yield what jobs had that lived in a period, each once, in no order."""
    yield from of_active(db)
    yield from _lost(db)
    keys = {key for _, key in overlapping(db, lifetimes)}
    yield from _of_keys(db, keys | {key for _, key in disordered(db)})


def of_active(db: apsw.Connection) -> Iterator[Allocation]:
    """Yield what active jobs have, or had."""
    return _of_states(decode_state(data) for (data,) in fetch(db, SQL["active"]))


def _of_states(jobs: Iterable[Job | None]) -> Iterator[Allocation]:
    for job in jobs:
        if job is not None and job.t_run and job.nodelist:
            freed = job.t_free or job.t_inactive or inf
            yield Allocation(job.id, job.t_run, freed, job.ranks, job.nodelist)


def _of_inactive(db: apsw.Connection, time: float) -> Iterator[Allocation]:
    keys = {key for ended, key in alive(db, time) if ended > time}
    keys |= {key for _, key in disordered(db)}
    return _of_keys(db, keys)


def _of_keys(db: apsw.Connection, keys: Iterable[int]) -> Iterator[Allocation]:
    for key in keys:
        for row in db.execute(SQL["one_of_inactive"], (key,)):
            yield Allocation(*row)


def _lost(db: apsw.Connection) -> Iterator[Allocation]:
    """Yield what jobs had that the job manager has lost since: they are in no view."""
    head = event_log.head(db)
    for key in event_log.ever_gone(db):
        for seq, time in event_log.gone_since(db, [key], head).get(key, [])[:1]:
            for one in _of_states([refold(db, key, seq - 1)]):
                yield one._replace(freed=min(one.freed, time))
