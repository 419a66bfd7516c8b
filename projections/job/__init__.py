# SPDX-License-Identifier: LGPL-3.0
"""Pure: the state of a job, and the reducers that fold its events into it.

state.py          the members of a job's state; the table of states and results
reducers.py       fold: how each event of RFC 21 changes the state
jobspec.py        name, queue, counts and duration from a jobspec (RFC 14, RFC 25)
jobspec_fast.py   the same for jobspecs of the usual form, in less time
integers.py       whether jansson can read the integers of an event
resource_set.py   ranks, hosts, cores and expiration from R (RFC 20)
resource_fast.py  the same for Rs of the usual form, in less time
clock.py          whether times of a job can be subtracted
run_time.py       when a job ran, in microseconds and by the hour
attributes.py     the state as attributes of a job-list answer
packing.py        all attributes in one text, from which answers are joined
"""

__all__ = [
    "attributes",
    "clock",
    "integers",
    "jobspec",
    "jobspec_fast",
    "packing",
    "reducers",
    "resource_fast",
    "resource_set",
    "run_time",
    "state",
]
