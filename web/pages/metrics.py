# SPDX-License-Identifier: LGPL-3.0
"""Metrics in the Prometheus text format: few series, counts only, no job, users on demand.

Names end with their unit, counters with ``_total``. Counters grow for as long as the database
lives; a rebuild of views gives the same values.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import apsw

from eventstore.errors import JobdbError
from eventstore.storage.connection import open_readonly
from eventstore.storage.sql import fetch
from projections.definitions.waits import BUCKETS
from projections.node_queries.present import nodes
from projections.queries.job_stats import StateCounts, stats_now
from projections.sql.functions import user_name
from web.asking import Counted
from web.clusters import Clusters
from web.pages.now import NODE_STATES, state_of

KIND = "text/plain; version=0.0.4; charset=utf-8"
_ACTIVE = ("depend", "priority", "sched", "run", "cleanup")
_RESULTS = {"successful": "completed", "failed": "failed", "canceled": "canceled",
            "timeout": "timeout"}  # fmt: skip

MOST_USERS = 100
"""Series of users, where some are asked for."""


class Sample(NamedTuple):
    """A value; ``suffix`` is of a histogram's parts."""

    labels: dict[str, str]
    value: float
    suffix: str = ""


class Metric(NamedTuple):
    """A metric: its name, type, what it is, and a sample for each combination of labels."""

    name: str
    kind: str
    help: str
    samples: list[Sample]


def text(path: str, users: int = 0) -> bytes:
    """Return the metrics of a database; ``flux_jobdb_up`` 0 alone where it cannot be read.

    ``users``: name so many users, those who have most nodes now.
    """
    return _text(_found(path, users, Counted()))


def text_of(clusters: Clusters, users: int) -> bytes:
    """Return the metrics of each cluster, with a label `cluster` where there are several."""
    found: dict[str, Metric] = {}
    for name, path in clusters.paths.items():
        for metric in _found(path, users, clusters.counted[name]):
            of_all = found.setdefault(metric.name, metric._replace(samples=[]))
            label = {"cluster": name} if clusters.names else {}
            of_all.samples.extend(
                sample._replace(labels={**label, **sample.labels}) for sample in metric.samples
            )
    return _text(found.values())


def _found(path: str, users: int, counted: Counted) -> list[Metric]:
    try:
        with open_readonly(path) as store, store.snapshot() as db:
            found = [_up(1.0), *_metrics(db, path, time.time(), counted)]
            if users > 0:
                found.append(_of_users(db, min(users, MOST_USERS)))
            return found
    except (JobdbError, apsw.Error):
        return [_up(0.0)]


def _text(found: Iterable[Metric]) -> bytes:
    return "".join(map(_written, found)).encode()


def _up(value: float) -> Metric:
    return Metric(
        "flux_jobdb_up", "gauge", "Whether the database can be read.", [Sample({}, value)]
    )


def _metrics(db: apsw.Connection, path: str, now: float, counted: Counted) -> Iterator[Metric]:
    stats = stats_now(db, follow=False)
    queues = {"": _rest(stats.total, stats.queues.values()), **stats.queues}
    yield Metric(
        "flux_jobdb_jobs", "gauge", "Active jobs by queue and state.",
        [Sample({"queue": queue, "state": state}, found.states[state])
         for queue, found in queues.items() for state in _ACTIVE],
    )  # fmt: skip
    yield Metric(
        "flux_jobdb_jobs_ended_total", "counter", "Jobs that ended, by queue and result.",
        [Sample({"queue": queue, "result": word}, found.results[name])
         for queue, found in queues.items() for name, word in _RESULTS.items()],
    )  # fmt: skip
    yield Metric(
        "flux_jobdb_wait_seconds", "histogram",
        "How long jobs waited from their submission until they ran, by queue.",
        list(_waits(db)),
    )  # fmt: skip
    states = Counter(map(state_of, nodes(db)))
    yield Metric(
        "flux_jobdb_nodes", "gauge", "Nodes by state.",
        [Sample({"state": name}, states[name]) for name in NODE_STATES],
    )  # fmt: skip
    yield from _of_store(db, path, now, counted)


