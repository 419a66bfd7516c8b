# SPDX-License-Identifier: LGPL-3.0
"""What `flux jobs` understands and prints: filters, fields, formats, job ids, times.

- ``filters``: filter options to RFC 31 constraints
- ``fields``: the fields of ``-o``, computed from job-list attributes
- ``format_string``: format strings, and tables laid out by them
- ``jobid``: job ids as text (RFC 19)
- ``timespec``: durations (RFC 23) and points in time as text
"""

__all__ = ["fields", "filters", "format_string", "jobid", "timespec"]
