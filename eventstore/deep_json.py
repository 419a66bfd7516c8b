# SPDX-License-Identifier: LGPL-3.0
"""JSON that is nested as deeply as Flux reads it."""

from __future__ import annotations

import sys

DEEPEST = 2048
"""Levels of the deepest text that Flux reads (jansson's JSON_PARSER_MAX_DEPTH)."""


def allow() -> None:
    """Let this process decode, merge and encode it.

    Python allows a thousand levels, its own frames included, to all that is called by another:
    to msgspec's decoders, too. Merging takes a frame a level.
    """
    sys.setrecursionlimit(max(sys.getrecursionlimit(), 3 * DEEPEST))
