# SPDX-License-Identifier: LGPL-3.0
"""Reports: figures by period and by group, from the sums by hour and from single jobs.

periods.py        a range of time cut at hours, days, weeks or months of a time zone
report.py         what a report is: its columns and rows, and by what it is grouped
questions.py      from what is asked for to periods
questions.sql     its query
hourly_sums.py    the sums by hour, and which parts of periods are not whole hours
hourly_sums.sql   its queries
single_jobs.py    jobs one by one: active ones, and what no sum answers
quantiles.py      medians, other quantiles and means of whole numbers
job_counts.py     the report of how many jobs ended, by result
waits.py          the report of how long jobs waited to run
usage.py          the report of node- and core-time
nodes.py          the report of the time that nodes spent in each state
kinds.py          these kinds, by name
completeness.py   what the database lacks of a range of time
completeness.sql  its queries
"""

__all__ = [
    "completeness",
    "hourly_sums",
    "job_counts",
    "kinds",
    "nodes",
    "periods",
    "quantiles",
    "questions",
    "report",
    "single_jobs",
    "usage",
    "waits",
]
