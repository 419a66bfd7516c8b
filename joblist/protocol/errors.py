# SPDX-License-Identifier: LGPL-3.0
"""Error responses: an errno and, mostly, a text, both as job-list has them."""

from __future__ import annotations

NOT_ALLOWED = "Request rejected due to insufficient privilege"
"""The text of EPERM for a sender without the role that a topic asks for (libflux)."""

_MOST = 159  # bytes of text that a flux_error_t holds


class RpcError(Exception):
    """An error response. ``text`` is None if the response has no text; "" is an empty text."""

    def __init__(self, errno: int, text: str | None = None) -> None:
        super().__init__(errno, text)
        self.errno = errno
        self.text = text if text is None else cut(text)


def cut(text: str) -> str:
    """Shorten a text as flux_error_t does: to 159 bytes, the last a '+' if more was cut.

    Bytes that are not UTF-8, such as half of a character that was cut, are kept in the form
    of Python's ``surrogateescape``.
    """
    data = text.encode(errors="surrogateescape")
    if len(data) <= _MOST:
        return text
    end = b"+" if len(data) > _MOST + 1 else data[_MOST - 1 : _MOST]
    return (data[: _MOST - 1] + end).decode(errors="surrogateescape")
