# SPDX-License-Identifier: LGPL-3.0
"""Which tests hold which lines: those that ``tests.toml`` names, as far as coverage shows.

The tests run once, without a mutant, with coverage.py's contexts; all must pass. A mutant is
then tried by those that run its statement, the quickest first, up to a budget of seconds.
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import coverage
import pytest

from tests.mutants.mutations import Mutant

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["OPTIONS", "Coverage", "Map", "files_of", "forked", "measured", "prepared"]

OPTIONS = [
    "-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:randomly",
    # hypothesis is imported before pytest starts
    "-W", "ignore::pytest.PytestAssertRewriteWarning",
]  # fmt: skip


class Map(NamedTuple):
    """Which test paths hold which source paths; the longest source path that matches counts."""

    tests: dict[str, list[str]]

    @classmethod
    def read(cls, path: Path) -> Map:
        """Read a TOML file: SOURCE = [TEST, ...], paths of files or folders."""
        with path.open("rb") as file:
            return cls(tomllib.load(file))

    def of(self, tests: list[str]) -> Map:
        """Return the same sources with other tests, if there are any."""
        return Map(dict.fromkeys(self.tests, tests)) if tests else self

    def tests_of(self, source: str) -> list[str]:
        """Return the test paths for a source file; ValueError where there are none."""
        found = [path for path in self.tests if _within(source, path)]
        if not found:
            raise ValueError(f"{source}: no tests are named for it")
        return self.tests[max(found, key=len)]

    def sources(self, root: Path) -> list[str]:
        """Return all source files that have tests."""
        files = {
            file.relative_to(root).as_posix()
            for path in self.tests
            for file in ([root / path] if path.endswith(".py") else (root / path).rglob("*.py"))
        }
        return sorted(files)


def _within(file: str, path: str) -> bool:
    return file == path or file.startswith(path.rstrip("/") + "/")


class Coverage(NamedTuple):
    """``lines``: file -> line -> the tests that run it, "" for imports; test -> seconds.

    ``budget``: the processor seconds, as the run without mutants took them, that one mutant
    is tried for at most.
    """

    lines: dict[str, dict[int, set[str]]]
    seconds: dict[str, float]
    budget: float

    def is_imported(self, mutant: Mutant) -> bool:
        """Whether the mutant's statement is run when the project is imported."""
        lines = self.lines.get(mutant.file, {})
        return any("" in lines.get(line, ()) for line in mutant.lines)

    def tests_of(self, mutant: Mutant, paths: Sequence[str]) -> list[str]:
        """Return the tests among ``paths`` that run the mutant's statement, quickest first.

        For a statement that runs at import, these are all tests that run anything of the file,
        and then the others: they may use its constants.
        """
        lines = self.lines.get(mutant.file, {})
        if not self.is_imported(mutant):
            return self._affordable(
                set().union(*(lines.get(n, ()) for n in mutant.lines)), paths
            )
        users = set().union(*lines.values())
        return [
            *self._affordable(users, paths),
            *self._affordable(self.seconds.keys() - users, paths),
        ]

    def _affordable(self, tests: Set[str], paths: Sequence[str]) -> list[str]:
        named = [
            test
            for test in tests - {""}
            if any(_within(test.split("::")[0], path) for path in paths)
        ]
        found: list[str] = []
        spent = 0.0
        for test in sorted(named, key=self.seconds.__getitem__):
            spent += self.seconds[test]
            if found and spent > self.budget:
                break
            found.append(test)
        return found


def measured(
    root: Path,
    files: Sequence[str],
    paths: Sequence[str],
    out: Path,
    *,
    workers: int,
    budget: float,
) -> Coverage:
    """Run the tests without a mutant, in forked processes; RuntimeError where one fails."""
    tests = files_of(root, paths)
    shares = [share for share in (tests[n::workers] for n in range(workers)) if share]
    children = []
    for number, share in enumerate(shares):
        name = out / f"coverage-{number}"
        children.append(
            forked(partial(_child, root, files, share, name), name.with_suffix(".log"))
        )
    statuses = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]
    parts = []
    for number, status in enumerate(statuses):
        if status:
            log = out / f"coverage-{number}.log"
            named = [line for line in log.read_text("utf-8").splitlines() if "FAILED " in line]
            raise RuntimeError("\n".join([f"tests fail without a mutant: see {log}", *named]))
        parts.append(json.loads((out / f"coverage-{number}.json").read_text("utf-8")))
    return _joined(parts, budget)


def prepared(root: Path) -> None:
    """Let this process import the checkout's code, and leave no bytecode of it."""
    os.chdir(root)
    sys.path.insert(0, str(root))
    sys.dont_write_bytecode = True


def forked(function: Callable[[], int], log: Path | None) -> int:
    """Run a function in a child, in a process group of its own; returns the process's id.

    What it prints goes to ``log``. The child ends with the function's result as its status.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        return pid
    status = 70  # an error of this program
    try:
        os.setpgid(0, 0)
        target = os.open(log or os.devnull, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o644)
        for number in (0, 1, 2):
            os.dup2(target, number)
        status = function()
    except BaseException:
        traceback.print_exc()
        raise
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def files_of(root: Path, paths: Iterable[str]) -> list[str]:
    """Return the test files of paths."""
    found: set[str] = set()
    for path in paths:
        files = [root / path] if path.endswith(".py") else (root / path).rglob("test_*.py")
        found |= {file.relative_to(root).as_posix() for file in files}
    return sorted(found)


def _joined(parts: list[dict[str, Any]], budget: float) -> Coverage:
    lines: dict[str, dict[int, set[str]]] = {}
    seconds: dict[str, float] = {}
    for part in parts:
        seconds |= part["seconds"]
        for file, by_line in part["lines"].items():
            for line, tests in by_line.items():
                lines.setdefault(file, {}).setdefault(int(line), set()).update(tests)
    return Coverage(lines, seconds, budget)


class _Contexts:
    """A pytest plugin that says which test runs, and takes its time."""

    def __init__(self, tracer: coverage.Coverage) -> None:
        self._tracer = tracer
        self.seconds: dict[str, float] = {}

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self._tracer.switch_context(item.nodeid)
        started = time.process_time()
        yield
        self.seconds[item.nodeid] = time.process_time() - started
        self._tracer.switch_context("")


def _child(root: Path, files: Sequence[str], tests: Sequence[str], out: Path) -> int:
    prepared(root)
    tracer = coverage.Coverage(
        data_file=None, config_file=False, include=[str(root / file) for file in files]
    )
    contexts = _Contexts(tracer)
    tracer.start()
    options = [option for option in OPTIONS if option != "-x"]
    status = int(pytest.main([*tests, *options], plugins=[contexts]))
    tracer.stop()
    if status:
        return status
    data = tracer.get_data()
    found = {
        Path(file).relative_to(root).as_posix(): data.contexts_by_lineno(file)
        for file in data.measured_files()
    }
    part = {"lines": found, "seconds": contexts.seconds}
    out.with_suffix(".json").write_text(json.dumps(part), "utf-8")
    return 0
