# SPDX-License-Identifier: LGPL-3.0
"""Answers to ``list`` that take little: made in the module's thread, in one slice."""

from __future__ import annotations

from eventstore.storage.connection import Store
from joblist.list_answer import list_answer
from joblist.live.thread_time import OverSlice, ThreadTime, slice_of
from joblist.service import Request, Service

SLICE = 0.01
"""Seconds of processor time that a request may take in the thread."""
WALL = 0.05
"""Seconds that it may take there on a slow disk."""
SLICE_BYTES = 2**20
"""Bytes of an answer that is made in the thread."""


class Quick:
    """Tries requests in the thread; ``time`` says who has had enough of it."""

    def __init__(self, store: Store, service: Service, time: ThreadTime) -> None:
        self._store = store
        self._service = service
        self._time = time

    def short(self, request: Request) -> bool:
        """Whether a request is short enough to be read in the thread."""
        most = self._service.config.budgets.max_thread_request * 2**10
        return len(request.text or b"") <= most

    def list_jobs(self, request: Request) -> list[bytes] | None:
        """Return the payloads of an answer; None if it takes more than the thread has for it.

        Raises RpcError, or StoreError.
        """
        if not self.short(request):
            return None
        userid = request.credential.userid
        if not self._time.may_have_more(userid):
            return None
        try:
            with self._time.trying(userid):
                return self._try(request)
        except OverSlice:
            return None

    def _try(self, request: Request) -> list[bytes]:
        found: list[bytes] = []
        size = 0
        with self._store.snapshot() as db, slice_of(db, SLICE, WALL) as look:
            for payload in list_answer(self._service, db, request):
                look()
                if payload:
                    found.append(payload)
                    size += len(payload)
                    if size > SLICE_BYTES:
                        raise OverSlice
        return found
