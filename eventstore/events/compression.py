# SPDX-License-Identifier: LGPL-3.0
"""Lossless compression of events, jobspecs and Rs: pure.

*Events.* An event's text repeats timestamp and name, which its row has as columns. If the
text can be composed of these and the context, byte for byte, only the context is stored; this
is tried for each event. Other texts are stored whole.

*jobspec and R.* Payloads of different jobs are similar. One is stored uncompressed, as a base;
the next ones are deflated with it as the dictionary (RFC 1951). Damage to a base concerns only
the payloads that refer to it.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

FORMS = range(3)
WHOLE, DIGITS, SHORTEST = FORMS
"""How an event's text is stored: whole; or its context only, with the timestamp in the text
written in 17 significant digits, as the job manager does (jansson), or in the fewest that give
the same number."""

_WHOLE_ONLY = 2.0**53  # from here on, no number has a fraction
_NAME_MOST = 64  # characters; longer ones are not cached
_DEFLATED_MOST = 2**18  # bytes; longer payloads are stored uncompressed
_FOLLOWERS = 255  # payloads that share a base, at the most
# A window of 8 KiB: the compressor's state is copied for each payload.
_WINDOW, _MEMORY, _LEVEL = -13, 6, 1


def shorten(
    data: bytes, timestamp: float, name: str, context: bytes | None
) -> tuple[int, bytes]:
    """Return the form in which an event is stored, and the bytes to store."""
    if len(name) > _NAME_MOST:
        return WHOLE, data
    if 1.0 <= timestamp < _WHOLE_ONLY and timestamp % 1.0:
        # Most are as jansson writes them, with a fraction: that is one comparison.
        if context is None:
            if _template(name, True) % timestamp == data:
                return DIGITS, b""
        elif _template(name, False) % (timestamp, context) == data:
            return DIGITS, context
    middle, end = _after_timestamp(name, context is None)
    kept = context or b""
    size = len(data) - len(kept) - len(end)  # of what stands before the context
    for form, written in _WRITTEN:
        head = b'{"timestamp":%b%b' % (written(timestamp), middle)
        if len(head) == size and data.startswith(head) and data.startswith(kept, size):
            return form, kept
    return WHOLE, data


def lengthen(form: int, timestamp: float, name: str, kept: bytes) -> bytes:
    """Return an event's text, given what `shorten` returned."""
    if form == WHOLE:
        return kept
    middle, end = _after_timestamp(name, not kept)
    rest = middle + kept + end
    written = _digits if form == DIGITS else _shortest
    return b'{"timestamp":%b%b' % (written(timestamp), rest)


def lengthen_all(
    forms: Sequence[int], times: Sequence[float], names: Sequence[str], kept: Sequence[bytes]
) -> list[bytes]:
    """Return what `lengthen` returns for each event; most have a usual form and time."""
    usual = {name for name, form in set(zip(names, forms, strict=True)) if form == DIGITS}
    bare = {name: _template(name, True) for name in usual}
    whole = {name: _template(name, False) for name in usual}
    return [
        (whole[name] % (time, context) if context else bare[name] % time)
        if form == DIGITS and time % 1.0 and 1.0 <= time < _WHOLE_ONLY
        else lengthen(form, time, name, context)
        for form, time, name, context in zip(forms, times, names, kept, strict=True)
    ]


def has_digits_form(timestamp: float) -> bool:
    """Whether a timestamp has the same text in both forms: DIGITS is what `shorten` takes."""
    return _digits(timestamp) == _shortest(timestamp)


def _digits(timestamp: float) -> bytes:
    text = b"%.17g" % timestamp
    return text if b"." in text else text + b".0"


def _shortest(timestamp: float) -> bytes:
    return repr(timestamp).encode()


_WRITTEN = ((DIGITS, _digits), (SHORTEST, _shortest))


@lru_cache(1024)
def _after_timestamp(name: str, bare: bool) -> tuple[bytes, bytes]:
    """Return what stands before the context and after it."""
    named = b',"name":"%b"' % name.encode(errors="surrogatepass")
    return (named + b"}", b"") if bare else (named + b',"context":', b"}")


@lru_cache(1024)
def _template(name: str, bare: bool) -> bytes:
    """Return what makes the text of an event in the form DIGITS, if its time has a point."""
    middle, end = (part.replace(b"%", b"%%") for part in _after_timestamp(name, bare))
    return b'{"timestamp":%.17g' + middle + (b"" if bare else b"%b" + end)


class Deflater:
    """Deflates the payloads of one kind, given in the order of their keys."""

    def __init__(self) -> None:
        self._base = 0
        self._left = 0  # payloads that may still follow the base
        self._primed: Callable[[], Any]

    def keep(self, key: int, data: bytes) -> tuple[int, int | None, bytes]:
        """Return the row to keep: key, the base's key or None, bytes."""
        if len(data) > _DEFLATED_MOST:
            return key, None, data
        if not self._left:
            self._base, self._left = key, _FOLLOWERS
            primed = zlib.compressobj(_LEVEL, zlib.DEFLATED, _WINDOW, _MEMORY, 0, data)
            self._primed = primed.copy
            return key, None, data
        self._left -= 1
        deflate = self._primed()
        return key, self._base, deflate.compress(data) + deflate.flush()


def inflate(data: bytes, base: bytes | None) -> bytes:
    """Return a payload's bytes as received; ``base``: its base's bytes, None if it has none.

    Raises ValueError if the bytes are not those that were stored.
    """
    if base is None:
        if not isinstance(data, bytes | None):
            raise ValueError("not bytes")
        return data
    try:
        inflated = zlib.decompressobj(_WINDOW, base)
        found = inflated.decompress(data, _DEFLATED_MOST + 1)  # one more: to see the end
    except (zlib.error, TypeError) as error:
        raise ValueError(str(error)) from error
    if not inflated.eof or inflated.unused_data or len(found) > _DEFLATED_MOST:
        raise ValueError("not deflated with this base")
    return found
