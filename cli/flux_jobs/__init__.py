# SPDX-License-Identifier: LGPL-3.0
"""What `flux jobs` understands and prints: filters, fields, formats, job ids, times.

filters.py        filter options to RFC 31 constraints
fields.py         the fields of ``-o``, computed from job-list attributes
format_string.py  format strings, and tables laid out by them
jobid.py          job ids as text (RFC 19)
timespec.py       durations (RFC 23) and points in time as text
"""

__all__ = ["fields", "filters", "format_string", "jobid", "timespec"]
