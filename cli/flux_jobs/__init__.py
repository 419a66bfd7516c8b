# SPDX-License-Identifier: LGPL-3.0
"""What `flux jobs` understands and prints: filters, fields, formats, job ids, times.

filters.py             filter options to RFC 31 constraints
job_list.py            the questions that `list` asks of job-list
fields.py              the fields of ``-o``, computed from job-list attributes
format_string.py       format strings, and tables laid out by them
named_formats.py       formats with names: Flux's own, and those in its configuration
coloring.py            colors of rows, and when there are any
jobid.py               job ids as text (RFC 19)
timespec.py            durations (RFC 23) and points in time as text
iso_8601.py            points in time: every form of ISO 8601
english_time.py        points in time: English
"""

__all__ = [
    "coloring",
    "english_time",
    "fields",
    "filters",
    "format_string",
    "iso_8601",
    "job_list",
    "jobid",
    "named_formats",
    "timespec",
]
