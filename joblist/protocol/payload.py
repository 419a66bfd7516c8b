# SPDX-License-Identifier: LGPL-3.0
"""Payloads of Flux messages: JSON read and written as flux-core does it, with jansson.

`loads` followed by `unpack` does the same as `flux_request_unpack` (flux-core 0.88:
src/common/libflux/request.c and message.c). The text of a `PayloadError` is the text that
`flux_msg_last_error` returns after the same error, with jansson 2.14; from jansson 2.15 on,
some errors of `unpack` have longer texts.
"""

from collections.abc import Callable, Mapping
from typing import Final, TypeVar, overload

import msgspec

from joblist.protocol import jansson
from joblist.protocol.caution import needs_care
from joblist.protocol.jansson import PayloadError

__all__ = [
    "PayloadError",
    "anything",
    "boolean",
    "int32",
    "int64",
    "is_plain",
    "loads",
    "number",
    "string",
    "text_of",
    "unpack",
]

T = TypeVar("T")
D = TypeVar("D")

_decoder: Final = msgspec.json.Decoder(dict[str, object])

_TYPE_NAMES: Final[dict[type, str]] = {
    dict: "object",
    list: "array",
    str: "string",
    int: "integer",
    float: "real",
    type(None): "null",
}


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

    `payload` is the text without the NUL that ends it on the wire (see `text_of`); text after a
    NUL is ignored.  `None` is a request without a payload.  Integers are of 64 bits, signed;
    strings may contain U+0000, names may not; of equal names the last one counts.  Raises
    `PayloadError`.
    """
    if payload is None:
        raise PayloadError("message does not have a string payload")
    text = payload.partition(b"\0")[0]
    if not needs_care(text):
        try:
            return _decoder.decode(text)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            pass  # the slow way finds out what is wrong, or that nothing is
    value = jansson.parse(text)
    if not isinstance(value, dict):
        raise PayloadError("payload is not a JSON object")
    return value


def is_plain(text: bytes) -> bool:
    """Whether a text that msgspec takes is one that jansson takes, too, to its end."""
    return b"\0" not in text and not needs_care(text)


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
