# SPDX-License-Identifier: LGPL-3.0
"""Decompressing a stream as it comes: what can be decoded is passed on at once.

The first bytes tell how a stream is compressed, whatever the file's name is. A stream may
have several members, one behind the other, as `gzip`, `bzip2`, `xz` and `zstd` allow it.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from importlib import import_module
from itertools import chain
from typing import Any, NamedTuple, Protocol

__all__ = ["ERRORS", "MAGIC_SIZE", "CannotReadError", "decompressed"]

MAGIC_SIZE = 6
"""As many of the first bytes tell all formats apart."""
_MOST = 2**20  # bytes passed on at once, however much they were compressed
_MEMORY = 2**28  # bytes that xz may take: `xz -9` takes a quarter of it

Piece = bytes | None
"""Bytes of a stream, or None where nothing came for a while."""


class CannotReadError(Exception):
    """The format is known, but this Python cannot decompress it; the message names it."""


class _Decoder(Protocol):
    """Decompresses one member: what Python's decompressors have in common, but for zlib's."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    @property
    def needs_input(self) -> bool: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class _Gzip:
    """zlib's decompressor with the interface of the others."""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(16 + zlib.MAX_WBITS)
        self._full = False  # more may be pending than was asked for

    @property
    def eof(self) -> bool:
        return self._zlib.eof

    @property
    def unused_data(self) -> bytes:
        return self._zlib.unused_data

    @property
    def needs_input(self) -> bool:
        return not (self._full or self._zlib.unconsumed_tail)

    def decompress(self, data: bytes, max_length: int) -> bytes:
        found = self._zlib.decompress(self._zlib.unconsumed_tail + data, max_length)
        self._full = len(found) == max_length
        return found


class _Format(NamedTuple):
    """A format; ``decoder`` is None where Python has none."""

    name: str
    magic: bytes
    decoder: Callable[[], _Decoder] | None = None


try:
    _zstd: Any = import_module("compression.zstd")  # from Python 3.14 on
except ImportError:
    _zstd = None

_FORMATS = (
    _Format("gzip", b"\x1f\x8b", _Gzip),
    _Format("bzip2", b"BZh", bz2.BZ2Decompressor),
    _Format("xz", b"\xfd7zXZ\0", partial(lzma.LZMADecompressor, memlimit=_MEMORY)),
    _Format("zstd", b"\x28\xb5\x2f\xfd", _zstd and _zstd.ZstdDecompressor),
    _Format("lz4", b"\x04\x22\x4d\x18"),
    _Format("zip", b"PK\x03\x04"),
    _Format("compress", b"\x1f\x9d"),
)

ERRORS: tuple[type[Exception], ...] = (
    EOFError, OSError, zlib.error, lzma.LZMAError, *([_zstd.ZstdError] if _zstd else ()),
)  # fmt: skip
"""What is raised where a compressed stream is damaged, or ends too early."""


def decompressed(head: bytes, pieces: Iterable[Piece]) -> Iterator[Piece]:
    """Yield a stream as it was before it was compressed, if it was.

    ``head`` is its beginning: MAGIC_SIZE bytes, unless it is shorter. Raises CannotReadError,
    or one of ERRORS.
    """
    found = next((one for one in _FORMATS if head.startswith(one.magic)), None)
    stream = chain([head], pieces)
    if found is None:
        return stream
    if found.decoder is None:
        raise CannotReadError(found.name)
    return _members(found.decoder, stream)


def _members(new: Callable[[], _Decoder], pieces: Iterable[Piece]) -> Iterator[Piece]:
    decoder = new()
    for piece in pieces:
        if piece is None:
            yield None
            continue
        data = piece
        while data or not (decoder.eof or decoder.needs_input):
            if decoder.eof:
                data = data.lstrip(b"\0")  # members may be padded
                if not data:
                    break
                decoder = new()
            yield decoder.decompress(data, _MOST)
            data = decoder.unused_data if decoder.eof else b""
    if not decoder.eof:
        raise EOFError("it ends in the middle of what is compressed")
