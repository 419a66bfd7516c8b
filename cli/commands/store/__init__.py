# SPDX-License-Identifier: LGPL-3.0
"""Commands that write, check, copy or repair a database.

- ``ingest``: stores recorded journals, or records the live one
- ``projections``: the views and their checkpoints
- ``rebuild``: rebuilds views from the events
- ``verify``: checks the digest chain, SQLite's integrity and the views
- ``backup``: a verified copy, while the database is in use
- ``recover``: copies what can be read of a damaged database
"""

__all__ = ["backup", "ingest", "projections", "rebuild", "recover", "verify"]
