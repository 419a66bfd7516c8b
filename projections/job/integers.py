# SPDX-License-Identifier: LGPL-3.0
"""Integers as jansson has them: of 64 bits, signed."""

from __future__ import annotations

_INT64 = range(-(2**63), 2**63)


def in_64_bits(value: object) -> bool:
    """Return whether all integers in a value fit: jansson refuses events with larger ones."""
    if isinstance(value, dict | list):
        return all(map(in_64_bits, value.values() if isinstance(value, dict) else value))
    return not isinstance(value, int) or value in _INT64
