# SPDX-License-Identifier: LGPL-3.0
"""Keeping views up to date: from stored events to changed rows.

schema.sql          tables of the engine: views, states of unfinished jobs, rebuilds
fold_batch.py       from the records of a batch to states before and after
fold_whole.py       from all records of one job to its state
left_behind.py      projections that failed, isolated from all others
left_behind.sql     the table of these
row_deltas.py       from changed states to changed rows
views.py            stored views and checkpoints; takes part in each batch
catch_up.py         has views follow what was stored without them
rebuild.py          makes views anew from the events, beside the old ones
rebuild_process.py  a rebuild in a process of its own, beside a running module
rebuild_workers.py  processes that share the folding of a rebuild
verify_views.py     compares views with what their events lead to
consumer_cursor.py  durable cursors of those who read a view's new rows
consumers.sql       the table of these cursors, in a file of its own
"""

__all__ = [
    "catch_up",
    "consumer_cursor",
    "fold_batch",
    "fold_whole",
    "left_behind",
    "rebuild",
    "rebuild_process",
    "rebuild_workers",
    "row_deltas",
    "verify_views",
    "views",
]
