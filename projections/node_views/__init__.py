# SPDX-License-Identifier: LGPL-3.0
"""The views of nodes: made of the resource module's notices, as others are of jobs.

schema.sql   their tables
log.py       notices as inputs of the fold, in the order of their times
log.sql      its queries
rows.py      intervals and present states to rows
fold.py      folds inputs into rows, with snapshots to begin again from
fold.sql     its queries
moment.py    all nodes at a past moment
moment.sql   its query
hours.py     stored sums by hour, and how far they reach
hours.sql    their tables
keeper.py    takes part in each batch; begins again where something was read late
"""

__all__ = ["fold", "hours", "keeper", "log", "moment", "rows"]
