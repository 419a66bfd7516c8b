# SPDX-License-Identifier: LGPL-3.0
"""The mutants of a file: each is the whole source with one change."""

from __future__ import annotations

import ast
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import MutationVisitor
from cosmic_ray.plugins import get_operator

from tests.mutants.operators import COSMIC_RAY, Change, changes

__all__ = ["Mutant", "mutants", "statement_lines"]


class Mutant(NamedTuple):
    """A changed file. ``original`` and ``mutated`` are the changed lines, stripped.

    ``lines`` are those of the statement that is changed (its head, where it has a body).
    """

    file: str  # relative to the checkout
    lines: range
    operator: str
    original: str
    mutated: str
    code: str


def mutants(root: Path, file: str) -> list[Mutant]:
    """Return the mutants of a file; those that do not compile are left out.

    So are changes within annotations, decorators, ``__all__`` and blocks for type checkers.
    """
    source = (root / file).read_text("utf-8")
    tree = ast.parse(source)
    skipped = [_span(node) for node in _unevaluated(tree)]
    found: dict[str, Mutant] = {}
    for operator, start, code in (*_cosmic_ray(source), *_own(source, tree)):
        if any(first <= start < last for first, last in skipped) or not _compiles(code):
            continue
        before, after = _difference(source, code)
        lines = statement_lines(tree, start[0])
        found.setdefault(code, Mutant(file, lines, operator, before, after, code))
    found.pop(source, None)
    return sorted(found.values(), key=lambda mutant: mutant.lines.start)


def _cosmic_ray(source: str) -> Iterator[tuple[str, tuple[int, int], str]]:
    """Yield operator, (line, column) and mutated source."""
    tree = get_ast(source)
    kept = pickle.dumps(tree)  # a mutation changes the tree, and parsing takes longer
    nodes = [node for node in ast_nodes(tree) if not _is_marker(node)]
    for name in COSMIC_RAY:
        operator = get_operator(name)()
        places = [place for node in nodes for place in operator.mutation_positions(node)]
        for occurrence, (start, _) in enumerate(places):
            visitor = _Visitor(occurrence, operator)
            code = visitor.walk(pickle.loads(kept)).get_code()
            yield name.removeprefix("core/"), start, code


class _Visitor(MutationVisitor):  # type: ignore[misc]
    """Applies one mutation; does not count markers."""

    def visit(self, node: Any) -> Any:
        return node if _is_marker(node) else super().visit(node)


def _is_marker(node: Any) -> bool:
    """Whether this is the star in a signature: cosmic-ray takes it for a multiplication."""
    return node.type == "operator" and node.parent.type in {"parameters", "param"}


def _own(source: str, tree: ast.Module) -> Iterator[tuple[str, tuple[int, int], str]]:
    lines = source.encode().splitlines(keepends=True)
    for change in changes(tree):
        yield change.operator, change.start, _changed(lines, change)


def _changed(lines: list[bytes], change: Change) -> str:
    (first, start), (last, end) = change.start, change.end
    head, tail = lines[first - 1][:start], lines[last - 1][end:]
    text = head + change.text.encode() + tail
    return b"".join([*lines[: first - 1], text, *lines[last:]]).decode()


def _compiles(code: str) -> bool:
    try:
        compile(code, "mutant", "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        return False
    return True


def _unevaluated(tree: ast.Module) -> Iterator[ast.AST]:
    """Yield what has no effect at run time, or none that tests could see."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield from node.decorator_list  # sizes of caches, mostly
            if node.returns is not None:
                yield node.returns
        elif isinstance(node, (ast.arg, ast.AnnAssign)) and node.annotation is not None:
            yield node.annotation
        elif (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING") or (
            isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
        ):
            yield node


def _span(node: ast.AST) -> tuple[tuple[int, int], tuple[int, int]]:
    assert isinstance(node, (ast.stmt, ast.expr))
    end = (node.end_lineno or node.lineno, node.end_col_offset or 0)
    return (node.lineno, node.col_offset), end


def statement_lines(tree: ast.Module, line: int) -> range:
    """Return the lines of the innermost statement at a line, without its body."""
    found = range(line, line + 1)
    for node in ast.walk(tree):  # outer statements come before inner ones
        if isinstance(node, ast.stmt) and node.lineno <= line <= (node.end_lineno or 0):
            body = getattr(node, "body", None)
            end = body[0].lineno if body else (node.end_lineno or node.lineno) + 1
            if line < max(end, node.lineno + 1):
                found = range(node.lineno, max(end, node.lineno + 1))
    return found


def _difference(source: str, code: str) -> tuple[str, str]:
    """Return the lines that differ, before and after."""
    before, after = source.splitlines(), code.splitlines()
    while before and after and before[0] == after[0]:
        del before[0], after[0]
    while before and after and before[-1] == after[-1]:
        del before[-1], after[-1]
    return _stripped(before), _stripped(after)


def _stripped(lines: list[str]) -> str:
    return "\n".join(line.strip() for line in lines if line.strip())
