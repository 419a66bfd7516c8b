# SPDX-License-Identifier: LGPL-3.0
"""The stages of a running module: who takes requests, and the lines of the journal.

    the database is current              Live answers, and stores the journal
    views have to be made anew           a process makes them; Preparing refuses requests, and
                                         UnstoredLines keeps the journal's lines
    a file beside the database has gone  it is opened again, with what was not stored

None of them keeps the reactor waiting, so that the module can be removed at any moment.
"""

from __future__ import annotations

import syslog
from collections.abc import Sequence
from errno import EAGAIN

from eventstore.errors import JobdbError
from eventstore.ingest.writer import name_cluster
from eventstore.storage.connection import HURRIED, Store, create_or_open
from joblist.broker.heap import Heap
from joblist.broker.instance import Instance
from joblist.broker.keepalive import KeepAlive
from joblist.broker.settings import Settings, database
from joblist.journal.unstored_lines import UnstoredLines
from joblist.live.dispatcher import Live
from joblist.live.preparing import Preparing
from joblist.ports import Message
from projections.engine.rebuild import refresh
from projections.engine.rebuild_process import RebuildProcess, is_outdated
from projections.engine.views import Views

LOOK = 0.05
"""Seconds between looks at the process that makes views."""
AGAIN = 1.0
"""Seconds between attempts to open the database again."""
PAUSE = 30.0
"""Seconds between attempts to rebuild, where one has failed: of a full disk, say."""


class Serving:
    """Serves an instance, from ``start`` to ``close``."""

    def __init__(self, instance: Instance, settings: Settings) -> None:
        self._instance = instance
        self._settings = settings
        self._path = database(settings.now(), instance.attribute)
        self._store: Store | None = None
        self._live: Live | None = None
        self._rebuild: RebuildProcess | None = None
        self._is_rebuilt = False  # once is enough
        self._failure: str | None = None  # as the log has it
        self._unstored = UnstoredLines(instance)
        self._preparing = Preparing(instance, self._why, settings.read)
        self._looking = instance.timer(self._look)
        self._reopening = instance.timer(self._reopen)
        self._heap = Heap(instance.timer, self._held)
        self._keepalive = KeepAlive(instance.timer, instance.keep_alive)

    def start(self) -> None:
        """Begin to serve; raises StoreError if the database cannot be used.

        Nor can one of another cluster than the configuration names. Raises ConfigError, too.
        """
        self._keepalive.start()
        self._open()

    def handle(self, message: Message) -> None:
        """Take a request."""
        self._heap.message(len(message.request.text or b""))
        (self._live or self._preparing).handle(message)

    def _held(self) -> bool:
        """Whether requests are kept that are not answered yet."""
        live = self._live
        return live is not None and bool(live.requests.turns.open + live.requests.long.open)

    def take(self, line: bytes) -> None:
        """Take the payload of a purge event."""
        if self._live is not None:
            self._live.follower.take(line)
        else:
            self._unstored.take(line)

    def reread(self) -> None:
        """Read the configuration again; if it is wrong, the settings stay as they are."""
        try:
            config = self._settings.now()
            if self._live is not None:
                self._live.reconfigure(config)
        except (JobdbError, OSError) as error:
            self._instance.log(syslog.LOG_ERR, f"the settings stay as they were: {error}")

    def close(self) -> None:
        """Store what has come, and let go of the database."""
        self._looking.stop()
        self._reopening.stop()
        self._heap.close()
        self._keepalive.stop()
        live, self._live = self._live, None
        if live is not None:
            live.close()
        if self._rebuild is not None:
            self._rebuild.end()
        self._close_store()

    # -- the database is current

    def _open(self, held: Sequence[bytes] = ()) -> None:
        """Open the database and serve, or have its views rebuilt first."""
        if not self._is_rebuilt and is_outdated(self._path):
            self._begin_rebuild(held)
            return
        config = self._settings.now()
        self._store = create_or_open(
            self._path,
            synchronous=config.synchronous,
            patience=HURRIED,
            network=config.network_filesystem,
        )
        views = Views(self._store)
        if views.stale and not self._is_rebuilt:  # the states of unfinished jobs are damaged
            self._close_store()
            self._begin_rebuild(held)
            return
        names = refresh(views)  # of what has come meanwhile
        if names:
            self._tell_rebuilt(names)
        if config.cluster is not None:
            name_cluster(self._store, config.cluster, views)
        self._live = Live(
            self._instance,
            views,
            config,
            name=source_name(self._instance),
            boot=self._instance.attribute("broker.uuid") or "",
            size=int(self._instance.attribute("size") or 1),
            reread=self._settings.read,
            held=held,
            reopen=lambda: self._reopening.start(0.0),
        )
        self._live.start()

    def _tell_rebuilt(self, names: Sequence[str]) -> None:
        text = f"{self._path}: rebuilt: {', '.join(names)}"
        self._instance.log(syslog.LOG_NOTICE, text)

    def _close_store(self) -> None:
        store, self._store = self._store, None
        if store is not None:
            store.close()

    # -- views are made anew

    def _why(self) -> str:
        if self._rebuild is not None:
            return f"{self._path}: views are being rebuilt ({self._rebuild.done:.0%})"
        return self._failure or f"{self._path}: the database is being opened again"

    def _begin_rebuild(self, held: Sequence[bytes] = ()) -> None:
        """Start the process; the instance's start does not wait for it."""
        self._instance.loaded()
        self._unstored = UnstoredLines(self._instance, held)
        self._unstored.start()
        self._rebuild_again()

    def _rebuild_again(self) -> None:
        network = self._settings.now().network_filesystem
        self._rebuild = RebuildProcess(self._path, self._tell, network=network)
        self._looking.start(LOOK)

    def _tell(self, text: str) -> None:
        self._instance.log(syslog.LOG_ERR, text)

    def _look(self) -> None:
        """See whether the views are there, and go on with them."""
        try:
            if self._rebuild is None:
                self._rebuild_again()
            elif self._rebuild.is_over():
                rebuilt, self._rebuild, self._is_rebuilt = self._rebuild.rebuilt, None, True
                self._tell_rebuilt(rebuilt)
                self._reopen()
            else:
                self._looking.start(LOOK)
        except (JobdbError, OSError) as error:
            self._rebuild = None
            self._failed(f"views are not rebuilt, to be tried again: {error}")
            self._looking.start(PAUSE)

    def _failed(self, text: str) -> None:
        if text != self._failure:
            self._failure = text
            self._tell(text)

    # -- a file beside the database has gone

    def _reopen(self) -> None:
        """Open the database again, with all that was not stored."""
        live, self._live = self._live, None
        if live is not None:
            self._instance.log(syslog.LOG_NOTICE, f"{self._path}: it is opened again")
            self._unstored = UnstoredLines(self._instance, live.hand_over(EAGAIN))
            self._unstored.start()
        try:
            self._close_store()
            self._open(self._unstored.end())
        except (JobdbError, OSError) as error:
            self._failed(f"not opened, to be tried again: {error}")
            self._close_store()
            self._reopening.start(AGAIN)
        else:
            self._failure = None


def source_name(instance: Instance) -> str:
    """Return the name under which the instance's journal is stored."""
    return instance.attribute("local-uri") or "broker"
