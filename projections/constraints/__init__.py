# SPDX-License-Identifier: LGPL-3.0
"""Pure: RFC 31 constraints of a job listing.

query_text.py       constraints as text (RFC 35), to JSON of RFC 31
tree.py             parses a constraint into a tree
strtod.py           numbers in texts, as C reads them
possible_states.py  whether it may match a job in a given state
evaluate.py         whether it matches a job, and in how many comparisons
access_paths.py     the indexes that a plan reads, and what they cost
sql_plan.py         its predicate in SQL, access paths and residual check
interval_index.py   hosts, ranks and lifetimes as intervals in an ordinary index
"""

__all__ = [
    "access_paths",
    "evaluate",
    "interval_index",
    "possible_states",
    "query_text",
    "sql_plan",
    "strtod",
    "tree",
]
