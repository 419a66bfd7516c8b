# SPDX-License-Identifier: LGPL-3.0
"""What is stored, read back.

event_log.py        events and notices by seq, events of one job in its own order
event_log.sql       its queries
gaps.py             what may be missing, from when to when, and why
gaps.sql            its queries
rejects.py          what could not be stored as an event
"""

__all__ = [
    "event_log",
    "gaps",
    "rejects",
]
