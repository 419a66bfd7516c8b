# SPDX-License-Identifier: LGPL-3.0
"""Questions about nodes, to the views of nodes and of jobs.

present.py       the nodes of the instance, now or at a past moment, with their jobs
present.sql      its queries
allocations.py   which jobs had which hosts, at a moment or in a period
allocations.sql  its queries
history.py       intervals by host and kind
history.sql      its query
time_by_state.py   for how long nodes were in each state
time_by_state.sql  its queries
around_job.py    what became of a job's nodes
settle.py        storing sums by hour, and whether the stored ones are right
status.py        what Flux's resource.status answered
status.sql       its queries
"""

__all__ = [
    "allocations",
    "around_job",
    "history",
    "present",
    "settle",
    "status",
    "time_by_state",
]
