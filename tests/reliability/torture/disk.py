# SPDX-License-Identifier: LGPL-3.0
"""A VFS that records every write, truncation, sync and deletion that SQLite asks for.

From the record, the files can be made as they might be found after the power failed at any
point of it: what had been synced is there; of what had not, all, nothing, or any sectors.
The model is that of https://www.sqlite.org/atomiccommit.html: writes may reach the platter
in any order until a sync, a sector may be written in part, and bytes outside of a write stay.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import apsw

SECTOR = 512
FATES = ("kept", "dropped", "torn")
"""What may become of unsynced writes."""


class Op(NamedTuple):
    """One call: kind 'write' (offset, data), 'truncate' (size), 'sync', or 'delete'."""

    kind: str
    file: str
    offset: int = 0
    data: bytes = b""


class Log:
    """The recorded calls, in order; files are named by the last part of their path."""

    def __init__(self) -> None:
        self.ops: list[Op] = []

    def add(self, kind: str, path: str, offset: int = 0, data: bytes = b"") -> None:
        self.ops.append(Op(kind, Path(path).name, offset, data))


class _File(apsw.VFSFile):
    def __init__(self, log: Log, base: str, name: Any, flags: list[int]) -> None:
        self._log = log
        self._path = name.filename() if isinstance(name, apsw.URIFilename) else name
        super().__init__(base, name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        super().xWrite(data, offset)
        self._note("write", offset, bytes(data))

    def xTruncate(self, newsize: int) -> None:  # noqa: N802
        super().xTruncate(newsize)
        self._note("truncate", newsize)

    def xSync(self, flags: int) -> None:  # noqa: N802
        super().xSync(flags)
        self._note("sync")

    def _note(self, kind: str, offset: int = 0, data: bytes = b"") -> None:
        if self._path is not None:  # temporary files are lost anyway
            self._log.add(kind, self._path, offset, data)


class _Disk(apsw.VFS):
    def __init__(self, log: Log, name: str) -> None:
        self._log = log
        self._base = apsw.vfs_names()[0]
        super().__init__(name, self._base, makedefault=True)

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:  # noqa: N802
        return _File(self._log, self._base, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802
        super().xDelete(filename, syncdir)
        self._log.add("delete", filename)
        if syncdir:
            self._log.add("sync", filename)


@contextmanager
def recording() -> Iterator[Log]:
    """Record the calls for databases that are opened meanwhile."""
    log = Log()
    disk = _Disk(log, f"recording-{id(log)}")
    try:
        yield log
    finally:
        disk.unregister()


class _Content:
    """A file: its durable content, and the writes that are not yet synced."""

    def __init__(self) -> None:
        self.durable: bytes | None = None
        self.pending: list[Op] = []

    def after(self, fate: str, random_: random.Random) -> bytes | None:
        if fate == "dropped":
            return self.durable
        found = self.durable
        for op in self.pending:
            if fate == "kept":
                found = _apply(found, op)
            elif op.kind == "write":
                for part in _torn(op, random_):
                    found = _apply(found, part)
            elif random_.random() < 0.5:
                found = _apply(found, op)
        return found


class Replay:
    """Replays a log up to a point; forwards only."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._files: dict[str, _Content] = {}
        self.point = 0

    def advance(self, point: int) -> None:
        """Replay the calls before the one numbered ``point``."""
        for op in self._log.ops[self.point : point]:
            file = self._files.setdefault(op.file, _Content())
            if op.kind == "sync":
                for pending in file.pending:
                    file.durable = _apply(file.durable, pending)
                file.pending = []
            else:
                file.pending.append(op)
        self.point = point

    def write(self, folder: Path, fate: str, seed: int) -> None:
        """Write the files as they may be found after a power loss at this point."""
        random_ = random.Random(f"{seed} {self.point} {fate}")
        for name, file in self._files.items():
            content = file.after(fate, random_)
            if content is not None:
                (folder / name).write_bytes(content)


def _apply(content: bytes | None, op: Op) -> bytes | None:
    if op.kind == "delete":
        return None
    found = bytearray(content or b"")
    if op.kind == "truncate":
        del found[op.offset :]
        return bytes(found)
    found.extend(bytes(max(0, op.offset - len(found))))
    found[op.offset : op.offset + len(op.data)] = op.data
    return bytes(found)


def _torn(write: Op, random_: random.Random) -> Iterator[Op]:
    """Yield the parts of a write that reached the platter: any sectors, one of them in part."""
    share = random_.random()
    start = 0
    while start < len(write.data):
        end = min(len(write.data), start + SECTOR - (write.offset + start) % SECTOR)
        if random_.random() < share:
            cut = random_.randrange(start, end) if random_.random() < 0.1 else end
            yield write._replace(offset=write.offset + start, data=write.data[start:cut])
        start = end
