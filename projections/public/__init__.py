# SPDX-License-Identifier: LGPL-3.0
"""The public schema: what people write SQL against (docs/sql.md), as views in the database.

schema.py   which views there are; creating them, and replacing those of another definition
jobs.sql    a row a job, active and inactive
events.sql  a row an event
purges.sql  a row a purged job
gaps.sql    what is missing
usage.sql   node- and core-time by the hour
nodes.sql   a row a node, as it is now
node_states.sql  intervals of nodes: drained, offline, …

The views use built-in functions only, so that every SQLite client can read them. Columns are
added, never changed or removed: what would break a query becomes a view of another name.
"""

__all__ = ["schema"]
