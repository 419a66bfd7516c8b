# SPDX-License-Identifier: LGPL-3.0
"""JSON text as flux-core writes it, byte for byte (jansson, JSON_COMPACT).

msgspec encodes, and what it writes in another way than jansson is changed: reals have 17
significant digits, and the hex digits of escapes are upper case.
"""

from __future__ import annotations

import math
import re
from typing import Final

import msgspec

from eventstore.events.encoding import to_json

# Escapes that differ are those with a letter in the hex digits, as U+000B. All escapes are
# matched, so that the second backslash of an escaped one is not taken for the begin of one.
_ESCAPE: Final = re.compile(rb"\\(?:u00[01][a-f]|.)")
_PLAIN: Final = frozenset({str, int, bool, type(None)})
_COMMA: Final = msgspec.Raw(b",")


def dumps(value: object) -> bytes:
    """Return the compact JSON text of `value`, byte for byte as jansson writes it.

    Reals have 17 significant digits and always a point or an exponent.  Members keep their
    order.  `msgspec.Raw` is copied; it should hold text that jansson wrote.  `value` must not
    contain itself.  Raises `ValueError` for a real that is not finite and for a string with a
    lone surrogate.
    """
    try:
        plain = value if type(value) is str else _exact(value)
        text = to_json(plain)
    except RecursionError:
        text = _dumps_deep(value)
    return escaped(text)


def string(value: str) -> str:
    """Return what `dumps` returns for a string, as text and in less time."""
    text = to_json(value)
    return (escaped(text) if rb"\u00" in text else text).decode()


def escaped(text: bytes) -> bytes:
    """Return JSON text that msgspec wrote, with strings escaped as jansson does it."""
    return _ESCAPE.sub(_upper_hex, text) if rb"\u00" in text else text


def _upper_hex(escape: re.Match[bytes]) -> bytes:
    found = escape[0]
    return found[:2] + found[2:].upper()


def _exact(value: object) -> object:
    """Return `value` with every real replaced by its text."""
    if isinstance(value, float):
        return msgspec.Raw(real(value))
    if isinstance(value, dict):
        return {
            name: member if type(member) in _PLAIN else _exact(member)
            for name, member in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [item if type(item) in _PLAIN else _exact(item) for item in value]
    return value


def real(value: float) -> str:
    """Return a real's text; raises ValueError for one that is not finite."""
    text = "%.17g" % value  # noqa: UP031 - takes less time than a format string
    if "." in text and "e" not in text:
        return text
    if not math.isfinite(value):
        raise ValueError(f"{value} cannot be written in JSON")
    digits, e, exponent = text.partition("e")
    return f"{digits}e{int(exponent)}" if e else text + ".0"


def _dumps_deep(value: object) -> bytes:
    """Encode a value that is nested too deeply for recursion, with a stack of its own."""
    text = bytearray()
    todo = [value]  # a stack: the next one is last
    while todo:
        item = todo.pop()
        if isinstance(item, dict):
            parts = [
                part
                for name, member in item.items()
                for part in (_COMMA, msgspec.Raw(to_json(name) + b":"), member)
            ]
            todo += [msgspec.Raw(b"}"), *reversed(parts[1:]), msgspec.Raw(b"{")]
        elif isinstance(item, (list, tuple)):
            parts = [part for element in item for part in (_COMMA, element)]
            todo += [msgspec.Raw(b"]"), *reversed(parts[1:]), msgspec.Raw(b"[")]
        else:
            text += to_json(_exact(item))
    return bytes(text)


def c_string(text: str) -> str:
    """Return a string as C code sees it: it ends before the first U+0000."""
    return text.partition("\0")[0]
