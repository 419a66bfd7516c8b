# SPDX-License-Identifier: LGPL-3.0
"""Contents pages: each package's docstring names all that is in its folder, and nothing else.

The convention: an entry is a line of the docstring of ``__init__.py`` with the name of a file
or of a folder (``name/``), at least two spaces, and what it does; it is indented by four spaces
where there is prose around it. Lines that go on are indented further. Entries stand in the
order of an event's way.
``__all__`` lists the modules and packages of the folder, sorted, and ``__init__.py`` imports
none of them, so that importing one module loads that module only.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LAYERS = ("eventstore", "projections", "joblist", "cli", "web", "lake", "bench")
PACKAGES = sorted(
    page.parent for layer in LAYERS for page in (ROOT / layer).rglob("__init__.py")
)

_ENTRY = re.compile(r"^(?: {4})?([\w-]+(?:\.py|\.sql|/))(?: {2,}(\S.*))?$", re.MULTILINE)


def entries(docstring: str) -> list[tuple[str, str]]:
    """Return (name, what it does) of each entry, as they stand."""
    return [(name, text) for name, text in _ENTRY.findall(docstring)]


def contained(folder: Path) -> set[str]:
    """Return the names that a contents page must have: code, SQL, and folders of any files."""
    files = {p.name for p in folder.iterdir() if p.suffix in {".py", ".sql"}}
    folders = {
        f"{p.name}/" for p in folder.iterdir()
        if p.is_dir() and p.name != "__pycache__" and any(f.is_file() for f in p.iterdir())
    }  # fmt: skip
    return (files | folders) - {"__init__.py"}


def importable(folder: Path) -> set[str]:
    """Return the names of a folder's modules and packages."""
    modules = {p.stem for p in folder.glob("*.py") if p.stem.isidentifier()}
    packages = {p.parent.name for p in folder.glob("*/__init__.py")}
    return (modules | packages) - {"__init__", "__main__"}


def public(tree: ast.Module) -> list[str] | None:
    """Return ``__all__``, None where there is none."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return list(ast.literal_eval(node.value))
    return None


@pytest.mark.parametrize("folder", PACKAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_contents_page_names_what_is_there(folder: Path) -> None:
    tree = ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))
    names = public(tree)
    assert names is not None, "it has no __all__"
    found = entries(ast.get_docstring(tree, clean=False) or "")
    assert contained(folder) == {name for name, _ in found}
    assert len(found) == len({name for name, _ in found})
    assert [name for name, text in found if not text] == []
    assert sorted(importable(folder)) == names
    assert not any(isinstance(node, ast.Import) for node in tree.body)
    assert {node.module for node in tree.body if isinstance(node, ast.ImportFrom)} <= {
        "__future__"
    }


def test_entries_are_told_from_prose() -> None:
    page = """What it is.

    one.py      what it does,
                and more
    two/        a folder
    three.py

Prose, and more of it.
"""
    expected = [("one.py", "what it does,"), ("two/", "a folder"), ("three.py", "")]
    assert expected == entries(page)
