# SPDX-License-Identifier: LGPL-3.0
"""Reading stored rows.

cluster.py          which cluster the events are of
event_log.py        events and notices by seq, events of one job in its own order
event_log.sql       its queries
gaps.py             what may be missing, from when to when, and why
gaps.sql            its queries
instances.py        whether jobs can be of one cluster, by their ids
instances.sql       its query
remembered.py       what was counted of an earlier state, to go on from
rejects.py          lines that could not be stored as events
"""

__all__ = [
    "cluster",
    "event_log",
    "gaps",
    "instances",
    "rejects",
    "remembered",
]
