# SPDX-License-Identifier: LGPL-3.0
"""`when(…)` as a function, although WHEN is a key word of SQL.

In ``CASE a WHEN (1) THEN …`` the word follows an operand, or CASE itself. A function stands
where an operand is expected. So the token before it decides. The function is put into quotes,
which makes its name no key word.
"""

from __future__ import annotations

import re

_TOKEN = re.compile(
    r"""
    (?P<skip>\s+|--[^\n]*|/\*.*?(?:\*/|\Z))
    |(?P<operand>'(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\]|[\d.][\w.]*|[?:@$]\w*)
    |(?P<word>[^\W\d]\w*)
    |(?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)

# Key words that an operand follows. CASE is not among them: `CASE WHEN` is no function.
_BEFORE_OPERAND = frozenset({
    "ALL", "AND", "BETWEEN", "BY", "DISTINCT", "ELSE", "ESCAPE", "FROM", "GLOB", "HAVING", "IN",
    "IS", "JOIN", "LIKE", "LIMIT", "MATCH", "NOT", "OFFSET", "ON", "OR", "REGEXP", "RETURNING",
    "SELECT", "SET", "THEN", "USING", "VALUES", "WHEN", "WHERE",
})  # fmt: skip
_OPENED = re.compile(r"\s*\(")


def quoted(sql: str) -> str:
    """Return a statement in which each `when` that is a function stands in quotes."""
    if "when" not in sql.lower():
        return sql
    parts: list[str] = []
    operand_expected = True
    for found in _TOKEN.finditer(sql):
        text = found[0]
        parts.append(text)
        kind = found.lastgroup
        if kind == "skip":
            continue
        if kind == "word" and text.upper() == "WHEN" and operand_expected:
            if _OPENED.match(sql, found.end()):
                parts[-1] = f'"{text}"'
                operand_expected = False
            continue
        if kind == "word":
            operand_expected = text.upper() in _BEFORE_OPERAND
        else:
            operand_expected = kind == "other" and text != ")"
    return "".join(parts)
