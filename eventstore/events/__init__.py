# SPDX-License-Identifier: LGPL-3.0
"""Events as bytes and values: pure functions, no I/O.

journal_line.py      one line of the journal -> Response, Purge or Reject
resource_line.py     one line of the resource journal, or a status, decoded
json_values.py       whether two JSON texts say the same
encoding.py          values as JSON and MessagePack
records.py           what is stored: events (Record) and notices (Notice)
resource_notices.py  how the resource module's are kept, and recognised
dedup.py             which events are stored already, and where the others belong
compression.py       an event's text in fewer bytes, and back
digest_chain.py      the digest of a batch, chained to the batch before
"""

__all__ = [
    "compression",
    "dedup",
    "digest_chain",
    "encoding",
    "journal_line",
    "json_values",
    "records",
    "resource_line",
    "resource_notices",
]
