# SPDX-License-Identifier: LGPL-3.0
"""Starts a reader, and is its end of the socket in the module. Nothing here blocks."""

from __future__ import annotations

import os
import socket
import subprocess
import time

from eventstore.own_process import command
from joblist.readers.messages import MOST_BACK, Frames, Kind, frame
from joblist.run_queue import queued

_dying: list[subprocess.Popen[bytes]] = []  # those to be waited for when they have ended


class ReaderProcess:
    """A reader that was started; raises OSError if it cannot be, or MemoryError.

    ``path`` is the database's; ``memory``: MiB that it may take beyond its start.
    """

    def __init__(self, path: str, memory: int) -> None:
        _dying[:] = [one for one in _dying if one.poll() is None]
        ours, its = socket.socketpair()
        try:
            ours.setblocking(False)
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                command("joblist.readers.worker", path, str(os.getpid()), str(memory)),
                stdin=its.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        except RuntimeError as error:  # Popen's lock: there is no memory for it
            ours.close()
            raise MemoryError from error
        except BaseException:
            ours.close()
            raise
        finally:
            its.close()
        self._socket = ours
        self._frames = Frames()
        self.pid = self._process.pid

    def fileno(self) -> int:
        """Return the descriptor that becomes readable when the reader says something."""
        return self._socket.fileno()

    def send(self, kind: Kind, body: bytes | memoryview = b"") -> None:
        """Send a frame; raises OSError where that is not possible at once."""
        data = frame(kind, body)
        if self._socket.send(data) != len(data):
            raise BlockingIOError("a reader does not read")

    def receive(self) -> list[tuple[Kind, bytes]]:
        """Return the frames that came; raises EOFError if the reader is gone."""
        try:
            data = self._socket.recv(MOST_BACK)
        except BlockingIOError:
            return []
        except ConnectionError as error:
            raise EOFError from error
        if not data:
            raise EOFError
        return list(self._frames.take(data))

    def spent(self) -> float:
        """Return a clock of the reader, in seconds: it stands while that has no processor."""
        return time.monotonic() - queued(self.pid)

    def kill(self) -> None:
        """Have it end now; `receive` tells when it is gone."""
        self._process.kill()

    def end(self, patience: float) -> str:
        """Take leave of one that is gone, or was killed; returns how it ended.

        It may take some seconds yet, if the machine has much to do: then that is not known.
        """
        self._socket.close()
        try:
            status = self._process.wait(patience)
        except subprocess.TimeoutExpired:
            _dying.append(self._process)
            return "killed"
        return f"signal {-status}" if status < 0 else f"status {status}"
