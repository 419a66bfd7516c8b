# SPDX-License-Identifier: LGPL-3.0
"""What is measured, one noun a file; each has ``measure(bench)``, which yields rows.

append.py      ingest of a recorded journal
disk.py        bytes a job
replay.py      a backlog of known jobs
rebuild.py     all projections, from the events
list.py        the newest jobs
filters.py     lists with constraints
list_id.py     single jobs
as_of.py       answers for a past moment
accounting.py  the feed of flux-accounting
start.py       from the start of a process to its first answer
memory.py      peak memory of a process that answers
nodes.py       a past moment of all nodes, a node's year, a report
ask.py         SQL and reports over a year
requests.py    lists whose constraints are long and nested
"""

__all__ = [
    "accounting",
    "append",
    "as_of",
    "ask",
    "disk",
    "filters",
    "list",
    "list_id",
    "memory",
    "nodes",
    "rebuild",
    "replay",
    "requests",
    "start",
]