def _waits(db: apsw.Connection) -> Iterator[Sample]:
    """Yield the buckets, which are cumulative, the sum and the count of each queue."""
    found: dict[str, dict[int, tuple[int, int]]] = {}
    for queue, bucket, jobs, wait_ms in fetch(db, "SELECT * FROM wait_bucket"):
        of_queue = found.setdefault(queue or "", {})
        before = of_queue.get(bucket, (0, 0))
        of_queue[bucket] = before[0] + jobs, before[1] + wait_ms
    for queue, buckets in sorted(found.items()):
        count = 0
        for number, bound in enumerate((*map(str, BUCKETS), "+Inf")):
            count += buckets.get(number, (0, 0))[0]
            yield Sample({"queue": queue, "le": bound}, count, "_bucket")
        total = sum(wait_ms for _, wait_ms in buckets.values())
        yield Sample({"queue": queue}, total / 1000, "_sum")
        yield Sample({"queue": queue}, count, "_count")


def _of_users(db: apsw.Connection, most: int) -> Metric:
    sql = "SELECT userid, sum(nnodes) AS nodes FROM jobs WHERE state IN ('RUN', 'CLEANUP')" \
          " GROUP BY userid ORDER BY nodes DESC, userid LIMIT ?"  # fmt: skip
    return Metric(
        "flux_jobdb_user_nodes", "gauge",
        "Nodes of the running jobs of those users who have most.",
        [Sample({"user": user_name(userid)}, nodes or 0)
         for userid, nodes in fetch(db, sql, (most,))],
    )  # fmt: skip


def _of_store(db: apsw.Connection, path: str, now: float, counted: Counted) -> Iterator[Metric]:
    found = counted.stored(db)
    for name, what in (
        ("jobs", "Jobs"), ("events", "Events"), ("rejects", "Lines that were rejected"),
        ("purges", "Purged jobs"),
    ):  # fmt: skip
        counter = f"flux_jobdb_stored_{name}_total"
        yield Metric(counter, "counter", f"{what} that are stored.", [Sample({}, found[name])])
    last = found["last_event"]
    if last is not None:
        yield Metric("flux_jobdb_last_event_timestamp_seconds", "gauge",
                     "Time of the last stored event.", [Sample({}, last)])  # fmt: skip
        yield Metric("flux_jobdb_lag_seconds", "gauge",
                     "Time since the last stored event.", [Sample({}, now - last)])  # fmt: skip
    yield Metric("flux_jobdb_gaps", "gauge", "What is missing, by kind.",
                 [Sample({"kind": kind}, number)
                  for kind, number in counted.gaps(db, path).items()])  # fmt: skip
    sizes = {"database": path, "log": path + "-wal"}
    yield Metric("flux_jobdb_size_bytes", "gauge", "Sizes of the files.",
                 [Sample({"file": name}, Path(file).stat().st_size)
                  for name, file in sizes.items() if Path(file).exists()])  # fmt: skip


def _rest(total: StateCounts, queues: Iterable[StateCounts]) -> StateCounts:
    """Return the counts of jobs that are in no queue."""
    found = StateCounts(dict(total.states), dict(total.results))
    for one in queues:
        for mine, theirs in ((found.states, one.states), (found.results, one.results)):
            for name, number in theirs.items():
                mine[name] -= number
    return found


def _written(metric: Metric) -> str:
    lines = [f"# HELP {metric.name} {metric.help}\n# TYPE {metric.name} {metric.kind}\n"]
    for labels, value, suffix in metric.samples:
        inside = ",".join(f'{name}="{_escaped(text)}"' for name, text in labels.items())
        series = f"{metric.name}{suffix}" + (f"{{{inside}}}" if inside else "")
        lines.append(f"{series} {value:.17g}\n")
    return "".join(lines)


def _escaped(label: str) -> str:
    return label.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
