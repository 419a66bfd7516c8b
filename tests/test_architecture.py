# SPDX-License-Identifier: LGPL-3.0
"""The house: imports point one way, pure files do no I/O, files fit in a head."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LAYERS = ("eventstore", "projections", "joblist", "cli")
FILES = [path for layer in LAYERS for path in sorted((ROOT / layer).rglob("*.py"))]
PURE = {
    "eventstore": {"journal", "merge", "digest", "record", "batch", "compact", "memo"},
    "projections": {
        "job", "jobspec", "usualspec", "jsonpath", "jsontext", "resources", "fold", "answer",
        "hostlist", "idset", "constraint", "match", "reach", "plan", "spans", "pick",
    },
    "joblist": {"jansson", "payload", "requests", "errors"},
}  # fmt: skip
IMPURE = {"apsw", "flux", "time", "datetime", "random", "os", "pathlib", "socket"}


def imported(path: Path) -> list[tuple[str, bool]]:
    """Return what a file imports, absolute, and whether on its top level."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    package = path.relative_to(ROOT).parent.parts
    found = []
    for node in ast.walk(tree):
        top = node in tree.body
        if isinstance(node, ast.Import):
            found += [(alias.name, top) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            parts = [*base, *([node.module] if node.module else [])]
            names = [".".join([*parts, alias.name]) for alias in node.names]
            found += [(name, top) for name in names]
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_is_as_the_house_wants_it(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    layer = path.relative_to(ROOT).parts[0]
    above = LAYERS[LAYERS.index(layer) + 1 :]
    roots = [(name.split(".")[0], top) for name, top in imported(path)]
    assert not [name for name, _ in roots if name in above]
    assert not [name for name, top in roots if name == "flux" and top]
    if path.stem in PURE.get(layer, ()):
        assert not {name for name, _ in roots} & IMPURE
    assert ast.get_docstring(ast.parse(text))
    assert len(text.splitlines()) <= 400
    assert "SPDX-License-Identifier: LGPL-3.0" in text.splitlines()[0]


def test_pure_files_import_pure_files_only() -> None:
    pure = {f"{layer}.{name}" for layer, names in PURE.items() for name in names}
    for layer, names in PURE.items():
        for name in names:
            for wanted, top in imported(ROOT / layer / f"{name}.py"):
                module = ".".join(wanted.split(".")[:2])
                if wanted.split(".")[0] in LAYERS and top:
                    assert module in pure, (layer, name, wanted)


def test_flux_is_imported_in_two_files_at_most() -> None:
    users = {
        path for path in FILES for name, _ in imported(path) if name.split(".")[0] == "flux"
    }
    assert len(users) <= 2


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
