# SPDX-License-Identifier: LGPL-3.0
r"""Untrusted text as people are shown it: on one line, and without power over a terminal.

Names of jobs, notes of exceptions, contexts of events and names of files come from others. A
line feed in them would forge a row, an escape sequence would command the terminal, a change of
direction would reorder what is read. All of these are shown as JSON writes them (``\n``,
``\u001b``), on a terminal and in a pipe alike. Machines (``--json``, ``events``, ``info``,
``rpc``) get the text as it came.
"""

from __future__ import annotations

import re

__all__ = ["shown"]

# C0, DEL and C1; marks of direction and their controls; line and paragraph separators;
# halves of surrogate pairs, which no encoding has.
_HARMFUL = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
_SHORT = {"\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r"}


def shown(text: str) -> str:
    """Return a text with its harmful characters escaped; all others are kept."""
    # isprintable() is fast, and true of most texts.
    return text if text.isprintable() else _HARMFUL.sub(_escaped, text)


def _escaped(match: re.Match[str]) -> str:
    character = match[0]
    return _SHORT.get(character) or f"\\u{ord(character):04x}"
