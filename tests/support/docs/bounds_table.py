# SPDX-License-Identifier: LGPL-3.0
"""Writes the table of bounds in docs/broker-module.md from joblist/protocol/budgets.py.

python -m tests.support.docs.bounds_table
"""

from __future__ import annotations

import re
from errno import errorcode
from pathlib import Path

from joblist.protocol.budgets import table

PAGE = Path(__file__).resolve().parents[3] / "docs" / "broker-module.md"
_HEAD = "| setting | default | of what | error beyond it |\n| --- | --- | --- | --- |\n"
_TABLE = re.compile(re.escape(_HEAD) + r"(?:\|.*\n)*|^BOUNDS\n", re.MULTILINE)


def rows() -> str:
    """Return the table."""
    found = _HEAD
    for bound in table():
        error = f"{errorcode[bound.errno]}: {bound.text}" if bound.text else "none"
        error = error.replace("{}", str(bound.default))
        found += f"| `{bound.name}` | {bound.default} | {bound.unit} | {error} |\n"
    return found


if __name__ == "__main__":
    PAGE.write_text(_TABLE.sub(lambda _: rows(), PAGE.read_text("utf-8"), count=1), "utf-8")
