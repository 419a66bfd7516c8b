# SPDX-License-Identifier: LGPL-3.0
"""SQL for guests: a statement of somebody who may not see everything.

A guest's statement runs in a process of its own, which never has the database open. What the
guest may see is given to it by the process that has: there, a request names a table and
columns, and is answered from the visible rows only. Whatever the statement does, and whatever
it makes of SQLite, it can find nothing else.

limits.py    what a guest's statement may take
messages.py  what both processes say to each other
visible.py   the tables that are given to a guest, and which rows of them
guest.py     the process that has the database: starts the other, serves rows, ends it in time
sandbox.py   the process of the statement: locked up first, then runs it
method.py    the method job-list.sql, in a reader process
tables.py    in there: tables whose rows come from the other process
"""

__all__ = ["guest", "limits", "messages", "method", "sandbox", "tables", "visible"]
