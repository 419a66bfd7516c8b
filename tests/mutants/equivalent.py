# SPDX-License-Identifier: LGPL-3.0
"""Mutants that behave as the original does, listed in ``equivalent.toml`` with the reason.

An entry names the file and the changed lines before and after, without indentation: it stays
right when code moves within a file, and ceases to match when the line itself changes.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple

from tests.mutants.mutations import Mutant

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["Entry", "entry_text", "key", "read"]

Key = tuple[str, str, str]


class Entry(NamedTuple):
    """An accepted mutant."""

    file: str
    original: str
    mutated: str
    reason: str


def read(path: Path) -> dict[Key, Entry]:
    """Return the accepted mutants; ValueError where one has no reason, or stands twice."""
    with path.open("rb") as file:
        entries = [Entry(**entry) for entry in tomllib.load(file).get("mutant", [])]
    found = {entry[:3]: entry for entry in entries}
    for entry in entries:
        if not entry.reason.strip():
            raise ValueError(f"{path}: {entry.file}: {entry.mutated!r} has no reason")
    if len(found) != len(entries):
        raise ValueError(f"{path}: an entry stands twice")
    return found


def key(mutant: Mutant) -> Key:
    """Return what a mutant is recognized by."""
    return mutant.file, mutant.original, mutant.mutated


def entry_text(mutant: Mutant) -> str:
    """Return a mutant as an entry of the file, still without its reason."""
    return (
        f'[[mutant]]\nfile = "{mutant.file}"\noriginal = {_quoted(mutant.original)}\n'
        f'mutated = {_quoted(mutant.mutated)}\nreason = ""\n'
    )


def _quoted(text: str) -> str:
    if "'" not in text and "\n" not in text:
        return f"'{text}'"
    if "'''" not in text:
        return f"'''\n{text}'''"
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
