# SPDX-License-Identifier: LGPL-3.0
"""Reading recorded journals: plain or gzip files, or standard input, line by line."""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Iterator

from eventstore.errors import InputError

__all__ = ["JournalFile"]

_GZIP_MAGIC = b"\x1f\x8b"
_MOST_LINES = 50_000
"""Large enough that most jobs begin and end within one batch: their states need not be kept."""
_MOST_BYTES = 16 * 2**20


class JournalFile:
    """One file of lines. ``position`` and ``size`` are in bytes of the file, for progress."""

    def __init__(self, path: str) -> None:
        self.name = path
        try:
            self._file = open(0 if path == "-" else path, "rb", closefd=path != "-")  # noqa: SIM115
            self.size = 0 if path == "-" else os.fstat(self._file.fileno()).st_size
        except OSError as error:
            raise InputError(f"{path}: {error.strerror}; name a readable file") from error

    @property
    def position(self) -> int:
        """How far the file has been read."""
        if self._file.closed:
            return self.size
        return self._file.tell() if self.size else 0

    def batches(self) -> Iterator[list[bytes]]:
        """Yield the lines without their ends, at most 50,000 lines or 16 MiB at a time.

        Raises InputError where the file cannot be read to its end (a truncated .gz), after
        yielding all that could be read.
        """
        batch: list[bytes] = []
        length = 0
        try:
            for line in self._lines():
                bare = line.rstrip(b"\n")
                if not bare.strip():
                    continue
                batch.append(bare)
                length += len(bare)
                if len(batch) >= _MOST_LINES or length >= _MOST_BYTES:
                    yield batch
                    batch, length = [], 0
        except (EOFError, zlib.error, OSError) as error:
            if batch:
                yield batch
            raise InputError(
                f"{self.name}: cannot be read to its end ({error}); what came before is "
                "stored: ingest the whole file again"
            ) from error
        finally:
            self._file.close()
        if batch:
            yield batch

    def _lines(self) -> Iterator[bytes]:
        # A pipe cannot be rewound, so look ahead in the buffer.
        zipped = self._file.peek(2)[:2] == _GZIP_MAGIC
        return iter(gzip.open(self._file, "rb") if zipped else self._file)
