# SPDX-License-Identifier: LGPL-3.0
"""Answers: what is asked, and the processes that answer.

list.py      the newest jobs
filters.py   lists with constraints
list_id.py   single jobs
as_of.py     answers for a past moment
start.py     from the start of a process to its first answer
table.py     jobs as a table, beside the same as JSON
memory.py    peak memory of a process that answers
nodes.py     a past moment of all nodes, a node's year, a report
ask.py       SQL and reports over a year
web.py       pages: the server's time, and what is transferred
clicks.py    the writer while people click
requests.py  lists whose constraints are long and nested
"""

__all__ = [
    "as_of",
    "ask",
    "clicks",
    "filters",
    "list",
    "list_id",
    "memory",
    "nodes",
    "requests",
    "start",
    "table",
    "web",
]
