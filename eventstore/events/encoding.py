# SPDX-License-Identifier: LGPL-3.0
"""JSON and MessagePack, written by msgspec so that the end of memory is a MemoryError.

Where its output cannot grow, msgspec's `encode` ends the process by a segmentation fault
(0.22), and with a broker module's process ends the instance. `encode_into` raises MemoryError.
"""

from __future__ import annotations

import msgspec

_json = msgspec.json.Encoder().encode_into
_msgpack = msgspec.msgpack.Encoder().encode_into


def to_json(value: object) -> bytes:
    """Return a value as JSON; raises what msgspec's encoders raise."""
    text = bytearray()
    _json(value, text)
    return bytes(text)


def to_msgpack(value: object) -> bytes:
    """Return a value as MessagePack; raises what msgspec's encoders raise."""
    data = bytearray()
    _msgpack(value, data)
    return bytes(data)
