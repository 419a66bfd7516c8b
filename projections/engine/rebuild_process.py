# SPDX-License-Identifier: LGPL-3.0
"""A rebuild in a process of its own, for one who has other things to do meanwhile.

The process may be ended at any moment: another one goes on where it was. It ends by itself
when the one that started it does. What it says are lines:

    at DONE TOTAL    so many events are folded
    said TEXT        a projection was left behind (Views.tell)
    failed TEXT      the error that ended it
    rebuilt NAMES    the end
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import apsw

from eventstore.errors import JobdbError, StoreError
from eventstore.own_process import command
from eventstore.reading import event_log
from eventstore.storage.connection import MEMORY, create_or_open
from eventstore.storage.schema import SCHEMA_VERSION
from projections.definitions.registry import find
from projections.engine.rebuild import refresh
from projections.engine.views import Views, stale

_READ = 2**16  # bytes at a time


def is_outdated(path: str) -> bool:
    """Whether a database has to be migrated, or its views made anew, which may take long.

    False where it cannot be read: whoever opens it says why.
    """
    if path == MEMORY or not Path(path).is_file() or not Path(path).stat().st_size:
        return False
    db = None
    try:
        db = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READONLY)
        if db.pragma("user_version") < SCHEMA_VERSION:
            return True
        return event_log.head(db) > 0 and bool(stale(db, find()[0]))
    except apsw.Error:
        return False
    finally:
        if db is not None:
            db.close()


class RebuildProcess:
    """Brings the database at ``path`` up to date. Raises OSError if it cannot be started.

    ``said`` is called with what there is to tell about projections. ``done`` is the part of
    the events that are folded, from 0 to 1.
    """

    def __init__(
        self, path: str, said: Callable[[str], None], *, network: bool = False
    ) -> None:
        self.path = path
        self.done = 0.0
        self.rebuilt: list[str] = []
        self._said = said
        self._error: str | None = "the process that rebuilds views has ended"
        self._rest = b""
        self._process = subprocess.Popen(  # noqa: S603 - our own program
            command("projections.engine.rebuild_process", path, str(int(network))),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        os.set_blocking(self._process.stdout.fileno(), False)

    def is_over(self) -> bool:
        """Whether it has ended; does not wait. Raises StoreError if it failed."""
        assert self._process.stdout is not None
        while True:
            try:
                data = os.read(self._process.stdout.fileno(), _READ)
            except BlockingIOError:
                return False
            if not data:
                break
            *lines, self._rest = (self._rest + data).split(b"\n")
            for line in lines:
                self._take(line.decode("utf-8", "replace"))
        self.end()
        if self._error is not None:
            raise StoreError(self._error)
        return True

    def _take(self, line: str) -> None:
        kind, _, text = line.partition(" ")
        if kind == "at":
            done, total = map(int, text.split())
            self.done = done / total
        elif kind == "said":
            self._said(text)
        elif kind == "failed":
            self._error = text
        elif kind == "rebuilt":
            self.rebuilt, self._error = text.split(), None

    def end(self) -> None:
        """End it, wherever it is."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()


def main(path: str, network: str) -> None:
    """Rebuild the views of a database, as the process that was started for it."""
    threading.Thread(target=_end_with_the_other, daemon=True).start()
    try:
        with create_or_open(path, network=network == "1") as store:
            views = Views(store)
            views.tell(lambda text: _say(f"said {text}"))
            names = refresh(views, lambda done, total: _say(f"at {done} {total}"))
    except JobdbError as error:
        _say(f"failed {error}")
    else:
        _say(f"rebuilt {' '.join(names)}")


def _say(text: str) -> None:
    sys.stdout.write(text.replace("\n", " ") + "\n")
    sys.stdout.flush()


def _end_with_the_other() -> None:
    """End at once when the one that started this process is gone."""
    # Not by sys.stdin, whose lock would be held when the interpreter ends.
    os.read(0, 1)
    os._exit(1)
