# SPDX-License-Identifier: LGPL-3.0
"""The topics: who may send each, whether it waits for the backlog, and what handles it.

Which *jobs* a sender may see is decided in joblist/visibility.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from joblist.live.backlog_gate import Early
from joblist.live.handlers import Handlers
from joblist.ports import Message
from joblist.protocol.requests import ROLE_OWNER, ROLE_USER


class Route(NamedTuple):
    """A topic's route.

    ``roles``: the roles of which the sender must have one (RFC 12). ``early``: whether it is
    answered before the backlog is complete. ``reads``: whether the answer is in the database,
    ``shows``: whether it shows all that came before the request.
    """

    roles: int
    early: Early
    handle: Callable[[Handlers, Message], None]
    reads: bool = False
    shows: bool = True


OWNER = ROLE_OWNER
USERS = ROLE_OWNER | ROLE_USER

ROUTES = {
    "list": Route(USERS, Early.NONE, Handlers.list_jobs, reads=True),
    "list-id": Route(USERS, Early.PURGED, Handlers.list_id, reads=True),
    "list-attrs": Route(USERS, Early.ALL, Handlers.answer),
    "job-stats": Route(USERS, Early.ALL, Handlers.job_stats, reads=True),
    "stats-get": Route(USERS, Early.NONE, Handlers.stats_get),
    "sql": Route(USERS, Early.NONE, Handlers.sql, reads=True),
    "job-state-pause": Route(USERS, Early.NONE, Handlers.pause),
    "job-state-unpause": Route(USERS, Early.NONE, Handlers.unpause),
    "disconnect": Route(USERS, Early.ALL, Handlers.disconnect, shows=False),
    "config-reload": Route(OWNER, Early.ALL, Handlers.config_reload),
}
"""By the method, the part of a topic behind the service's name (job-list.c, htab)."""

AT_ONCE = frozenset(("disconnect",))
"""What never waits for its turn, however much time its user has taken (turns.py)."""

UNKNOWN = Route(~0, Early.ALL, Handlers.answer)
"""The route of every other topic: the answer is ENOSYS, whoever asks."""

PURGES = "job-purge-inactive"
"""The event by which the job manager says which jobs it has purged."""
