# SPDX-License-Identifier: LGPL-3.0
"""Reports as text: what `report` prints.

figures.py  rows as texts: times in seconds, names of users
tables.py   a table for people
csv.py      CSV (RFC 4180), a row a line
objects.py  one JSON object a line
charts.py   bars, drawn by plotext
"""

__all__ = ["charts", "csv", "figures", "objects", "tables"]
