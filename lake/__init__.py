# SPDX-License-Identifier: LGPL-3.0
"""Beyond one machine: files that every engine reads, and the bus that sites have.

Parquet (extra `lake`):

columns.py    the tables: events, notices, jobs, nodes; a record as a row, and back
manifest.py   which files there are: the truth, replaced as a whole
export.py     what is new goes into files: a finished job is whole in one of them
checking.py   proves that the files have what the store has
restoring.py  makes a store of the files
"""

__all__ = ["checking", "columns", "export", "manifest", "publishing", "restoring"]
