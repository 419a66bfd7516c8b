# SPDX-License-Identifier: LGPL-3.0
"""Whether msgspec may take a JSON text that jansson refuses.

There are three such texts: with a value deeper than jansson's limit, with an integer of more
than 64 bits, and with U+0000 in a name. Each is looked for in what is left of a text without
its strings, or without anything else, in time and memory in proportion to its length. Of a text
that is no JSON the answer may be either: msgspec refuses it in any case.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import accumulate
from typing import Final

MAX_DEPTH: Final = 2048
"""The deepest a value may be; the outermost one is at depth 1, and scalars count."""

_INT64: Final = range(-(2**63), 2**63)
_SHORTEST: Final = 19  # characters of an integer that may exceed 64 bits
# Makes all digits the same one, to find so many in a row.
_ZEROS: Final = bytes.maketrans(b"123456789", b"000000000")
_NUL: Final = rb"\u0000"
_NUMBER: Final = re.compile(rb"[-+.0-9eE]{19,}")
_INTEGER: Final = re.compile(rb"-?[0-9]+")
_NO_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))
_STEPS: Final = {byte: 1 if byte in b"[{" else -1 for byte in b"[]{}"}


def needs_care(text: bytes) -> bool:
    """Tell whether msgspec might take ``text`` although jansson would not."""
    brackets = text.count(b"{") + text.count(b"[") >= MAX_DEPTH
    digits = b"0" * _SHORTEST in text.translate(_ZEROS)
    if not brackets and not digits and _NUL not in text:
        return False
    # Escaped backslashes and quotes do not matter here, and are in the way.
    pieces = text.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')
    outside = b'"'.join(pieces[::2])
    return (
        (brackets and _depth(outside) >= MAX_DEPTH)
        or (digits and _has_big_integer(outside))
        or _has_nul_in_name(pieces)
    )


def _depth(outside: bytes) -> int:
    """Return how deep the deepest object or array is."""
    brackets = outside.translate(None, _NO_BRACKETS)
    return max(accumulate(map(_STEPS.__getitem__, brackets)), default=0)


def _has_big_integer(outside: bytes) -> bool:
    for match in _NUMBER.finditer(outside):
        number = match[0]
        # 20 characters are enough for 64 bits; Python refuses to convert too many of them.
        if _INTEGER.fullmatch(number) and (len(number) > 20 or int(number) not in _INT64):
            return True
    return False


def _has_nul_in_name(pieces: Sequence[bytes]) -> bool:
    """Tell whether a string has U+0000 and a colon follows: every second piece is a string."""
    return any(
        _NUL in pieces[place] and pieces[place + 1].lstrip()[:1] == b":"
        for place in range(1, len(pieces) - 1, 2)
    )
