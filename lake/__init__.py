# SPDX-License-Identifier: LGPL-3.0
"""Beyond one machine: files that every engine reads, and the bus that sites have.

Parquet (extra `lake`):

columns.py      the tables: events, notices, jobs, nodes; a record as a row, and back
manifest.py     which files there are: the truth, replaced as a whole
writing.py      writes a file, aside until it is listed
writing.sql     its queries
export.py       what is new goes into files: a finished job is whole in one of them
export.sql      its queries
compaction.py   joins what came late, and small files
checking.py     proves that the files have what the store has
restoring.py    makes a store of the files

The same reducers over files (extra `spark`, for Spark):

kernel.py       folds a file: whole jobs, by the reducers and projections of a store
view_rows.py    the rows that follow, as Arrow batches
spark_session.py  Spark, for a command that has it fold
filling.py      a database's views of the files that others folded
filling.sql     its queries

Kafka (extra `kafka`):

publishing.py   sends events, jobs and nodes to a topic, each at least once
publishing.sql  its queries
"""

__all__ = [
    "checking",
    "columns",
    "compaction",
    "export",
    "filling",
    "kernel",
    "manifest",
    "publishing",
    "restoring",
    "spark_session",
    "view_rows",
    "writing",
]
