# SPDX-License-Identifier: LGPL-3.0
"""The house: imports point one way, pure folders do no I/O, files and folders fit in a head."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# In the order in which they may import each other: from themselves and those before them.
FOLDERS = (
    "eventstore/events", "eventstore", "eventstore/storage", "eventstore/reading",
    "eventstore/ingest", "eventstore/maintenance",
    "projections/formats", "projections/notation", "projections/job", "projections/nodes",
    "projections/constraints", "projections", "projections/node_views",
    "projections/public", "projections/definitions", "projections/engine",
    "projections/queries", "projections/node_queries", "projections/reports",
    "projections/sql",
    "joblist/protocol", "joblist", "joblist/journal", "joblist/sql", "joblist/readers",
    "joblist/live", "joblist/broker",
    "joblist/job-list.py",  # Flux runs it by its path: it is no part of the package
    "cli/output", "cli/flux_jobs", "cli/accounting", "cli/input", "cli/reports", "cli/sql",
    "cli", "web", "web/pages", "web/server", "lake",
    "cli/commands", "cli/commands/query", "cli/commands/store", "cli/commands/service",
)  # fmt: skip
PURE = (
    "eventstore/events", "projections/formats", "projections/job", "projections/nodes",
    "projections/constraints", "joblist/protocol",
)  # fmt: skip
LAYERS = ("eventstore", "projections", "joblist", "cli", "web", "lake")
IMPURE = {
    "apsw", "asyncio", "click", "datetime", "fcntl", "flux", "_flux", "io", "logging",
    "multiprocessing", "os", "pathlib", "random", "secrets", "shutil", "signal", "socket",
    "sqlite3", "subprocess",
    "sys", "syslog", "tempfile", "threading", "time", "uuid",
}  # fmt: skip
ALLOWED = {"joblist.protocol.payload": {"sys"}}
"""What a pure file may import nevertheless: the recursion limit, for how deep msgspec reads."""
FILES = [path for layer in LAYERS for path in sorted((ROOT / layer).rglob("*.py"))]
MOST_LINES = 400
MOST_FILES = 14
"""Python files in a folder: about a dozen. SQL files lie beside those that use them."""


def folder_of(path: Path) -> str:
    return path.relative_to(ROOT).parent.as_posix()


def name_of(path: Path) -> str:
    """Return the name that a file is imported by."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in FILES}


def imported(path: Path) -> Iterator[str]:
    """Yield what a file imports, absolute, wherever and however it is written.

    That is: statements, calls of ``import_module`` and ``__import__``, and names of modules
    in texts that are given to functions whose name says that they import.
    """
    package = path.relative_to(ROOT).parent.parts
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                name = f"{module}.{alias.name}"
                yield name if name in MODULES else module
        elif isinstance(node, ast.Call) and re.search("import", ast.unparse(node.func)):
            for argument in node.args[:1]:
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                    yield argument.value
                elif isinstance(argument, ast.JoinedStr):
                    yield ast.literal_eval(ast.unparse(argument.values[0]) or "''")


def own(path: Path) -> set[Path]:
    """Return the files of this project that a file imports."""
    found = {MODULES[name] for name in imported(path) if name in MODULES}
    return found - {path, *(ROOT / layer / "__init__.py" for layer in LAYERS)}


def place(path: Path) -> int:
    """Return where a file, or its folder, stands in FOLDERS; fails where neither is listed."""
    name = path.relative_to(ROOT).as_posix()
    return FOLDERS.index(name if name in FOLDERS else folder_of(path))


def lines_of(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def test_imports_point_one_way() -> None:
    against = [
        (name_of(path), name_of(other))
        for path in FILES
        for other in own(path)
        if place(other) > place(path)
    ]
    assert [] == against


def test_imports_make_no_circle() -> None:
    """Not even by imports inside of functions."""
    list(TopologicalSorter({path: own(path) for path in FILES}).static_order())


def test_pure_folders_import_pure_folders_only() -> None:
    for path in FILES:
        folder = folder_of(path)
        if folder not in PURE:
            continue
        wanted = set(imported(path)) - ALLOWED.get(name_of(path), set())
        assert not {name.split(".")[0] for name in wanted} & IMPURE, path
        assert {other.relative_to(ROOT).parent.as_posix() for other in own(path)} <= set(
            PURE
        ), path


def test_flux_is_imported_in_one_file_and_in_functions_only() -> None:
    users = set()
    for path in FILES:
        if {name.split(".")[0].removeprefix("_") for name in imported(path)} & {"flux"}:
            users.add(name_of(path))
            for node in ast.parse(path.read_text(encoding="utf-8")).body:
                names = {a.name.split(".")[0] for a in getattr(node, "names", ())}
                assert not names & {"flux", "_flux"}, path
    assert users == {"joblist.broker.connection"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_says_what_it_is_and_fits_in_a_head(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert "SPDX-License-Identifier: LGPL-3.0" in text.splitlines()[0]
    assert ast.get_docstring(ast.parse(text))


def test_no_file_is_long_and_no_folder_is_full() -> None:
    """Tests and benchmarks included."""
    kept = (
        "bench",
        "cli",
        "eventstore",
        "flux_jobdb",
        "joblist",
        "lake",
        "projections",
        "tests",
        "web",
    )
    folders: dict[Path, set[str]] = {}
    for top in kept:
        for path in (ROOT / top).rglob("*.py"):
            assert lines_of(path) <= MOST_LINES, path
            folders.setdefault(path.parent, set()).add(path.name)
    full = {
        str(folder): len(names) for folder, names in folders.items() if len(names) > MOST_FILES
    }
    assert {} == full


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['flux-jobdb', '--help']\n"
        "from cli.main import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print(sorted({'apsw', 'msgspec', 'json', 'eventstore'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "[]" == done.stdout.splitlines()[-1]
    assert "ingest" in done.stdout
