# SPDX-License-Identifier: LGPL-3.0
"""Recorded journals: a file whose first lines hold nothing that a journal has is refused."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress

import apsw

from cli.input.decompression import ERRORS
from cli.input.line_files import LineFile
from cli.input.stop_signals import StopSignals
from eventstore.errors import InputError
from eventstore.events.journal_line import Reject, Response, decode_line
from eventstore.events.resource_line import decode_resource
from eventstore.reading.instances import boots, contradiction, stored_boots
from projections.notation.timespec import format_moment

__all__ = ["AnotherClusterError", "JournalFile", "NoJournalError"]

_FIRST_LINES = 20
_FIRST_BYTES = 2**20
_SUBMIT = b'"submit"'
_BEGINNING = re.compile(rb'\s*\{\s*"(id|events|jobspec|R|jobs)"\s*:')


class NoJournalError(InputError):
    """The first lines of a file are no journal's."""


class AnotherClusterError(InputError):
    """The jobs of a file are of another cluster than those that are stored."""


class JournalFile(LineFile):
    """A recorded journal; a file that is none is refused, unless ``force`` is given.

    It is none if it has lines, but neither a response of a journal nor a purge among the first
    20 (of at most 1 MiB): all of it would become rejects. Reading it raises NoJournalError.
    """

    def __init__(
        self, path: str, *, force: bool = False, stop: StopSignals | None = None
    ) -> None:
        super().__init__(path, stop=stop)
        self._force = force

    def check(self) -> None:
        """Look at the first lines, where that is possible without waiting for them.

        Raises InputError, and closes the file then. What cannot be read is told by `batches`,
        which looks at the first lines of pipes, too.
        """
        if not self.is_regular:
            return
        try:
            with suppress(*ERRORS):
                next(self._lines(), None)
        except InputError:
            self.close()
            raise
        self.rewind()

    def check_cluster(self, db: apsw.Connection) -> None:
        """Compare the ids of a regular file's jobs with those that are stored.

        Raises AnotherClusterError. What cannot be read is told by `batches`.
        """
        stored = stored_boots(db) if self.is_regular and not self._force else []
        if not stored:
            return
        found = None
        with suppress(*ERRORS, InputError):
            found = contradiction(stored, boots(self._submissions()))
        self.rewind()
        if found is not None:
            self.close()
            raise AnotherClusterError(
                f"{self.name}: its jobs are of another cluster than those stored: at "
                f"{format_moment(found[1].first)}, two instances gave ids; name another "
                "database, or store it all the same by --force"
            )

    def _submissions(self) -> Iterator[tuple[int, float]]:
        for lines in self._lines():
            for line in lines or ():
                if _SUBMIT in line and isinstance(found := decode_line(line), Response):
                    for entry in found.entries:
                        if entry.name == "submit":
                            yield found.jobid, entry.timestamp

    def _lines(self) -> Iterator[list[bytes] | None]:
        lines = super()._lines()
        return lines if self._force else self._judged(lines)

    def _judged(self, parts: Iterator[list[bytes] | None]) -> Iterator[list[bytes] | None]:
        """Hold lines back until one of the first is a journal's."""
        held: list[bytes] = []
        for lines in parts:
            held += lines or ()
            if any(map(_is_of_a_journal, held[:_FIRST_LINES])):
                yield held
                yield from parts
                return
            if len(held) >= _FIRST_LINES or self._is_endless(held):
                break
        if held or self._is_endless(held):
            raise NoJournalError(
                f"{self.name}: no journal: its first lines hold no response of the journal and "
                "no purge; --force keeps them as rejects"
            )

    def _is_endless(self, held: list[bytes]) -> bool:
        """Whether there is more than is looked at, which is no beginning of a long response."""
        much = sum(map(len, held)) + len(self.begun) > _FIRST_BYTES
        return much and not _BEGINNING.match(self.begun)


def _is_of_a_journal(line: bytes) -> bool:
    return not isinstance(decode_line(line), Reject) or decode_resource(line) is not None
