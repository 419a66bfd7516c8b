# SPDX-License-Identifier: LGPL-3.0
"""The responses to a request for all events, of the job manager or of the resource module.

They are taken from the library's dispatcher, by its own functions. A future would have each
response copied, and passed on a turn of the reactor later; and what the bindings wrap around a
response takes as long as storing its event.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from joblist.callback_guard import guarded
from joblist.ports import Log

_open: set[JournalStream] = set()
"""Those to which responses may still come: the library has their callbacks."""


class JournalStream:
    """Calls ``arrived`` with the payload of each response, and once ``ended``.

    ``ffi`` and ``lib`` are the bindings' library, ``constants`` are those of Flux, and ``flux``
    is the library's handle; ``rpc`` is the request's future, which nobody waits for. ``ended``
    gets an errno, and the text of the error if there is one. ``cancel`` asks for no more
    responses. Raises OSError.
    """

    def __init__(
        self,
        ffi: Any,  # noqa: ANN401 - the bindings have no types
        lib: Any,  # noqa: ANN401
        constants: Any,  # noqa: ANN401
        flux: Any,  # noqa: ANN401
        log: Log,
        rpc: Any,  # noqa: ANN401
        arrived: Callable[[bytes], None],
        ended: Callable[[int, str], None],
        cancel: Callable[[], None],
    ) -> None:
        self._ffi, self._lib = ffi, lib
        self._rpc = rpc  # which has the request's matchtag as long as it lives
        self._arrived, self._ended, self._cancel = arrived, ended, cancel
        self._stopped = False
        self._text = ffi.new("char *[1]")
        self._callback = ffi.callback(
            "flux_msg_handler_f", guarded(log, "a response of the journal", self._response)
        )
        match = ffi.new("struct flux_match *")
        match.typemask = constants.FLUX_MSGTYPE_RESPONSE
        match.matchtag = rpc.pimpl.get_matchtag()
        self._handler = lib.flux_msg_handler_create(flux, match[0], self._callback, ffi.NULL)
        if self._handler == ffi.NULL:
            raise OSError(ffi.errno, "the journal cannot be listened to")
        lib.flux_msg_handler_allow_rolemask(self._handler, constants.FLUX_ROLE_ALL)
        lib.flux_msg_handler_start(self._handler)
        _open.add(self)

    def _response(self, _flux: object, _handler: object, raw: Any, _argument: object) -> None:  # noqa: ANN401
        if self._lib.flux_response_decode(raw, self._ffi.NULL, self._text) < 0:
            self._end(raw)
        elif not self._stopped:
            self._arrived(self._ffi.string(self._text[0]))

    def _end(self, raw: Any) -> None:  # noqa: ANN401
        ffi, lib, text = self._ffi, self._lib, self._text
        errno, reason = ffi.errno, ""
        if lib.flux_response_decode_error(raw, text) == 0:
            reason = ffi.string(text[0]).decode(errors="replace")
        lib.flux_msg_handler_destroy(self._handler)
        # The future frees the matchtag only if the last response has reached it.
        lib.flux_future_fulfill_error(self._rpc.pimpl.handle, errno, ffi.NULL)
        _open.discard(self)
        if not self._stopped:
            self._ended(errno, reason)

    def stop(self) -> None:
        """Ask for no more responses; those that still come are not passed on."""
        self._stopped = True
        self._cancel()
