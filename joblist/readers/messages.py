# SPDX-License-Identifier: LGPL-3.0
"""What the module and a reader process say to each other, as bytes. Pure.

A *frame* is a letter, a length and a body. The module says::

    ASK    a request without its payload (`Ask`)    GO      send the next response
    TEXT   a part of the payload                    CANCEL  nobody wants the rest

and the reader::

    READY  the reader can be asked                  PART    a part of a response
    BEGUN  the request is being answered            LAST    a response's last part
    MORE   send the next part of the payload        END     the answer ends here (`End`)
    FAULT  lines for the log

Both take turns: the module sends one frame and waits for the reader's, so that what it sends
always fits into the socket, and never blocks it. Only CANCEL comes when it likes.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from struct import Struct as Layout

import msgspec

from joblist.config import Config

MOST = 32 * 2**10
"""Bytes of a frame's body that the module sends at most: an empty socket takes that."""
MOST_BACK = 256 * 2**10
"""Bytes of a frame's body that a reader sends at most."""
_HEAD = Layout("!cI")


class Kind(Enum):
    """The letter that a frame begins with."""

    ASK = b"A"
    TEXT = b"T"
    GO = b"G"
    CANCEL = b"C"
    READY = b"R"
    BEGUN = b"B"
    MORE = b"M"
    PART = b"P"
    LAST = b"L"
    END = b"E"
    FAULT = b"F"


class Ask(msgspec.Struct, frozen=True, array_like=True):
    """A request; ``size`` is the bytes of its payload, None: it has no payload.

    ``most_hosts``: how many hosts or ranks a constraint may name.
    """

    topic: str
    userid: int
    rolemask: int
    streaming: bool
    config: Config
    most_hosts: int
    size: int | None


class End(msgspec.Struct, frozen=True, array_like=True):
    """How an answer ended: with an errno, 0 for none, and the text that goes with it.

    ``missing``: there is no such job yet. ``leaving``: the reader ends after this.
    """

    errno: int = 0
    text: bytes | None = None
    missing: bool = False
    leaving: bool = False


def frame(kind: Kind, body: bytes | memoryview = b"") -> bytes:
    """Return a frame as it is sent."""
    return b"".join((_HEAD.pack(kind.value, len(body)), body))


def parts(payload: bytes) -> Iterator[bytes]:
    """Yield the frames that bring one response."""
    view = memoryview(payload)
    last = max(0, (len(view) - 1) // MOST_BACK * MOST_BACK)
    for first in range(0, last, MOST_BACK):
        yield frame(Kind.PART, view[first : first + MOST_BACK])
    yield frame(Kind.LAST, view[last:])


class Frames:
    """Cuts what arrives into frames."""

    def __init__(self) -> None:
        self._kept = bytearray()

    def take(self, data: bytes) -> Iterator[tuple[Kind, bytes]]:
        """Yield the frames that are complete with ``data``; raises ValueError for any other."""
        self._kept += data
        while len(self._kept) >= _HEAD.size:
            letter, size = _HEAD.unpack_from(self._kept)
            end = _HEAD.size + size
            if len(self._kept) < end:
                return
            body = bytes(memoryview(self._kept)[_HEAD.size : end])
            del self._kept[:end]
            yield Kind(letter), body
