# SPDX-License-Identifier: LGPL-3.0
"""What is mutated: a selection of cosmic-ray's operators, and four of our own.

Most of cosmic-ray's 213 operators replace one operator by another: only the likely mistakes
among them are kept, the opposite and the boundary. Our own remove statements, remove elements
of tuples, lists and sets, and negate ``in``, for which cosmic-ray has no operators. Its
operator for exceptions fails on dotted names: ours makes a handler handle nothing instead.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import NamedTuple

__all__ = ["COSMIC_RAY", "Change", "changes"]

_BINARY = (
    "Add_Sub", "Sub_Add", "Mul_Div", "Div_Mul", "FloorDiv_Mul", "Mod_FloorDiv", "Pow_Mul",
    "LShift_RShift", "RShift_LShift", "BitOr_BitAnd", "BitAnd_BitOr", "BitXor_BitAnd",
)  # fmt: skip
_COMPARISON = (
    "Eq_NotEq", "NotEq_Eq", "Is_IsNot", "IsNot_Is", "Lt_LtE", "Lt_GtE", "LtE_Lt", "LtE_Gt",
    "Gt_GtE", "Gt_LtE", "GtE_Gt", "GtE_Lt",
)  # fmt: skip
_OTHERS = (
    "ReplaceUnaryOperator_Delete_Not", "ReplaceUnaryOperator_Delete_USub",
    "ReplaceUnaryOperator_Delete_Invert", "AddNot", "ReplaceTrueWithFalse",
    "ReplaceFalseWithTrue", "ReplaceAndWithOr", "ReplaceOrWithAnd", "ReplaceBreakWithContinue",
    "ReplaceContinueWithBreak", "NumberReplacer", "ZeroIterationForLoop",
)  # fmt: skip
COSMIC_RAY = (
    *(f"core/ReplaceBinaryOperator_{pair}" for pair in _BINARY),
    *(f"core/ReplaceComparisonOperator_{pair}" for pair in _COMPARISON),
    *(f"core/{name}" for name in _OTHERS),
)
"""Names of cosmic-ray's operators."""
_NEVER_RAISED = "StopAsyncIteration"


class Change(NamedTuple):
    """A replacement of source text: ``start`` and ``end`` are (line, column in bytes)."""

    operator: str
    start: tuple[int, int]
    end: tuple[int, int]
    text: str


def changes(tree: ast.Module) -> Iterator[Change]:
    """Yield the changes of our own operators in a file."""
    for node in ast.walk(tree):
        if _is_removable(node):
            yield _change("RemoveStatement", node, "pass")
        elif isinstance(node, ast.Compare):
            yield from _negated(node)
        elif isinstance(node, ast.ExceptHandler) and node.type is not None:
            for name in node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]:
                yield _change("ReplaceException", name, _NEVER_RAISED)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield from _shortened(node)


def _is_removable(node: ast.AST) -> bool:
    """Whether a statement is run for its effect, so that it can be left out."""
    if isinstance(node, ast.Expr):
        return isinstance(node.value, (ast.Call, ast.Yield, ast.YieldFrom, ast.Await))
    if isinstance(node, ast.Assign):
        return all(
            isinstance(target, (ast.Attribute, ast.Subscript)) for target in node.targets
        )
    return isinstance(node, (ast.AugAssign, ast.Delete, ast.Raise))


def _negated(node: ast.Compare) -> Iterator[Change]:
    if len(node.ops) != 1 or not isinstance(node.ops[0], (ast.In, ast.NotIn)):
        return
    word = "not in" if isinstance(node.ops[0], ast.In) else "in"
    left, right = ast.unparse(node.left), ast.unparse(node.comparators[0])
    yield _change("NegateIn", node, f"({left}) {word} ({right})")


def _shortened(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[Change]:
    inner = {
        nested
        for node in ast.walk(function)
        if node is not function and isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        for nested in ast.walk(node)
    }
    for statement in function.body:
        for node in ast.walk(statement):
            if node in inner or not isinstance(node, (ast.Tuple, ast.List, ast.Set)):
                continue
            if isinstance(getattr(node, "ctx", None), ast.Store) or len(node.elts) < 2:
                continue
            for number in range(len(node.elts)):
                yield _change("RemoveElement", node, _without(node, number))


def _without(node: ast.Tuple | ast.List | ast.Set, number: int) -> str:
    rest = ", ".join(ast.unparse(e) for n, e in enumerate(node.elts) if n != number)
    if isinstance(node, ast.Tuple):
        return f"({rest},)"
    return f"[{rest}]" if isinstance(node, ast.List) else f"{{{rest}}}"


def _change(operator: str, node: ast.AST, text: str) -> Change:
    assert isinstance(node, (ast.stmt, ast.expr))
    assert node.end_lineno is not None
    assert node.end_col_offset is not None
    start = (node.lineno, node.col_offset)
    return Change(operator, start, (node.end_lineno, node.end_col_offset), text)
