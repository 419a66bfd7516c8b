# SPDX-License-Identifier: LGPL-3.0
"""Tries mutants in forks of a process that has imported the project and collected the tests.

A mutant of a function is put in place by replacing the code of the functions that were made
from it: that takes no time, while importing the project again takes longer than most tests.
Code that runs when the project is imported cannot be replaced so: ``executor`` tries those
mutants.
"""

from __future__ import annotations

import gc
import json
import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import CodeType, FunctionType
from typing import NamedTuple

import pytest

from tests.mutants.executor import Result, Task, allow, limit, run
from tests.mutants.selection import OPTIONS, forked, prepared

__all__ = ["Pair", "differing", "serve"]

_OPTIMIZED = 1  # flag of code that is a function's, not a class's or a module's
_Place = tuple[str, int, str]


class Pair(NamedTuple):
    """The code of a function, as it is and as the mutant has it."""

    old: CodeType
    new: CodeType


def differing(old: CodeType, new: CodeType) -> list[Pair] | None:
    """Return the functions of a module that differ; None where more than functions differ."""
    if not _alike(old, new):
        return None
    found: list[Pair] = []
    for one, other in zip(_nested(old), _nested(new), strict=True):
        if one.co_flags & _OPTIMIZED:
            found += _functions(one, other)
            continue
        inner = differing(one, other)
        if inner is None:
            return None
        found += inner
    return found


def _functions(old: CodeType, new: CodeType) -> Iterator[Pair]:
    """Yield a function, and those within it: these may live already, if they are closures."""
    if _same(old, new):
        return
    yield Pair(old, new)
    inner, others = _nested(old), _nested(new)
    if len(inner) == len(others):
        for one, other in zip(inner, others, strict=True):
            yield from _functions(one, other)


def _nested(code: CodeType) -> list[CodeType]:
    return [const for const in code.co_consts if isinstance(const, CodeType)]


def _alike(old: CodeType, new: CodeType) -> bool:
    """Whether codes are the same but for nested ones and for the lines that they are on."""
    return len(_nested(old)) == len(_nested(new)) and _facts(old) == _facts(new)


def _same(old: CodeType, new: CodeType) -> bool:
    return _alike(old, new) and all(map(_same, _nested(old), _nested(new)))


def _facts(code: CodeType) -> tuple[object, ...]:
    # repr: 0, 0.0 and False are equal, and are different constants.
    consts = [repr(const) for const in code.co_consts if not isinstance(const, CodeType)]
    names = (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
    counts = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags)
    return code.co_code, consts, names, counts, getattr(code, "co_exceptiontable", b"")


def serve(
    root: Path, files: Sequence[str], tasks: Sequence[Task], out: Path, workers: int
) -> Iterator[tuple[int, Result | None]]:
    """Try mutants; yields the number of each task with its result.

    The result is None where code that runs at import would have to be replaced. ``files`` are
    the test files of all tasks.
    """
    if not files:
        yield from ((n, Result(task.mutant, "untested")) for n, task in enumerate(tasks))
        return
    ours, theirs = os.pipe()
    pid = forked(partial(_server, root, files, tasks, workers, theirs), out / "server.log")
    os.close(theirs)
    try:
        with os.fdopen(ours, encoding="utf-8") as lines:
            for line in lines:
                number, outcome, by = json.loads(line)
                mutant = tasks[number].mutant
                yield number, None if outcome is None else Result(mutant, outcome, by)
    except BaseException:
        os.kill(pid, signal.SIGTERM)
        os.waitpid(pid, 0)
        raise
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if status:
        raise RuntimeError(f"the forking process ended with status {status}: {out}/server.log")


def _server(
    root: Path, files: Sequence[str], tasks: Sequence[Task], workers: int, pipe: int
) -> int:
    prepared(root)
    server = _Server(root, tasks, workers, pipe)
    return int(pytest.main([*files, *OPTIONS, "--capture=no"], plugins=[server]))


class _Server:
    """A pytest plugin: takes the place of running all tests once."""

    def __init__(self, root: Path, tasks: Sequence[Task], workers: int, pipe: int) -> None:
        self._root = root
        self._tasks = tasks
        self._workers = workers
        self._pipe = pipe
        self._codes: dict[str, CodeType] = {}

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        functions = _functions_of({str(self._root / task.mutant.file) for task in self._tasks})
        pairs = [self._pairs(task, functions) for task in self._tasks]
        gc.freeze()
        items = {item.nodeid: item for item in session.items}
        warm = [n for n, found in enumerate(pairs) if found]
        for number in range(len(pairs)):
            if not pairs[number]:
                self._say(number, None, "")
        children = (self._tasks[number] for number in warm)
        numbers = {id(self._tasks[number].mutant): number for number in warm}

        def try_(task: Task, said: Path) -> int:
            found = pairs[numbers[id(task.mutant)]] or []
            return _try(session, items, functions, found, task, said)

        for result in run(children, self._workers, try_):
            self._say(numbers[id(result.mutant)], result.outcome, result.by)
        return True

    def _pairs(self, task: Task, functions: Mapping[_Place, list[FunctionType]]) -> list[Pair]:
        """Return what to replace, for a mutant that can be put in place so; else nothing."""
        path = str(self._root / task.mutant.file)
        if path not in self._codes:
            source = Path(path).read_text("utf-8")
            self._codes[path] = compile(source, path, "exec", dont_inherit=True)
        new = compile(task.mutant.code, path, "exec", dont_inherit=True)
        pairs = differing(self._codes[path], new) or []
        alive = any(_place(pair.old) in functions for pair in pairs)
        same = all(pair.old.co_freevars == pair.new.co_freevars for pair in pairs)
        return pairs if alive and same else []

    def _say(self, number: int, outcome: str | None, by: str) -> None:
        os.write(self._pipe, (json.dumps([number, outcome, by]) + "\n").encode())


def _functions_of(paths: set[str]) -> dict[_Place, list[FunctionType]]:
    found: dict[_Place, list[FunctionType]] = {}
    for function in gc.get_objects():
        if type(function) is FunctionType and function.__code__.co_filename in paths:
            found.setdefault(_place(function.__code__), []).append(function)
    return found


def _place(code: CodeType) -> _Place:
    return code.co_filename, code.co_firstlineno, code.co_name


def _try(
    session: pytest.Session,
    items: Mapping[str, pytest.Item],
    functions: Mapping[_Place, list[FunctionType]],
    pairs: Sequence[Pair],
    task: Task,
    said: Path,
) -> int:
    """Run a mutant's tests in this process, which is a fork; returns 1 where one fails."""
    limit()
    os.environ["PYTEST_DEBUG_TEMPROOT"] = str(said)
    for old, new in pairs:
        for function in functions.get(_place(old), ()):
            function.__code__ = new
    chosen = [items[test] for test in task.tests]
    for item, following in zip(chosen, [*chosen[1:], None], strict=True):
        allow(task, item.nodeid)
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if session.testsfailed:
            (said / "by").write_text(item.nodeid, "utf-8")
            return 1
    return 0
