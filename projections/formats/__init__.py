# SPDX-License-Identifier: LGPL-3.0
"""Pure: the text forms that Flux uses, with the behaviour of its C libraries.

json_text.py      JSON as jansson writes it, byte for byte
json_update.py    updates of decoded JSON along dotted paths, merges of objects
caching.py        bounded caches of functions of a text, keyed by the text
idset.py          sets of ids (RFC 22): parse, encode, set operations
hostlist.py       lists of host names (RFC 29): parse, encode, find
hostlist_runs.py  hosts that two lists share, and lists as intervals of numbers
"""

__all__ = [
    "caching",
    "hostlist",
    "hostlist_runs",
    "idset",
    "json_text",
    "json_update",
]
