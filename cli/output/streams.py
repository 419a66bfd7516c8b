# SPDX-License-Identifier: LGPL-3.0
"""Standard input, output and error: closed, full, without a reader, of any encoding.

`guard` is called once, before anything else. From then on,

* a closed stream is there: using it is an error of that stream, and files that are opened
  later do not get its descriptor;
* standard output that cannot be written raises `OutputFailed`, and nothing else does;
* standard error that cannot be written is ignored: it changes no result and no exit status;
* a character that the encoding lacks becomes ``?``.
"""

from __future__ import annotations

import io
import os
import sys
from errno import EPIPE
from typing import TYPE_CHECKING, TextIO

from cli.output.shown import shown

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

__all__ = ["OutputFailed", "abandon_output", "guard", "read_input", "read_text", "say"]


_STDIN, _STDOUT, _STDERR = 0, 1, 2


class OutputFailed(Exception):  # noqa: N818 - it says what happened
    """Standard output could not be written. Not an OSError: those are of other files."""

    def __init__(self, error: OSError) -> None:
        super().__init__(f"standard output: {error.strerror}; not everything was written")
        self.reader_is_gone = error.errno == EPIPE


def guard() -> None:
    """Make the three streams of this process behave as this module says."""
    for descriptor in (_STDIN, _STDOUT, _STDERR):
        _occupy(descriptor)
    if sys.stdin is None:
        sys.stdin = open(_STDIN, encoding="utf-8", closefd=False)  # noqa: SIM115
    _flushed(sys.stdout)
    sys.stdout = _text(io.BufferedWriter(_Output(_STDOUT, "wb", closefd=False)), sys.stdout)
    sys.stderr = _text(io.BufferedWriter(_Errors(_STDERR, "wb", closefd=False)), sys.stderr)


def read_input(what: str) -> bytes:
    """Return standard input to its end; raises InputError where it cannot be read."""
    from eventstore.errors import InputError  # noqa: PLC0415 - few commands read it

    try:
        return sys.stdin.buffer.read()
    except OSError as error:
        raise InputError(f"standard input: {error.strerror}; give {what} there") from error


def read_text(what: str) -> str:
    """Return standard input as text; raises InputError where it is not UTF-8, too."""
    from eventstore.errors import InputError  # noqa: PLC0415

    try:
        return read_input(what).decode()
    except UnicodeDecodeError as error:
        raise InputError(f"standard input: it is not UTF-8 ({error.reason})") from error


def say(text: str, *, err: bool = False) -> None:
    """Show one line of text, at once, with harmful characters escaped.

    Raises OutputFailed where standard output cannot be written.
    """
    if err:
        sys.stdout.flush()  # so that both are in order where they go to the same file
    stream = sys.stderr if err else sys.stdout
    stream.write(shown(text) + "\n")
    stream.flush()


def abandon_output() -> None:
    """Throw away what could not be written: Python would try again when it exits."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, _STDOUT)
    os.close(nowhere)


def _occupy(descriptor: int) -> None:
    """Open a closed descriptor for the wrong direction, so that using it is an error."""
    try:
        os.fstat(descriptor)
    except OSError:
        # The lowest free descriptor is taken: this one, as those below are open by now.
        os.open(os.devnull, os.O_RDONLY if descriptor == _STDOUT else os.O_WRONLY)


def _flushed(stream: TextIO | None) -> None:
    if stream is not None:
        stream.flush()


def _text(binary: io.BufferedWriter, old: TextIO | None) -> io.TextIOWrapper:
    """Return a text stream like the old one, but for what it does with odd characters."""
    return io.TextIOWrapper(
        binary,
        encoding=old.encoding if old is not None else "utf-8",
        errors="replace",
        line_buffering=binary.isatty(),
    )


class _Output(io.FileIO):
    """Standard output: its errors are `OutputFailed`."""

    def write(self, data: ReadableBuffer, /) -> int | None:  # type: ignore[override]
        try:
            return super().write(data)
        except OSError as error:
            raise OutputFailed(error) from error


class _Errors(io.FileIO):
    """Standard error: what cannot be written is gone."""

    def write(self, data: ReadableBuffer, /) -> int | None:  # type: ignore[override]
        try:
            return super().write(data)
        except OSError:
            return len(memoryview(data))
