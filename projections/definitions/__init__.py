# SPDX-License-Identifier: LGPL-3.0
"""The projections: pure functions from a job's state to rows of tables.

interface.py    what a projection declares: Put, Add, Projection
active.py       the active-jobs view
active.sql      its table
inactive.py     the inactive job list
inactive.sql    its tables: ready answers, and the interval index
job_columns.py  a job's attributes as columns of their tables
accounting.py   the accounting feed
accounting.sql  its table
stats.py        job stats
stats.sql       its tables: sums by queue, and by hour
reports.py      what reports are made of
reports.sql     its tables: sums by hour, and runs that are in none
waits.py        waits as a histogram
waits.sql       its table
nodes.py        the views of nodes, which are made of notices
registry.py     the built-in projections, and those of entry points
"""

__all__ = [
    "accounting",
    "active",
    "inactive",
    "interface",
    "job_columns",
    "nodes",
    "registry",
    "reports",
    "stats",
    "waits",
]
