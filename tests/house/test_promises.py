# SPDX-License-Identifier: LGPL-3.0
"""What the documentation promises of the code, held by reading the code."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from eventstore.storage.connection import MEMORY, create_or_open
from eventstore.storage.schema import APPEND_ONLY
from eventstore.storage.sql import fetch, script, statements
from projections.definitions.interface import schema_of
from projections.definitions.registry import installed
from projections.engine.views import Views

ROOT = Path(__file__).resolve().parents[2]
EVENTSTORE = ROOT / "eventstore"
LAYERS = ("eventstore", "projections", "joblist", "cli", "web", "lake")
SOURCES = [path for layer in LAYERS for path in sorted((ROOT / layer).rglob("*.py"))]


def tables_of_views() -> set[str]:
    """Return the tables that are there once a store has views, and not before."""
    sql = "SELECT name FROM sqlite_schema WHERE type = 'table'"
    with create_or_open(MEMORY) as store:
        before = {name for (name,) in fetch(store.db, sql)}
        Views(store)
        found = {name for (name,) in fetch(store.db, sql)} - before
    assert found >= {name for p in installed() for name in schema_of(p.schema).tables}
    return found


def texts(path: Path) -> Iterator[str]:
    """Yield an .sql file's text, or the strings of a .py file that are not docstrings."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".sql":
        yield re.sub(r"--.*", "", text)
        return
    tree = ast.parse(text)
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant) or id(node) in prose:
            continue
        if isinstance(node.value, str):
            yield node.value


def named_tables(text: str) -> set[str]:
    """Return what a text names as tables: behind SQL's key words, or as all there is of it."""
    behind = r"(?i:\b(?:from|join|into|update|table|on|exists)\s+)[\"'`\[]?(\w+)"
    return {*re.findall(behind, text), *re.findall(r"^\w+$", text.strip())}


def test_the_event_store_knows_nothing_of_views() -> None:
    views = tables_of_views()
    assert {"active", "inactive", "fold", "view"} <= views
    paths = [p for p in EVENTSTORE.rglob("*") if p.suffix in {".py", ".sql"}]
    assert len(paths) > 30
    named = [(path.name, table) for path in paths for text in texts(path)
             for table in named_tables(text) & views]  # fmt: skip
    assert named == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("SELECT job FROM active", {"active"}),
        ("select 1 from x join inactive i on i.job = x.job", {"x", "inactive", "i"}),
        ("INSERT INTO stats VALUES (1)", {"stats"}),
        ("fold", {"fold"}),
        ("the view is behind", set()),
    ],
)
def test_tables_are_found_in_texts(text: str, found: set[str]) -> None:
    assert found == named_tables(text)


def used_names(tree: ast.Module) -> set[str]:
    """Return the names in ``SQL["…"]``; a name that is computed stands for all that it fits."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript) and ast.unparse(node.value) == "SQL":
            found.add(node.slice)
    names = set()
    for index in found:
        if isinstance(index, ast.Constant):
            names.add(str(index.value))
        elif isinstance(index, ast.JoinedStr):
            parts = [p.value if isinstance(p, ast.Constant) else "*" for p in index.values]
            names.add("".join(map(str, parts)))
        else:
            names.add("*")
    return names


def test_each_statement_of_a_modules_sql_file_is_used_and_there() -> None:
    users = 0
    for path in SOURCES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        if not any(ast.unparse(node) == "SQL = statements(__file__)" for node in tree.body):
            continue
        users += 1
        there = set(statements(str(path)))
        used = used_names(tree)
        strings = {s for s in texts(path) if s.isidentifier()}
        for name in used:
            if "*" not in name:
                assert name in there, (path, name)
        patterns = [re.escape(name).replace(r"\*", ".*") for name in used if name != "*"]
        for name in there:
            known = any(re.fullmatch(pattern, name) for pattern in patterns)
            assert known or ("*" in used and name in strings), (path, name)
    assert users > 5


def test_sql_of_more_than_a_line_stands_in_sql_files() -> None:
    """In the event store: no string that begins like a statement goes over lines."""
    begins = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|CREATE|ALTER|WITH|DROP)\b")
    for path in EVENTSTORE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            text = ""
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                text = node.value
            elif isinstance(node, ast.JoinedStr):
                text = ast.unparse(node)[2:]
            if begins.match(text):
                assert node.lineno == node.end_lineno, (path, node.lineno)


def test_triggers_refuse_changes_of_all_tables() -> None:
    module = str(EVENTSTORE / "storage" / "schema.py")
    pattern = r"CREATE TRIGGER (\w+) BEFORE (\w+) ON (\w+)\s+BEGIN SELECT RAISE\(ABORT"
    found = re.findall(pattern, script(module, "triggers.sql"))
    refused = {(table, verb) for _, verb, table in found}
    assert {f"{table}_no_{verb.lower()}" for table, verb in refused} == {n for n, *_ in found}
    expected = {(table, verb) for table in APPEND_ONLY for verb in ("UPDATE", "DELETE")}
    assert expected | {("source", "DELETE")} == refused
    tables = re.findall(r"CREATE TABLE (\w+)", script(module, "schema.sql"))
    assert {*APPEND_ONLY, "source"} == set(tables)
