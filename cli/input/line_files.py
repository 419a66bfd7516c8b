# SPDX-License-Identifier: LGPL-3.0
"""Lines in batches: of files, and of pipes, whose lines are passed on as they come."""

from __future__ import annotations

import os
import select
import stat
import time
from collections.abc import Iterator

from cli.input.decompression import (
    ERRORS,
    MAGIC_SIZE,
    CannotReadError,
    Piece,
    decompressed,
)
from cli.input.stop_signals import StopSignals
from eventstore.errors import InputError

__all__ = ["LineFile"]

_MOST_LINES = 50_000
"""Large enough that most jobs begin and end within one batch: their states need not be kept."""
_MOST_BYTES = 16 * 2**20
_LONGEST = 256 * 2**20  # bytes; a longer line is cut, so that it cannot be decoded
_PIECE = 2**18  # bytes read at once; a pipe holds 64 KiB
_PATIENCE = 0.5


class LineFile:
    """One file of lines, compressed or not; ``-`` is standard input.

    ``is_regular``: all that it holds is there already. ``position`` and ``size`` are in bytes
    of the file, for progress; the size is 0 where it is not known. ``begun`` is what came of
    a line whose end did not come yet.

    What is no regular file is read as it comes: a batch ends where nothing more came for
    ``patience`` seconds, and at the latest so many seconds after it began. A signal that
    ``stop`` has noted ends the lines: all whole ones that came are in a batch.
    """

    def __init__(
        self, path: str, *, patience: float = _PATIENCE, stop: StopSignals | None = None
    ) -> None:
        self.name = path
        self.position = 0
        self.begun = bytearray()
        self._patience = patience
        self._stop = stop
        try:
            path.encode()
        except UnicodeEncodeError:
            raise InputError(f"{path!a}: its name is not UTF-8; rename it") from None
        self._open()
        found = os.fstat(self._file.fileno())
        self._identity = found.st_dev, found.st_ino
        self.is_regular = stat.S_ISREG(found.st_mode)
        self.size = found.st_size if self.is_regular else 0
        self._start = self._file.tell() if self.is_regular else 0

    def _open(self) -> None:
        path = self.name
        try:
            self._file = open(  # noqa: SIM115
                0 if path == "-" else path, "rb", buffering=0, closefd=path != "-"
            )
        except OSError as error:
            raise InputError(f"{path}: {error.strerror}; name a readable file") from error

    def _open_again(self) -> None:
        """Open a regular file that was closed; raises InputError where it is another one."""
        self._open()
        found = os.fstat(self._file.fileno())
        if (found.st_dev, found.st_ino) != self._identity:
            raise InputError(f"{self.name}: it was replaced meanwhile; give it again")

    def close(self) -> None:
        """Close the file; `batches` does that at its end."""
        self._file.close()

    def rewind(self) -> None:
        """Have a regular file read from its beginning again.

        One with a name is closed until then: there may be more of them than a process may
        have open.
        """
        if self.name == "-":
            self._file.seek(self._start)
        else:
            self.close()
        self.position = 0
        self.begun = bytearray()

    def batches(self) -> Iterator[list[bytes]]:
        """Yield the lines without their ends, at most 50,000 lines or 16 MiB at a time.

        Blank lines are passed over. Raises InputError where the file cannot be read to its
        end (a truncated .gz), after yielding all that could be read.
        """
        batch: list[bytes] = []
        length, began = 0, 0.0
        try:
            for lines in self._lines():
                if lines and not batch:
                    began = time.monotonic()
                batch += lines or ()
                length += sum(map(len, lines or ()))
                full = len(batch) >= _MOST_LINES or length >= _MOST_BYTES
                if batch and (full or lines is None or self._is_late(began)):
                    yield batch
                    batch, length = [], 0
        except ERRORS as error:
            if batch:
                yield batch
            raise InputError(
                f"{self.name}: cannot be read to its end ({error}); what came before is "
                "stored: ingest the whole file again"
            ) from error
        finally:
            self.close()
        if batch:
            yield batch

    def _is_late(self, began: float) -> bool:
        return not self.is_regular and time.monotonic() - began >= self._patience

    @property
    def _stopped(self) -> bool:
        return self._stop is not None and self._stop.number != 0

    def _lines(self) -> Iterator[list[bytes] | None]:
        """Yield whole lines that are not blank, piece by piece; None where nothing came."""
        if self._file.closed and self.is_regular:
            self._open_again()
        for piece in self._plain():
            if piece is None:
                yield None
                continue
            first, *more = piece.split(b"\n")
            self.begun += first[: _LONGEST - len(self.begun)]
            lines = []
            if more:
                lines = [bytes(self.begun), *more[:-1]]
                self.begun = bytearray(more[-1])
            yield [line for line in lines if line and not line.isspace()]
        if self.begun and not (self.begun.isspace() or self._stopped):
            yield [bytes(self.begun)]

    def _plain(self) -> Iterator[Piece]:
        """Yield the file decompressed; a signal ends it as the file's end does."""
        pieces = self._pieces()
        head = b""
        while len(head) < MAGIC_SIZE and (piece := next(pieces, b"")) != b"":
            head += piece or b""
        try:
            yield from decompressed(head, pieces)
        except CannotReadError as error:
            raise InputError(
                f"{self.name}: compressed by {error}, which this Python cannot read; "
                "decompress it, and give it to standard input"
            ) from error
        except ERRORS:
            if not self._stopped:
                raise

    def _pieces(self) -> Iterator[Piece]:
        """Yield what comes; None once where nothing comes for a while."""
        came = False
        while not self._stopped:
            if not self.is_regular and not self._wait(self._patience if came else None):
                came = False
                yield None
                continue
            if self._stopped:
                return
            piece = self._file.read(_PIECE)
            if piece is None:  # another process has set the pipe to be non-blocking
                continue
            if not piece:
                return
            self.position += len(piece)
            came = True
            yield piece

    def _wait(self, seconds: float | None) -> bool:
        """Wait for input or a signal; returns whether there is either."""
        waiting = select.poll()
        waiting.register(self._file, select.POLLIN)
        if self._stop is not None:
            waiting.register(self._stop, select.POLLIN)
        return bool(waiting.poll(None if seconds is None else seconds * 1000))
