# SPDX-License-Identifier: LGPL-3.0
"""Runs tests on mutants, each mutant in a forked process of its own, with a limit of time.

``try_cold`` imports the project with the mutant in place of one file, which the forked process
must not have imported. ``warm`` has a quicker way for most mutants.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import math
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from importlib.util import spec_from_file_location
from pathlib import Path
from types import CodeType, ModuleType
from typing import NamedTuple

import pytest

from tests.mutants.mutations import Mutant
from tests.mutants.selection import OPTIONS, forked, prepared

__all__ = ["Result", "Task", "allow", "limit", "run", "try_cold"]

_FACTOR = 5.0
"""A test has so many times the processor time that it took without a mutant."""
_MEMORY = 4 * 2**30  # bytes; a mutant may collect without end
_WALL = 8.0
"""Times the processor time: what a mutant may take that waits for ever."""
_POLL = 0.005


_KILLERS, _QUICK = 2, 1.0  # tests that are tried first: how many, and their seconds at most


class Task(NamedTuple):
    """A mutant, and the tests to run in this order, with the processor seconds they took.

    ``least`` is how many seconds they may take in any case: the first test that uses what
    several share, a fixture or a cache, has to make it.
    """

    mutant: Mutant
    tests: dict[str, float]
    least: float

    def seconds(self, upto: str | None = None) -> float:
        """Return the processor seconds that a mutant may take, up to the end of a test."""
        found = self.least
        for test, seconds in self.tests.items():
            found += _FACTOR * seconds
            if test == upto:
                break
        return found


class Result(NamedTuple):
    """``outcome``: killed, timeout, survived, or untested: no test runs it; ``by``: a test."""

    mutant: Mutant
    outcome: str
    by: str = ""


class _Child(NamedTuple):
    task: Task
    said: Path
    ends: float


def run(
    tasks: Iterable[Task], workers: int, try_: Callable[[Task, Path], int]
) -> Iterator[Result]:
    """Try mutants in forks, several at a time; yields results as they come.

    ``try_`` runs the tests of a task in the fork; it returns 0 where all pass, and writes the
    first that fails to the file ``by`` of the folder that it is given.
    """
    scratch = Path(tempfile.mkdtemp(prefix="mutants-"))
    killers: deque[tuple[str, str]] = deque(maxlen=_KILLERS)
    children: dict[int, _Child] = {}
    waiting = iter(tasks)
    try:
        while True:
            while len(children) < workers and (task := next(waiting, None)) is not None:
                if not task.tests:
                    yield Result(task.mutant, "untested")
                    continue
                task = _likely_first(task, killers)
                said = Path(tempfile.mkdtemp(dir=scratch))
                children[forked(partial(try_, task, said), None)] = _Child(
                    task, said, time.monotonic() + _WALL * task.seconds()
                )
            if not children:
                return
            for result in _ended(children):
                killer = result.mutant.file, result.by
                if result.by and killer not in killers:
                    killers.append(killer)
                yield result
            time.sleep(_POLL)
    finally:
        for pid in children:
            _kill(pid)
            os.waitpid(pid, 0)
        shutil.rmtree(scratch, ignore_errors=True)


def _likely_first(task: Task, killers: Iterable[tuple[str, str]]) -> Task:
    """Have the tests run first that killed other mutants of the file, if they are quick."""
    first = [
        test
        for file, test in killers
        if file == task.mutant.file and task.tests.get(test, _QUICK) < _QUICK
    ]
    order = dict.fromkeys((*reversed(first), *task.tests))
    return task._replace(tests={test: task.tests[test] for test in order})


def _ended(children: dict[int, _Child]) -> Iterator[Result]:
    for pid, (task, said, ends) in list(children.items()):
        late = time.monotonic() > ends
        if late:
            _kill(pid)
        ended, status = os.waitpid(pid, 0 if late else os.WNOHANG)
        if not ended:
            continue
        _kill(pid)  # what the child has started
        del children[pid]
        by = said / "by"
        test = by.read_text("utf-8") if by.exists() else ""
        shutil.rmtree(said, ignore_errors=True)
        if late:
            yield Result(task.mutant, "timeout")
        elif status == 0:
            yield Result(task.mutant, "survived")
        elif os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU:
            yield Result(task.mutant, "timeout")
        else:
            yield Result(task.mutant, "killed", test or "import")


def limit() -> None:
    """Let this process have no more memory than a mutant may need."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def allow(task: Task, test: str | None, used: float = 0.0) -> None:
    """Let this process have the processor time of the tests up to one; None: of all.

    A mutant that loops without end is noticed in the first test that it loops in. ``used``
    are the seconds that went before the first test.
    """
    _, most = resource.getrlimit(resource.RLIMIT_CPU)
    soft = math.ceil(used + task.seconds(test))
    resource.setrlimit(resource.RLIMIT_CPU, (soft, most))


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def try_cold(root: Path, task: Task, said: Path) -> int:
    """Import the project with the mutant and run its tests; returns 0 if all pass."""
    limit()
    allow(task, None)
    prepared(root)
    sys.meta_path.insert(0, _Finder(root, task.mutant))
    files = list(dict.fromkeys(test.split("::")[0] for test in task.tests))
    chosen = _Chosen(task, said / "by")
    basetemp = f"--basetemp={said / 'tmp'}"
    return int(pytest.main([*files, *OPTIONS, basetemp], plugins=[chosen]))


class _Chosen:
    """A pytest plugin: runs the chosen tests only, in their order; notes the first failure."""

    def __init__(self, task: Task, said: Path) -> None:
        self._rank = {test: number for number, test in enumerate(task.tests)}
        self._task = task
        self._said = said
        self._used = 0.0

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        self._used = time.process_time()
        items[:] = sorted(
            (item for item in items if item.nodeid in self._rank),
            key=lambda item: self._rank[item.nodeid],
        )

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        allow(self._task, item.nodeid, self._used)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and not self._said.exists():
            self._said.write_text(report.nodeid, "utf-8")


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the mutated module, and no other."""

    def __init__(self, root: Path, mutant: Mutant) -> None:
        parts = Path(mutant.file).with_suffix("").parts
        self._name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        self._path = str(root / mutant.file)
        self._code = mutant.code

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        del path, target
        if fullname != self._name:
            return None
        loader = _Loader(fullname, self._path, self._code)
        return spec_from_file_location(fullname, self._path, loader=loader)


class _Loader(importlib.machinery.SourceFileLoader):
    def __init__(self, name: str, path: str, code: str) -> None:
        super().__init__(name, path)
        self._code = code

    def get_code(self, fullname: str) -> CodeType:
        del fullname
        return compile(self._code, self.path, "exec", dont_inherit=True)
