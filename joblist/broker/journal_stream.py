# SPDX-License-Identifier: LGPL-3.0
"""The responses to a request for all events, of the job manager or of the resource module.

They are taken by the library's own functions: what the bindings wrap around each response takes
as long as storing its event.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from joblist.callback_guard import guarded
from joblist.ports import Log

_FOR_EVER = -1.0  # no time limit (flux_future_then(3))
_open: set[JournalStream] = set()
"""Those to which responses may still come: the library has their callbacks."""


class JournalStream:
    """Calls ``arrived`` with the payload of each response, and once ``ended``.

    ``ffi`` and ``lib`` are the bindings' library; ``rpc`` is the request's future. ``ended``
    gets an errno, and the text of the error if there is one. ``cancel`` asks for no more
    responses. Raises OSError.
    """

    def __init__(
        self,
        ffi: Any,  # noqa: ANN401 - the bindings have no types
        lib: Any,  # noqa: ANN401
        log: Log,
        rpc: Any,  # noqa: ANN401
        arrived: Callable[[bytes], None],
        ended: Callable[[int, str], None],
        cancel: Callable[[], None],
    ) -> None:
        self._ffi, self._lib = ffi, lib
        self._rpc = rpc  # which destroys the future when it is gone
        self._arrived, self._ended, self._cancel = arrived, ended, cancel
        self._stopped = False
        self._text = ffi.new("char *[1]")
        self._callback = ffi.callback(
            "flux_continuation_f", guarded(log, "a response of the journal", self._response)
        )
        future = rpc.pimpl.handle
        if lib.flux_future_then(future, _FOR_EVER, self._callback, ffi.NULL) < 0:
            raise OSError(ffi.errno, "the journal cannot be listened to")
        _open.add(self)

    def _response(self, future: Any, _argument: object) -> None:  # noqa: ANN401
        lib, text = self._lib, self._text
        if lib.flux_rpc_get(future, text) < 0:
            _open.discard(self)
            errno, reason = self._ffi.errno, lib.flux_future_error_string(future)
            if not self._stopped:
                known = "" if reason == self._ffi.NULL else self._ffi.string(reason).decode()
                self._ended(errno, known)
            return
        data: bytes = self._ffi.string(text[0])
        lib.flux_future_reset(future)
        if not self._stopped:
            self._arrived(data)

    def stop(self) -> None:
        """Ask for no more responses; those that still come are not passed on."""
        self._stopped = True
        self._cancel()
