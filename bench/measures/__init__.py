# SPDX-License-Identifier: LGPL-3.0
"""What is measured, one noun a file; each has ``measure(bench)``, which yields rows.

- ``append``: ingest of a recorded journal
- ``disk``: bytes a job
- ``replay``: a backlog of known jobs
- ``rebuild``: all projections, from the events
- ``list``, ``filters``, ``list_id``: answers to job-list's requests
- ``as_of``: answers for a past moment
- ``accounting``: the feed of flux-accounting
- ``start``: from the start of a process to its first answer
- ``memory``: peak memory of a process that answers
"""

__all__ = [
    "accounting",
    "append",
    "as_of",
    "disk",
    "filters",
    "list",
    "list_id",
    "memory",
    "rebuild",
    "replay",
    "start",
]
