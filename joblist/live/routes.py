# SPDX-License-Identifier: LGPL-3.0
"""The topics: who may send each, whether it waits for the backlog, and what handles it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from joblist.live.backlog_gate import Early
from joblist.live.handlers import Handlers
from joblist.live.ports import Message


class Route(NamedTuple):
    """A topic's route.

    ``guests``: whether users other than the instance's owner may send it; the broker refuses
    what is not allowed. ``early``: whether it is answered before the backlog is complete.
    """

    guests: bool
    early: Early
    handle: Callable[[Handlers, Message], None]


ROUTES = {
    "list": Route(True, Early.NONE, Handlers.list_jobs),
    "list-id": Route(True, Early.PURGED, Handlers.list_id),
    "list-attrs": Route(True, Early.ALL, Handlers.answer),
    "job-stats": Route(True, Early.ALL, Handlers.job_stats),
    "stats-get": Route(True, Early.NONE, Handlers.stats_get),
    "job-state-pause": Route(True, Early.NONE, Handlers.pause),
    "job-state-unpause": Route(True, Early.NONE, Handlers.unpause),
    "disconnect": Route(True, Early.ALL, Handlers.disconnect),
    "config-reload": Route(False, Early.ALL, Handlers.config_reload),
}
"""By the method, the part of a topic behind the service's name (job-list.c, htab)."""

UNKNOWN = Route(True, Early.NONE, Handlers.answer)
"""The route of every other topic; the answer is ENOSYS."""

PURGES = "job-purge-inactive"
"""The event by which the job manager says which jobs it has purged."""
