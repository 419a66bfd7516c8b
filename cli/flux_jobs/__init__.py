# SPDX-License-Identifier: LGPL-3.0
"""What `flux jobs` understands and prints: filters, fields, formats.

filters.py             filter options to RFC 31 constraints
job_list.py            the questions that `list` asks of job-list
fields.py              the fields of ``-o``, computed from job-list attributes
format_string.py       format strings, and tables laid out by them
named_formats.py       formats with names: Flux's own, and those in its configuration
coloring.py            colors of rows
"""

__all__ = [
    "coloring",
    "fields",
    "filters",
    "format_string",
    "job_list",
    "named_formats",
]
