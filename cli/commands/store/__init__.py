# SPDX-License-Identifier: LGPL-3.0
"""Commands that write, check, copy or repair a database.

ingest.py       stores recorded journals, or records the live one
rejects.py      what could not be stored
projections.py  the views and their checkpoints
rebuild.py      rebuilds views from the events
verify.py       checks the digest chain, SQLite's integrity and the views
export.py       finished jobs as Parquet files
backup.py       a verified copy, while the database is in use
recover.py      copies what can be read of a damaged database
"""

__all__ = [
    "backup",
    "export",
    "ingest",
    "projections",
    "rebuild",
    "recover",
    "rejects",
    "verify",
]
