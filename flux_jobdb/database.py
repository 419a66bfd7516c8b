# SPDX-License-Identifier: LGPL-3.0
"""A database that is open for reading: what the command line can ask, for Python.

Everything here is read-only, and never waits for the process that writes. Whoever can read the
file sees all jobs.
"""

from __future__ import annotations

import pwd
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from math import inf
from typing import Any, TypeVar

import msgspec

from eventstore.errors import BeingRebuilt
from eventstore.events.records import Record
from eventstore.reading import event_log
from eventstore.reading.cluster import cluster
from eventstore.reading.gaps import Gap, gaps
from eventstore.storage.connection import Store, open_readonly
from flux_jobdb.records import (
    ATTRIBUTES,
    Event,
    Figures,
    JobInfo,
    NodeInfo,
    NodeStates,
    event_of,
    figures_of,
    interval_of,
    job_of,
    node_of,
)
from flux_jobdb.rows import Rows
from joblist.config import Config
from joblist.protocol.budgets import Budgets
from joblist.protocol.errors import RpcError
from joblist.protocol.requests import Credential, read_constraint, read_list
from joblist.service import Request, Service
from projections.constraints import query_text
from projections.definitions.registry import BUILTIN
from projections.engine.views import stale
from projections.formats import hostlist
from projections.node_queries import present
from projections.node_queries.history import intervals
from projections.notation import jobid as jobids
from projections.queries import job_info
from projections.queries.job_stats import JobStats, stats_at, stats_now
from projections.reports.kinds import KINDS
from projections.reports.periods import BY, zone
from projections.reports.questions import question
from projections.reports.report import KEYS
from projections.sql.functions import add, register, user_name

_ANY_SIZE = 2**31
"""Hosts and ranks that a constraint may name: no instance limits them here."""

_T = TypeVar("_T")


