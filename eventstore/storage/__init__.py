# SPDX-License-Identifier: LGPL-3.0
"""The SQLite file.

sql.py              reads .sql files; short ways to run a query
schema.py           whose file it is, its version; making and migrating it
schema.sql          the tables
triggers.sql        the triggers that refuse changes of stored rows
migrations/         N.sql brings version N - 1 to version N
files.py            making files with the right permissions
place.py            what may be at a database's path, and whether it is still there
file_lock.py        one writer at a time
connection.py       opening for appending or reading; transactions, snapshots
"""

__all__ = [
    "connection",
    "file_lock",
    "files",
    "place",
    "schema",
    "sql",
]
