# SPDX-License-Identifier: LGPL-3.0
"""Payloads of Flux messages: JSON read and written as flux-core does it, with jansson.

`loads` and `unpack` do together what `flux_request_unpack` does (src/common/libflux/request.c
and message.c of flux-core 0.88), and raise `PayloadError` with the text that
`flux_msg_last_error` has then.  `dumps` does what `flux_respond_pack` does with a value.
The texts are those of jansson 2.14; from 2.15 on, some of `unpack` say more.
"""

import math
import re
from collections.abc import Callable, Mapping
from typing import Final, TypeVar, overload

import msgspec

from joblist import jansson
from joblist.jansson import PayloadError

__all__ = [
    "PayloadError",
    "anything",
    "boolean",
    "dumps",
    "int32",
    "int64",
    "loads",
    "number",
    "string",
    "text_of",
    "unpack",
]

T = TypeVar("T")
D = TypeVar("D")

_decoder: Final = msgspec.json.Decoder(dict[str, object])
_encoder: Final = msgspec.json.Encoder()

# Makes all digits the same one, to find integers that may exceed 64 bits.
_ZEROS: Final = bytes.maketrans(b"123456789", b"000000000")
# What msgspec writes in another way than jansson: U+000B and others with a letter in the hex
# digits.  Matching every escape keeps an escaped backslash from looking like the begin of one.
_ESCAPE: Final = re.compile(rb"\\(?:u00[01][a-f]|.)")
_TYPE_NAMES: Final[dict[type, str]] = {
    dict: "object",
    list: "array",
    str: "string",
    int: "integer",
    float: "real",
    type(None): "null",
}
_PLAIN: Final = frozenset({str, int, bool, type(None)})
_COMMA: Final = msgspec.Raw(b",")


def text_of(wire: bytes | None) -> bytes | None:
    """Return the text in the payload of a message, `None` for no payload.

    On the wire a text ends with NUL.  An empty payload is none.  Raises `PayloadError` if
    the NUL is missing.
    """
    if not wire:
        return None
    if not wire.endswith(b"\0"):
        raise PayloadError("flux_msg_get_string: Protocol error")
    return wire[:-1]


def loads(payload: bytes | None) -> dict[str, object]:
    """Return the object that the text of a request holds.

    `payload` is the text without the NUL that ends it on the wire (see `text_of`); it ends
    early if there is a NUL in it.  `None` is a request without a payload.  Integers are of 64
    bits, signed; strings may have U+0000 in them, names may not; of equal names the last one
    counts.  Raises `PayloadError`.
    """
    if payload is None:
        raise PayloadError("message does not have a string payload")
    text = payload.partition(b"\0")[0]
    if not _needs_care(text):
        try:
            return _decoder.decode(text)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            pass  # the slow way finds out what is wrong, or that nothing is
    value = jansson.parse(text)
    if not isinstance(value, dict):
        raise PayloadError("payload is not a JSON object")
    return value


def _needs_care(text: bytes) -> bool:
    """Tell whether msgspec might take `text` although jansson would not."""
    return (
        text.count(b"{") + text.count(b"[") >= jansson.MAX_DEPTH
        or rb"\u0000" in text  # not allowed in names
        or b"0" * 19 in text.translate(_ZEROS)
    )


@overload
def unpack(obj: Mapping[str, object], name: str, kind: Callable[[object], T]) -> T: ...
@overload
def unpack(
    obj: Mapping[str, object], name: str, kind: Callable[[object], T], default: D
) -> T | D: ...
def unpack(
    obj: Mapping[str, object],
    name: str,
    kind: Callable[[object], object],
    default: object = msgspec.NODEFAULT,
) -> object:
    """Return the member `name` of `obj`, which has to be of `kind`.

    `kind` is one of `int32`, `int64`, `number`, `string`, `boolean`, `anything`.  A member
    with a `default` may be absent, but not null unless it is `anything`.  One call stands for
    one `s:...` or `s?...` of a format of `json_unpack`; calls in the order of the format find
    the same error first.  Raises `PayloadError`.
    """
    if name in obj:
        return kind(obj[name])
    if default is msgspec.NODEFAULT:
        raise PayloadError(f"Object item not found: {name}")
    return default


def _mismatch(expected: str, value: object) -> PayloadError:
    actual = str(value).lower() if isinstance(value, bool) else _TYPE_NAMES[type(value)]
    return PayloadError(f"Expected {expected}, got {actual}")


def int64(value: object) -> int:
    """Return an integer of 64 bits, signed (`I` of `json_unpack`)."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise _mismatch("integer", value)


def int32(value: object) -> int:
    """Return an integer as C's `int` has it, its lowest 32 bits, signed (`i`)."""
    return (int64(value) + 2**31) % 2**32 - 2**31


def number(value: object) -> float:
    """Return a real or an integer as a real (`F`)."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    raise _mismatch("real or integer", value)


def string(value: object) -> str:
    """Return a string as C has it, up to the first U+0000 (`s`)."""
    if isinstance(value, str):
        return value.partition("\0")[0]
    raise _mismatch("string", value)


def boolean(value: object) -> bool:
    """Return a boolean (`b`)."""
    if isinstance(value, bool):
        return value
    raise _mismatch("true or false", value)


def anything(value: object) -> object:
    """Return `value`, whatever it is (`o`)."""
    return value


def dumps(value: object) -> bytes:
    """Return the compact JSON text of `value`, byte for byte as jansson writes it.

    Reals have 17 significant digits and always a point or an exponent.  Members keep their
    order.  `msgspec.Raw` is copied; it should hold text that jansson wrote.  `value` must not
    contain itself.  Raises `ValueError` for a real that is not finite and for a string with a
    lone surrogate.
    """
    try:
        text = _encoder.encode(_exact(value))
    except RecursionError:
        text = _dumps_deep(value)
    if rb"\u00" in text:
        text = _ESCAPE.sub(_upper_hex, text)
    return text


def _upper_hex(escape: re.Match[bytes]) -> bytes:
    found = escape[0]
    return found[:2] + found[2:].upper()


def _exact(value: object) -> object:
    """Return `value` with every real replaced by its text."""
    if isinstance(value, float):
        return msgspec.Raw(_real(value))
    if isinstance(value, dict):
        return {
            name: member if type(member) in _PLAIN else _exact(member)
            for name, member in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [item if type(item) in _PLAIN else _exact(item) for item in value]
    return value


def _real(value: float) -> str:
    if not math.isfinite(value):
        raise ValueError(f"{value} cannot be written in JSON")
    text = f"{value:.17g}"
    digits, e, exponent = text.partition("e")
    if e:
        return f"{digits}e{int(exponent)}"
    return text if "." in text else text + ".0"


def _dumps_deep(value: object) -> bytes:
    """Encode what is nested too deeply for recursion."""
    text = bytearray()
    todo = [value]  # what comes next is last
    while todo:
        item = todo.pop()
        if isinstance(item, dict):
            parts = [
                part
                for name, member in item.items()
                for part in (_COMMA, msgspec.Raw(_encoder.encode(name) + b":"), member)
            ]
            todo += [msgspec.Raw(b"}"), *reversed(parts[1:]), msgspec.Raw(b"{")]
        elif isinstance(item, (list, tuple)):
            parts = [part for element in item for part in (_COMMA, element)]
            todo += [msgspec.Raw(b"]"), *reversed(parts[1:]), msgspec.Raw(b"[")]
        else:
            text += _encoder.encode(_exact(item))
    return bytes(text)
