# SPDX-License-Identifier: LGPL-3.0
"""Catches the exceptions of reactor callbacks: the only place that does.

An exception that leaves a callback would leave the reactor, too, and the broker ends the
instance when one of its modules ends by an error. So each callback is wrapped by `guarded`
where it is registered: the exception is logged and the module goes on. While a request is
being answered, `answering` is inside of that: the requester gets an error response.

A store that fails while the journal is followed (a full disk, an I/O error) does not come here:
journal/follower.py keeps the lines and tries again.
"""

from __future__ import annotations

import sys
import syslog
import traceback
from collections.abc import Callable
from errno import EIO, ENOMEM
from functools import wraps
from typing import ParamSpec

from eventstore.errors import StoreError
from joblist.ports import Bus, Log, Message
from joblist.protocol.errors import RpcError

OUT_OF_MEMORY = "out of memory; ask for less, or later"
_P = ParamSpec("_P")


def guarded(log: Log, where: str, callback: Callable[_P, object]) -> Callable[_P, None]:
    """Return a callback that does the same, and never raises an Exception.

    ``where`` says in the log what was being done. KeyboardInterrupt and SystemExit pass.
    """

    @wraps(callback)
    def called(*args: _P.args, **kwargs: _P.kwargs) -> None:
        try:
            callback(*args, **kwargs)
        except Exception:  # noqa: BLE001 - whatever it is, the module goes on
            unforeseen(log, where)

    return called


class answering:  # noqa: N801 - a context manager; a generator's takes several times as long
    """Turn what is raised while a request is answered into its error response."""

    __slots__ = ("_bus", "_message")

    def __init__(self, bus: Bus, message: Message) -> None:
        self._bus = bus
        self._message = message

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, __: object) -> bool:
        if error is None or not isinstance(error, Exception):
            return False
        if isinstance(error, RpcError):
            self._bus.respond_error(self._message, error.errno, error.text)
        elif isinstance(error, StoreError):
            self._bus.respond_error(self._message, EIO, str(error))
        elif isinstance(error, MemoryError):
            self._bus.respond_error(self._message, ENOMEM, OUT_OF_MEMORY)
        else:  # it concerns one request only
            unforeseen(self._bus, f"answering {self._message.request.topic}")
            self._bus.respond_error(self._message, EIO, "internal error: see the log")
        return True


def unforeseen(log: Log, where: str) -> None:
    """Log the exception that is being handled: a fault of this program, if memory is left."""
    if isinstance(sys.exc_info()[1], MemoryError):
        text = f"{where} failed: out of memory"
    else:
        text = f"{where} failed; please report:\n{traceback.format_exc()}"
    try:
        for line in text.splitlines():
            log.log(syslog.LOG_ERR, line)
    except Exception:  # noqa: BLE001 - the broker takes no lines: standard error does
        sys.stderr.write(f"{text}\nnor can it be logged: {traceback.format_exc()}")
