# SPDX-License-Identifier: LGPL-3.0
"""The state of one job, as job-list keeps it, and the tables of Flux's states and results.

The members of `Job` are those of job-list's ``struct job`` (flux-core, job_data.h). Values that
are not known are -1 for numbers, 0.0 for times and None for texts, as there. Which event sets
which time:

    t_submit    submit
    t_depend    validate
    t_priority  depend (PRIORITY can be entered again; the first time is kept)
    t_sched     priority (SCHED can be entered again; the first time is kept)
    t_run       alloc
    t_cleanup   finish, or an exception of severity 0
    t_inactive  clean
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from msgspec import Struct

# The states of RFC 21, as flux_job_state_t numbers them: one bit each (flux-core, job.h).
NEW: Final = 1
DEPEND: Final = 2
PRIORITY: Final = 4
SCHED: Final = 8
RUN: Final = 16
CLEANUP: Final = 32
INACTIVE: Final = 64
PENDING: Final = DEPEND | PRIORITY | SCHED
RUNNING: Final = RUN | CLEANUP
ACTIVE: Final = PENDING | RUNNING

# flux_job_result_t
COMPLETED: Final = 1
FAILED: Final = 2
CANCELED: Final = 4
TIMEOUT: Final = 8

USERID_UNKNOWN: Final = 0xFFFFFFFF
"""FLUX_USERID_UNKNOWN; in a constraint it stands for every user."""


class State(NamedTuple):
    """One state, or several that have a name together: its bits and what Flux calls it."""

    mask: int
    name: str
    abbreviation: str
    emoji: str = ""

    @property
    def key(self) -> str:
        """The name in lower case, as in constraints, job stats and options of commands."""
        return self.name.lower()


class Result(NamedTuple):
    """A result; ``statistic`` is what job-list.job-stats calls the number of such jobs."""

    mask: int
    name: str
    abbreviation: str
    emoji: str
    statistic: str

    @property
    def key(self) -> str:
        """The name in lower case, as in constraints and options of commands."""
        return self.name.lower()


# Names and abbreviations: flux-core, libjob/state.c, libjob/result.c and job-list/stats.c.
STATES: Final = (
    State(NEW, "NEW", "N", "🎁"),
    State(DEPEND, "DEPEND", "D", "🛑"),
    State(PRIORITY, "PRIORITY", "P", "🚦"),
    State(SCHED, "SCHED", "S", "📅"),
    State(RUN, "RUN", "R", "🏃"),
    State(CLEANUP, "CLEANUP", "C", "🗑"),
    State(INACTIVE, "INACTIVE", "I", "💀"),
)
"""All single states, in the order in which a job passes through them."""

COMBINED_STATES: Final = (
    State(PENDING, "PENDING", "PD"),
    State(RUNNING, "RUNNING", "RU"),
    State(ACTIVE, "ACTIVE", "A"),
)

LISTED_STATES: Final = STATES[1:]
"""The states that job-list lists and counts: a NEW job is not known to it."""

RESULTS: Final = (
    Result(COMPLETED, "COMPLETED", "CD", "😀", "successful"),
    Result(FAILED, "FAILED", "F", "💩", "failed"),
    Result(CANCELED, "CANCELED", "CA", "💥", "canceled"),
    Result(TIMEOUT, "TIMEOUT", "TO", "⌛", "timeout"),
)


class Job(Struct, gc=False, array_like=True, omit_defaults=True):
    """One job. Times are in seconds since the epoch (UTC), durations in seconds.

    Only reducers assign to members, and only to those of their own copy. Copies share mutable
    values (``annotations``), which are therefore replaced and never changed in place.

    The order of the members is that of the encoded states in the table ``fold``: new ones are
    added at the end, with a default, and FOLD_VERSION is raised.
    """

    key: int  # of the table `job`: unique over all streams, as an id is not
    id: int
    stream: int
    userid: int = USERID_UNKNOWN
    urgency: int = -1
    priority: int = 0
    t_submit: float = 0.0
    t_depend: float = 0.0
    t_priority: float = 0.0
    t_sched: float = 0.0
    t_run: float = 0.0
    t_cleanup: float = 0.0
    t_inactive: float = 0.0
    state: int = NEW
    name: str | None = None
    cwd: str | None = None
    queue: str | None = None
    project: str | None = None
    bank: str | None = None
    ntasks: int = -1
    ncores: int = -1
    nnodes: int = -1
    duration: float = -1.0
    ranks: str | None = None
    nodelist: str | None = None
    expiration: float = -1.0
    wait_status: int = -1
    success: bool = False
    exception_occurred: bool = False
    exception_severity: int = 0
    exception_type: str = ""
    exception_note: str = ""
    result: int = FAILED
    annotations: Any = None
    dependencies: tuple[str, ...] | None = None

    # What further events depend on.
    states_mask: int = NEW  # states that the job is or was in, but for those reverted
    states_events_mask: int = NEW  # states that events have requested
    submit_version: int = -1
    grudges: tuple[
        str, ...
    ] = ()  # all dependencies ever added: none is added twice (grudgeset.c)
    tasks_per_node: int = 0  # if not 0, ntasks is computed when R is known
    tasks_per_core: int = 0
    jobspec: bytes | None = None  # with updates applied
    R: bytes | None = None

    # Where the job's events are stored.
    seq: int = 0  # the highest one of the events that were folded
    jobspec_seq: int = 0  # of the event whose response had `jobspec`, as it was before updates
    jobspec_updates: tuple[bytes, ...] = ()  # contexts of the updates, as received
    R_seq: int = 0  # of the event whose response had `R`; 0 once it was updated

    # What job-list keeps beside its jobs.
    queues: tuple[str, ...] = ()  # every queue the job was counted in
    entered: int = 0  # seq of the event that moved it to the list of running jobs
    t_purged: float = 0.0  # when the job manager purged it
    t_free: float = 0.0  # when its resources were freed
