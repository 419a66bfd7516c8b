# SPDX-License-Identifier: LGPL-3.0
"""A VFS whose calls fail: each in turn, once or until it is repaired.

``python -m tests.reliability.torture.faults`` fails every call;
tests/reliability/test_io_errors.py some.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import apsw

from eventstore.errors import StoreError
from eventstore.ingest.writer import Writer
from eventstore.storage.connection import Store
from projections.engine.rebuild import rebuild
from tests.reliability.torture.report import Line, report
from tests.reliability.torture.workload import (
    batches,
    contents,
    count,
    fault,
    later,
    opened,
    remove,
)

_IOERR = apsw.SQLITE_IOERR
KINDS = ("EIO", "ENOSPC", "short write")
"""What a failing call does: report an I/O error, a full disk, or that after half a write.
Calls that cannot find a disk full report an I/O error instead."""


_ExceptHook = Callable[[type[BaseException], BaseException, Any], Any]
_UnraisableHook = Callable[[Any], Any]


class Faults:
    """Which call fails, counting from 1; 0: none. ``lasting``: and all writes after it."""

    def __init__(self, kind: str, target: int = 0, *, lasting: bool = False) -> None:
        self.kind = kind
        self.target = target
        self.lasting = lasting
        self.calls = 0
        self.failed = 0

    def due(self, *, writing: bool) -> bool:
        self.calls += 1
        hit = self.calls == self.target
        after = self.lasting and writing and 0 < self.target < self.calls
        self.failed += hit or after
        return hit or after

    def mend(self) -> None:
        self.target = 0


class _File(apsw.VFSFile):
    def excepthook(self, *_: object) -> bool:
        """Report the error to SQLite only, and do not print it."""
        return True

    def __init__(self, faults: Faults, base: str, name: Any, flags: list[int]) -> None:
        self._faults = faults
        super().__init__(base, name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        if self._faults.due(writing=True):
            if self._faults.kind == "EIO":
                raise _error(apsw.SQLITE_IOERR_WRITE)
            if self._faults.kind == "short write":
                super().xWrite(bytes(data)[: len(data) // 2], offset)
            raise _injected(apsw.FullError("no space left on device"))
        super().xWrite(data, offset)

    def xRead(self, amount: int, offset: int) -> bytes:  # noqa: N802
        if self._faults.due(writing=False):
            raise _error(apsw.SQLITE_IOERR_READ)
        return super().xRead(amount, offset)

    def xTruncate(self, newsize: int) -> None:  # noqa: N802
        if self._faults.due(writing=True):
            raise _error(apsw.SQLITE_IOERR_TRUNCATE)
        super().xTruncate(newsize)

    def xSync(self, flags: int) -> None:  # noqa: N802
        if self._faults.due(writing=True):
            raise _error(apsw.SQLITE_IOERR_FSYNC)
        super().xSync(flags)


class _Disk(apsw.VFS):
    def excepthook(self, *_: object) -> bool:
        """Report the error to SQLite only, and do not print it."""
        return True

    def __init__(self, faults: Faults, name: str) -> None:
        self._faults = faults
        self._base = apsw.vfs_names()[0]
        super().__init__(name, self._base, makedefault=True)

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:  # noqa: N802
        if self._faults.due(writing=False):
            raise _injected(apsw.CantOpenError("too many open files"))
        return _File(self._faults, self._base, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802
        if self._faults.due(writing=True):
            raise _error(apsw.SQLITE_IOERR_DELETE)
        super().xDelete(filename, syncdir)


def _error(extended: int) -> Exception:
    error = apsw.IOError("the disk does not answer")
    error.extendedresult = extended  # type: ignore[attr-defined]
    return _injected(error)


def _injected(error: Exception) -> Exception:
    error.injected = True  # type: ignore[attr-defined]
    return error


@contextmanager
def failing(faults: Faults) -> Iterator[None]:
    """Put databases that are opened meanwhile on a disk with these faults."""
    disk = _Disk(faults, f"failing-{id(faults)}")
    hooks = sys.excepthook, sys.unraisablehook
    sys.excepthook, sys.unraisablehook = _quiet(*hooks)
    try:
        yield
    finally:
        sys.excepthook, sys.unraisablehook = hooks
        disk.unregister()


def _quiet(
    raised: _ExceptHook, unraisable: _UnraisableHook
) -> tuple[_ExceptHook, _UnraisableHook]:
    """Return hooks that are silent about injected errors.

    APSW reports a callback's error by them where SQLite carries on in spite of it.
    """

    def except_(kind: type[BaseException], error: BaseException, trace: Any) -> Any:
        if not hasattr(error, "injected"):
            raised(kind, error, trace)

    def unraisable_(found: Any) -> Any:
        if not hasattr(found.exc_value, "injected"):
            unraisable(found)

    return except_, unraisable_


class Session:
    """A writer that retries failed steps, with the store open or after opening it again."""

    def __init__(self, path: str, faults: Faults, *, restart: bool) -> None:
        self._path = path
        self._faults = faults
        self._restart = restart
        self._store: Store | None = None
        self.acknowledged = 0
        self.errors: list[str] = []

    def run(self, parts: list[list[bytes]]) -> None:
        """Run the workload to its end; after a restart from the beginning."""
        while not self._run_once(parts):
            self._close()
        self._close()

    def _run_once(self, parts: list[list[bytes]]) -> bool:
        if not self._try(self._open):
            return False
        steps: list[Callable[[], object]] = [self._start]
        steps += [lambda part=part: self._append(part) for part in parts]  # type: ignore[misc]
        steps += [lambda: rebuild(self._views, chunk=100), self._end]
        for step in steps:
            while not self._try(step):
                if self._restart:
                    return False
        return True

    def _try(self, step: Callable[[], object]) -> bool:
        try:
            step()
        except StoreError as error:
            assert "\n" not in str(error)
            self.errors.append(str(error))
            self._faults.mend()
            if self._store is not None:
                assert self._store.db.in_transaction is False
                there = count(self._store)
                assert self.acknowledged <= there, f"{self.acknowledged} - {there} are gone"
            return False
        return True

    def _open(self) -> None:
        self._store, self._views = opened(self._path, "full")

    def _start(self) -> None:
        self._writer = Writer(self._store_, "journal", self._views)

    def _end(self) -> None:
        self._writer.close()

    def _append(self, part: list[bytes]) -> None:
        self.acknowledged += self._writer.append(part).new

    @property
    def _store_(self) -> Store:
        assert self._store is not None
        return self._store

    def _close(self) -> None:
        store, self._store = self._store, None
        if store is not None:
            try:
                store.close()
            except StoreError as error:
                self.errors.append(str(error))


class Tried(NamedTuple):
    """The number of runs, of those that reported an error, and the distinct messages."""

    runs: int
    reported: int
    messages: set[str]


def calls_of(folder: Path, jobs: int) -> int:
    """Return how many calls the workload makes on a disk without faults."""
    faults = Faults("EIO")
    path = str(folder / "count.sqlite")
    with failing(faults):
        Session(path, faults, restart=False).run(workload(jobs))
    return faults.calls


def workload(jobs: int) -> list[list[bytes]]:
    """Return the batches that are appended."""
    return [*batches(jobs, 40), later(2)]


def try_calls(folder: Path, jobs: int, targets: list[int], kinds: tuple[str, ...]) -> Tried:
    """Fail each of the calls in each way; raises AssertionError where anything is lost."""
    parts = workload(jobs)
    reference = str(folder / "reference.sqlite")
    Session(reference, Faults("EIO"), restart=False).run(parts)
    expected = contents(reference)
    runs = reported = 0
    messages = set()
    for kind in kinds:
        for number, target in enumerate(targets):
            restart, lasting = number % 2 == 0, number % 4 < 2
            errors = _try_call(folder, parts, Faults(kind, target, lasting=lasting), expected,
                               restart=restart)  # fmt: skip
            runs += 1
            reported += bool(errors)
            messages |= {error.split(": ", 1)[1] for error in errors}
    return Tried(runs, reported, messages)


def _try_call(
    folder: Path,
    parts: list[list[bytes]],
    faults: Faults,
    expected: dict[str, list[tuple[object, ...]]],
    *,
    restart: bool,
) -> list[str]:
    path = str(folder / "failing.sqlite")
    where = f"{faults.kind} at call {faults.target}, restart={restart} lasting={faults.lasting}"
    session = Session(path, faults, restart=restart)
    try:
        with failing(faults):
            session.run(parts)
        store, _ = opened(path)
        with store:
            found = fault(store)
            assert found is None, found
        assert expected == contents(path)
    except Exception as error:
        raise AssertionError(f"{where}: {error}") from error
    finally:
        remove(path)
    return session.errors


def main() -> None:
    """Fail every call, or every n-th, in every way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=12)
    parser.add_argument("--step", type=int, default=1, help="fail every n-th call")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        calls = calls_of(folder, options.jobs)
        targets = list(range(1, calls + 1, options.step))
        tried = try_calls(folder, options.jobs, targets, KINDS)
    figures = (
        f"{len(targets):,} of {calls:,} calls failed in {len(KINDS)} ways; "
        f"{tried.reported:,} runs reported it; nothing lost, nothing stored twice"
    )
    report(Line("I/O errors", "runs", tried.runs, figures))


if __name__ == "__main__":
    main()