class Database:
    """A database, open for reading. Use as a context manager, or call ``close``.

    A question is asked when its rows are iterated over. Each iteration has a connection of its
    own, so that it may be abandoned, and others made in between. Raises StoreError, in one
    line, where the file cannot be read.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._store = open_readonly(path)
        try:
            with self._store.snapshot() as db:
                if stale(db, BUILTIN):
                    raise BeingRebuilt(
                        f"{path}: its views are of another version of the program, or are "
                        "being made; `flux-jobdb rebuild` makes them"
                    )
        except BaseException:
            self.close()
            raise

    @property
    def cluster(self) -> str | None:
        """The name of the cluster that it is of; None where none was given."""
        with self._store.snapshot() as db:
            return cluster(db)

    def close(self) -> None:
        """Close it; iterations that have begun go on."""
        self._store.close()

    def __enter__(self) -> Database:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def jobs(
        self,
        constraint: str | Mapping[str, Any] | None = None,
        *,
        since: float = 0.0,
        limit: int = 0,
        as_of: float | None = None,
    ) -> Rows[JobInfo]:
        """Return the jobs that match, in the order of `flux jobs`; without constraint all jobs.

        ``constraint`` is an object of RFC 31 with job-list's operators, or text:
        "failed,timeout user:alice", "queue:debug t_run:>1790000000". ``since``: not those that
        were inactive by then. ``limit``: at most so many; 0: no limit. ``as_of``: as they were
        then. Raises ValueError for what is no constraint, at once.
        """
        asked = _request(constraint, since, limit)

        def read(store: Store) -> Iterator[JobInfo]:
            service = Service(store, Config(), as_of=as_of, instance_size=_ANY_SIZE)
            yield from map(job_of, filter(None, service.jobs(store.db, asked)))

        return self._rows(read, JobInfo)

    def job(self, jobid: int | str, *, as_of: float | None = None) -> JobInfo | None:
        """Return a job, by its id in any form that Flux takes; None if there is none.

        Of several jobs of this id, the latest one. Raises ValueError for what is no job id.
        """
        request = msgspec.json.encode({"id": _number(jobid), "attrs": ATTRIBUTES})
        service = Service(self._store, Config(), as_of=as_of)
        asked = Request("job-list.list-id", request, Credential(), streaming=False)
        try:
            (answer,) = service.answer(asked)
        except RpcError:
            return None
        return job_of(bytes(msgspec.json.decode(answer, type=dict[str, msgspec.Raw])["job"]))

    def events(
        self, jobid: int | str | None = None, *, after: int = 0, as_of: float | None = None
    ) -> Rows[Event]:
        """Return the stored events in the order of arrival: all, or those of jobs with this id.

        ``after``: those of a higher ``seq``, to go on reading where one stopped. ``as_of``:
        those that had been posted by then.
        """
        number = None if jobid is None else _number(jobid)

        def read(store: Store) -> Iterator[Event]:
            found = (
                event_log.records(store.db, after)
                if number is None
                else event_log.of_jobid(store.db, number, after)
            )
            for record in found:
                if isinstance(record, Record) and (
                    as_of is None or record.entry.timestamp <= as_of
                ):
                    yield event_of(record)

        return self._rows(read, Event)

    def info(self, jobid: int | str, key: str, *, original: bool = False) -> bytes | None:
        """Return eventlog, jobspec or R of a job, as `flux job info` prints them, or None.

        ``original``: jobspec and R without the updates applied.
        """
        if key not in {"eventlog", "jobspec", "R"}:
            raise ValueError(f"{key!r}: expected eventlog, jobspec or R")
        with self._store.snapshot() as db:
            found = job_info.find(db, _number(jobid))
        return None if found is None else found.text(key, original=original)

    def nodes(self, hosts: str | None = None, *, as_of: float | None = None) -> Rows[NodeInfo]:
        """Return the nodes of the instance in the order of ranks, with the jobs they have.

        ``hosts``: those of a hostlist (RFC 29); ValueError for what is none. ``as_of``: as they
        were then. No rows where no resource journal is stored of that time.
        """
        names = None if hosts is None else frozenset(_hosts(hosts))

        def read(store: Store) -> Iterator[NodeInfo]:
            found = present.nodes(store.db, as_of)
            yield from (node_of(n) for n in found if names is None or n.host in names)

        return self._rows(read, NodeInfo)

    def node_states(
        self, hosts: str | None = None, *, since: float = -inf, until: float = inf
    ) -> Rows[NodeStates]:
        """Return what became of nodes: intervals that overlap [since, until], by host and time.

        ``hosts`` as for `nodes`.
        """
        names = None if hosts is None else _hosts(hosts)
        return self._rows(
            lambda store: map(interval_of, intervals(store.db, names, since, until)),
            NodeStates,
        )

    def sql(
        self, query: str, bindings: Sequence[Any] | dict[str, Any] = ()
    ) -> Rows[dict[str, Any]]:
        """Return what a query gives, each row as a dict by the names of its columns.

        The public views and functions are documented in docs/sql.md. Nothing can be written.
        """

        def read(store: Store) -> Iterator[dict[str, Any]]:
            register(store.db)
            add(store.db, user_name)
            cursor = store.db.execute(query, bindings)
            names: list[str] | None = None
            for row in cursor:
                if names is None:
                    names = [name for name, *_ in cursor.get_description()]
                yield dict(zip(names, row, strict=True))

        return self._rows(read)

    def stats(self, *, as_of: float | None = None) -> JobStats:
        """Return numbers of jobs by state, result and queue, as job-list counts them."""
        with self._store.snapshot() as db:
            if as_of is None:
                return stats_now(db, follow=False)
            return stats_at(db, as_of, follow=False)

    def report(
        self,
        kind: str,
        *,
        by: str | None = None,
        group: Sequence[str] = (),
        since: float | None = None,
        until: float | None = None,
        tz: str | None = None,
    ) -> Rows[Figures]:
        """Return a report: "jobs", "waits", "usage" or "nodes", as `flux-jobdb report` does.

        Up to ``until`` (None: now), to which jobs that still run are counted. Raises ValueError
        for what is no kind, period, key, zone or range.
        """
        for given, known in ((kind, (*KINDS,)), (by, (None, *BY)), *((k, KEYS) for k in group)):
            if given not in known:
                raise ValueError(f"{given!r}: expected one of {', '.join(filter(None, known))}")
        report, keys, where = KINDS[kind], tuple(dict.fromkeys(group)), zone(tz)
        end = time.time() if until is None else until
        with self._store.snapshot() as db:
            asked = question(
                db, keys, since=since, until=end, by=by, where=where,
                beginning=report.beginning,
            )  # fmt: skip
        return self._rows(
            lambda store: (
                figures_of(report, keys, row) for row in report.rows(store.db, asked)
            )
        )

    def gaps(self) -> Rows[Gap]:
        """Return what is missing from the database, kind by kind."""
        return self._rows(lambda store: gaps(store.db, self.path))

    def _rows(
        self, read: Callable[[Store], Iterator[_T]], kind: type | None = None
    ) -> Rows[_T]:
        def begin() -> Iterator[_T]:
            with open_readonly(self.path) as store, store.snapshot():
                yield from read(store)

        return Rows(begin, kind)


def _request(constraint: object, since: float, limit: int) -> Request:
    """Return job-list's request; raises ValueError where it would refuse it."""
    if isinstance(constraint, str):
        constraint = query_text.parse(constraint, _userid_of)
    members = {
        "max_entries": limit,
        "attrs": ATTRIBUTES,
        "since": since,
        "constraint": {} if constraint is None else constraint,
    }
    text = msgspec.json.encode(members)
    try:
        read_constraint(read_list(text).constraint, _ANY_SIZE, Budgets())
    except RpcError as error:
        raise ValueError(str(error.text)) from error
    return Request("job-list.list", text, Credential(), streaming=True)


def _userid_of(name: str) -> int:
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        raise ValueError(f"{name!r}: there is no such user") from None


def _hosts(text: str) -> list[str]:
    return list(hostlist.hosts(hostlist.decode(text)))


def _number(jobid: int | str) -> int:
    return jobid if isinstance(jobid, int) else jobids.parse(jobid)
