# SPDX-License-Identifier: LGPL-3.0
"""Job ids, durations and points in time as people write them, in the forms that Flux takes.

jobid.py         job ids as text (RFC 19)
timespec.py      durations (RFC 23) and points in time as text
iso_8601.py      points in time: every form of ISO 8601
english_time.py  points in time: English

Unlike formats/, this depends on the locale and the local time zone.
"""

__all__ = ["english_time", "iso_8601", "jobid", "timespec"]
