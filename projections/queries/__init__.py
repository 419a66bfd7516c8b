# SPDX-License-Identifier: LGPL-3.0
"""Questions to the views; nothing here knows who asks.

candidates.py        reads inactive jobs by the access paths of a plan
list_jobs.py         jobs that match a constraint, in job-list's order
one_job.py           the newest job of an id
one_job.sql          its queries
as_of.py             jobs as they were at a past moment
job_ids.py           which id a job key stands for, for recovery
job_stats.py         numbers of jobs by state, result and queue
job_info.py          eventlog, jobspec and R of a job
accounting_feed.py   finished jobs as rows of flux-accounting
accounting_feed.sql  its query
clock_steps.py       jobs of that feed while whose life the clock was set
clock_steps.sql      its queries
store_counts.py      how much is stored
store_counts.sql     its query
render.py            packed values to the JSON text of an answer
"""

__all__ = [
    "accounting_feed",
    "as_of",
    "candidates",
    "clock_steps",
    "job_ids",
    "job_info",
    "job_stats",
    "list_jobs",
    "one_job",
    "render",
    "store_counts",
]
