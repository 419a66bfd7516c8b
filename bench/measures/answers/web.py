# SPDX-License-Identifier: LGPL-3.0
"""Pages: the time that the server takes for each, and what is transferred, compressed.

Each page is asked for at several moments of the year; of these times, the one is shown that 95
of a hundred do not exceed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from starlette.types import ASGIApp

from bench.histories import Bench
from bench.node_histories import YEAR, node_history
from bench.report import Row
from bench.timing import clocked
from eventstore.bulk_work import rare_collections
from eventstore.storage.connection import open_readonly
from eventstore.storage.sql import fetch
from joblist.config import Config
from projections.notation.jobid import encode
from tests.support.journal_generator import EPOCH
from tests.web.site import HEADER, raw_request
from web.clusters import Clusters
from web.server.app import application
from web.viewers import Access

__all__ = ["measure"]

TIME, SIZE = 200.0, 300.0
"""ms, and KB."""
_ROUNDS = 24
_DAY = 86400.0


def pages(moment: float, job: str, host: str, user: int) -> dict[str, str]:
    """Return addresses by name, at a moment."""
    at = f"at={moment!r}"
    first = EPOCH // _DAY * _DAY + _DAY  # people ask for whole days
    year = f"since={first!r}&until={first + YEAR - 2 * _DAY!r}"
    week = f"since={moment // _DAY * _DAY!r}&until={(moment // _DAY + 7) * _DAY!r}"
    return {
        "now": "/",
        "now, at a moment": f"/?{at}",
        "map of the nodes": f"/data/nodemap?{at}",
        "jobs": f"/jobs?{at}",
        "jobs, of a user": f"/jobs?user={user}&states=failed",
        "jobs, of a host and a day": f"/jobs?include={host}&since={moment!r}"
                                     f"&until={moment + _DAY!r}",
        "jobs, next page": f"/jobs?after={moment!r},0",
        "job": f"/job/{job}",
        "nodes": f"/nodes?{at}",
        "nodes, picture of a day": f"/data/timeline?{at}",
        "nodes, picture of the year": f"/data/timeline?hosts=node[0-39]&{year}",
        "node": f"/node/{host}?{at}",
        "report of nodes by day": f"/reports?kind=nodes&by=day&{year}",
        "report of usage by bank": f"/reports?kind=usage&by=month&group=bank&{year}",
        "report of usage by user, a week": f"/reports?kind=usage&by=day&group=user&{week}",
        "report of jobs by day": f"/reports?kind=jobs&by=day&{year}",
        "report of waits, a week": f"/reports?kind=waits&by=day&group=queue&{week}",
        "report, picture": f"/data/report?kind=nodes&by=day&{year}",
        "about": "/about",
        "metrics": "/metrics",
    }  # fmt: skip


def measure(bench: Bench) -> Iterator[Row]:
    """Ask for each page, by turns."""
    for jobs in filter(None, (bench.jobs, bench.large)):
        history = node_history(bench.folder, jobs)
        clusters = Clusters({"": history.path})
        clusters.counted[""].begin(history.path)  # as the server does at its start
        app = application(clusters, Access(Config(), HEADER, None, lambda *_: True))
        with open_readonly(history.path) as store:
            some = fetch(store.db, "SELECT id, userid FROM jobs LIMIT ?", (_ROUNDS,))
        times: dict[str, list[float]] = {}
        sizes: dict[str, float] = {}
        asked = [
            asked for number, (jobid, user) in enumerate(some)
            for asked in pages(EPOCH + YEAR * (number + 1) / (_ROUNDS + 2), encode(jobid),
                               f"node{77 * number}", user).items()
        ]  # fmt: skip
        with rare_collections():  # as the server does
            for what, address in asked:
                taken, status, size = _asked(app, address)
                assert status == 200, (status, address)
                times.setdefault(what, []).append(1000 * taken)
                sizes[what] = max(sizes.get(what, 0.0), size / 1000)
        of = f"of {jobs:,} jobs"
        for what, taken_ms in times.items():
            ranked = sorted(taken_ms)
            late = ranked[math.ceil(0.95 * len(ranked)) - 1]
            yield Row("web", f"{what}, {of}", late, "ms", TIME)
        largest = max(sizes, key=lambda what: sizes[what])
        yield Row("web", f"the largest: {largest}, {of}", sizes[largest], "KB", SIZE)


def _asked(app: ASGIApp, address: str) -> tuple[float, int, int]:
    """Return the processor time in seconds, the status, and the bytes of an answer."""
    found: list[tuple[int, int]] = []
    headers = {HEADER: "root", "accept-encoding": "gzip"}
    taken = clocked(lambda: found.append(raw_request(app, address, headers)))
    return taken.processor, *found[0]
