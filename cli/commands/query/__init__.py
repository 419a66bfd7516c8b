# SPDX-License-Identifier: LGPL-3.0
"""Commands that read a database.

list.py     jobs as a table, as `flux jobs`
history.py  a job's events, readable
why.py      how a job ended, in a paragraph
nodes.py    the nodes, and what became of them
info.py     a job's eventlog, jobspec or R
events.py   the stored events
rpc.py      answers to job-list's requests
report.py   results, waiting times and usage, by period and group
sql.py      questions in SQL
stats.py    counts and sizes
metrics.py  counts for Prometheus
gaps.py     what is missing, and why
consumers.py  how far readers of the feed have come
"""

__all__ = [
    "consumers",
    "events",
    "gaps",
    "history",
    "info",
    "list",
    "metrics",
    "nodes",
    "report",
    "rpc",
    "sql",
    "stats",
    "why",
]
