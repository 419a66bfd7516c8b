# SPDX-License-Identifier: LGPL-3.0
"""JSON as other programs write it: what decoding raises, and whether two texts say the same.

Other programs write the same values in other text: white space, order of members, escapes,
``300.0`` and ``300``. Values are compared as RFC 8259 and RFC 7493 (I-JSON) read them: members
have no order, of a member that occurs twice the last one counts, numbers are what they are
as integers, or as the nearest doubles. ``true`` is no number.
"""

from __future__ import annotations

import json
from decimal import Decimal
from math import isfinite
from typing import Any

import msgspec

MALFORMED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding a text raises that is no JSON, or not of the expected form. RecursionError:
nested deeper than `deep_json.allow` lets it."""


def same_values(one: bytes, other: bytes) -> bool:
    """Whether two JSON texts have equal values; texts that do not decode: equal bytes."""
    if one == other:
        return True
    try:
        return _equal(_decode(one), _decode(other))
    except (ValueError, RecursionError):  # no JSON, or nested too deep
        return False


def _decode(text: bytes) -> Any:  # noqa: ANN401 - any JSON
    return json.loads(text.decode(), parse_float=_real)


def _real(text: str) -> float | Decimal:
    """Return the nearest double; beyond the doubles, where all would be equal, the number."""
    value = float(text)
    return value if isfinite(value) else Decimal(text)


def _equal(one: Any, other: Any) -> bool:  # noqa: ANN401 - any JSON
    pending = [(one, other)]
    while pending:
        a, b = pending.pop()
        if isinstance(a, dict) and isinstance(b, dict):
            if a.keys() != b.keys():
                return False
            pending += [(value, b[name]) for name, value in a.items()]
        elif isinstance(a, list) and isinstance(b, list):
            if len(a) != len(b):
                return False
            pending += zip(a, b, strict=True)
        elif isinstance(a, bool) is not isinstance(b, bool) or a != b:
            return False
    return True
