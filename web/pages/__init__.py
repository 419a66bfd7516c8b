# SPDX-License-Identifier: LGPL-3.0
"""What each page shows: functions from a request's questions to what a template takes.

now.py      the queue and why each job waits, what runs, the nodes as a map
jobs.py     jobs by filters that stand in the address, page by page
job.py      one job: its life, its events, its nodes, its charge, its neighbours in the queue
nodes.py    nodes and time: jobs, and drained, offline, torpid
reports.py  figures over time, by group
metrics.py  the Prometheus text format; needs none of the extra `web`
about.py    how far the history reaches, and what is missing

Parameters come from addresses, which anybody may write: ValueError is what is wrong with one.
"""

__all__ = ["about", "job", "jobs", "metrics", "nodes", "now", "reports"]
