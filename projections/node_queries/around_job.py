# SPDX-License-Identifier: LGPL-3.0
"""What became of a job's nodes, from a minute before it had them to an hour after it ended.

The module gathers changes for a moment: the exception of a job that lost its node comes before
the node's ``offline``.
"""

from __future__ import annotations

from math import inf

import apsw

from projections.formats import hostlist
from projections.job.state import Job
from projections.node_queries.history import NodeInterval, intervals

BEFORE, AFTER = 60.0, 3600.0
"""Seconds."""


def around(db: apsw.Connection, job: Job) -> list[NodeInterval]:
    """Return the intervals of the job's hosts in that time, in their order."""
    if not job.nodelist or not job.t_run:
        return []
    hosts = hostlist.hosts(hostlist.decode_own(job.nodelist) or ())
    ended = job.t_inactive or inf
    found = intervals(db, hosts, job.t_run - BEFORE, ended + AFTER)
    return sorted(found, key=lambda one: (one.begun, one.host))


def cause(db: apsw.Connection, job: Job) -> list[NodeInterval]:
    """Return what became of its nodes while it ran, or within seconds of its end."""
    ended = job.t_cleanup or job.t_inactive or inf
    return [
        one for one in around(db, job)
        if one.kind in {"drained", "offline", "torpid"}
        and one.begun <= ended + _GATHERED and (one.to is None or one.to >= job.t_run)
    ]  # fmt: skip


_GATHERED = 10.0
"""Seconds after a job's end in which what became of a node may have ended it."""
