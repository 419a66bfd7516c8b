# SPDX-License-Identifier: LGPL-3.0
"""Recomputing the digest chain in a process of its own, while another verifies the views."""

from __future__ import annotations

import multiprocessing
from multiprocessing.connection import Connection
from types import TracebackType

import apsw

from eventstore.errors import JobdbError, StoreError
from eventstore.maintenance.verify import Progress, Verified, verify_chain
from eventstore.storage.connection import open_readonly


class ChainProcess:
    """Runs `verify_chain` for the database at ``path``; used as a context."""

    def __init__(self, path: str, logged: bytes | None = None) -> None:
        # Spawned, not forked: an SQLite connection must not be used in a forked process.
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=(theirs, path, logged), daemon=True)
        self._process.start()
        theirs.close()
        self._found: Verified | None = None

    def __enter__(self) -> ChainProcess:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.terminate()
        self._process.join()
        self._pipe.close()

    def heed(self) -> None:
        """Read what it has sent, without waiting, so that its pipe never fills up.

        To be called from time to time. Raises StoreError where it failed.
        """
        while self._found is None and self._pipe.poll():
            self._take(lambda done, total: None)

    def result(self, progress: Progress = lambda done, total: None) -> Verified:
        """Wait for the result. Raises StoreError where it could not be found."""
        while self._found is None:
            self._take(progress)
        return self._found

    def _take(self, progress: Progress) -> None:
        try:
            said = self._pipe.recv()
        except EOFError as error:
            raise StoreError("a process that verifies has ended; run it again") from error
        if isinstance(said, str):
            raise StoreError(said)
        if isinstance(said, Verified):
            self._found = said
        else:
            progress(*said)


def _work(pipe: Connection, path: str, logged: bytes | None) -> None:
    """Send (done, total) for each batch, at the end the result, or the text of an error."""
    try:
        with open_readonly(path) as store:
            found = verify_chain(
                store, lambda done, total: pipe.send((done, total)), logged=logged
            )
        pipe.send(found)
    except BrokenPipeError:
        return
    except (JobdbError, apsw.Error) as error:
        pipe.send(str(error))
