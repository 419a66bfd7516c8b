# SPDX-License-Identifier: LGPL-3.0
"""Commands that read a database.

- ``list``: jobs as a table, as `flux jobs`
- ``history``: a job's events, readable
- ``info``: a job's eventlog, jobspec or R
- ``events``: the stored events
- ``rpc``: answers to job-list's requests
- ``stats``: counts and sizes
- ``gaps``: what is missing, and why
"""

__all__ = ["events", "gaps", "history", "info", "list", "rpc", "stats"]
