# SPDX-License-Identifier: LGPL-3.0
"""Flux's Python bindings as far as broker/connection.py uses them, without Flux.

Every callback that is registered is kept in ``callbacks``, by what it is for. Calling one is
what Flux's reactor does; an exception that it lets out would leave the reactor there.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

NULL = None


class _Ffi:
    """The part of cffi's interface that is used: a pointer is the object that it points to."""

    NULL = NULL
    errno = 0

    def new(self, kind: str, value: object = None) -> Any:
        if kind == "struct flux_match *":
            return _Match()
        return value if value is not None else [None]

    def callback(self, _kind: str, function: Callable[..., None]) -> Callable[..., None]:
        return function

    def gc(self, pointer: object, _free: object) -> object:
        return pointer

    def string(self, text: bytes) -> bytes:
        return text

    def buffer(self, data: bytes, _size: int) -> bytes:
        return data


class _Match(SimpleNamespace):
    """A structure, and the pointer to it."""

    def __getitem__(self, _index: int) -> _Match:
        return self


class FakeFlux:
    """The bindings, and a handle; ``responses`` has what was sent as (raw, payload).

    ``requests`` has the arguments of each request.
    """

    def __init__(self) -> None:
        self.callbacks: dict[str, Callable[..., None]] = {}
        self.responses: list[tuple[Any, Any]] = []
        self.requests: list[tuple[Any, ...]] = []
        self.logged: list[str] = []
        self.rolemasks: dict[str, int | str] = {}
        self.journal_error = self.handler_error = 0
        self.journal_reason: bytes | None = b"the reason"
        self.fulfilled: list[int] = []  # errnos of futures
        self.stopped = False
        self.log_fails = False
        self.ffi = _Ffi()
        self.handle = "flux_t"
        self.lib = self

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Have these bindings imported in place of Flux's own."""
        constants = {
            name: name
            for name in (
                "FLUX_MSGTYPE_REQUEST", "FLUX_MSGTYPE_EVENT", "FLUX_MATCHTAG_NONE",
                "FLUX_KVS_READDIR", "FLUX_RPC_STREAMING", "FLUX_RPC_NORESPONSE",
                "FLUX_POLLIN", "FLUX_NODEID_ANY", "FLUX_MSGTYPE_RESPONSE", "FLUX_ROLE_ALL",
            )
        }  # fmt: skip
        modules: dict[str, Any] = {
            "flux": SimpleNamespace(Flux=lambda: self),
            "flux.constants": SimpleNamespace(**constants),
            "flux.future": SimpleNamespace(Future=lambda pointer: FakeFuture(self, pointer)),
            "_flux": ModuleType("_flux"),
            "_flux._core": SimpleNamespace(ffi=self.ffi, lib=self),
        }
        for name, module in modules.items():
            monkeypatch.setitem(sys.modules, name, module)

    # -- the library

    def flux_msg_handler_create(
        self, _flux: object, match: Any, callback: Callable[..., None], _argument: object
    ) -> str | None:
        self.ffi.errno = self.handler_error
        if self.handler_error:
            return NULL
        if match.typemask == "FLUX_MSGTYPE_RESPONSE":
            name = handler = f"responses {match.matchtag}"
        else:
            handler = match.topic_glob.decode()
            name = f"message {handler}"
        self.callbacks[name] = callback
        return handler

    def flux_msg_handler_destroy(self, handler: str) -> None:
        del self.callbacks[handler]

    def flux_msg_handler_allow_rolemask(self, handler: str, rolemask: int | str) -> None:
        self.rolemasks[handler] = rolemask

    def flux_msg_handler_start(self, _handler: str) -> None:
        pass

    def flux_msg_incref(self, raw: FakeMessage) -> FakeMessage:
        return raw

    flux_msg_decref = None

    def flux_msg_route_first(self, _raw: FakeMessage) -> bytes:
        return b"client"

    def flux_msg_get_userid(self, raw: FakeMessage, to: list[int]) -> None:
        to[0] = raw.userid

    def flux_msg_get_rolemask(self, raw: FakeMessage, to: list[int]) -> None:
        to[0] = raw.rolemask

    def flux_msg_is_streaming(self, raw: FakeMessage) -> bool:
        return raw.streaming

    def flux_msg_has_payload(self, raw: FakeMessage) -> bool:
        return raw.payload is not None

    def flux_msg_get_payload(self, raw: FakeMessage, data: list[Any], size: list[int]) -> None:
        data[0], size[0] = raw.payload, 0

    def flux_respond(self, _flux: object, raw: FakeMessage, payload: bytes | None) -> int:
        self.responses.append((raw, payload))
        return 0

    def flux_respond_error(
        self, _flux: object, raw: FakeMessage, errno: int, text: bytes | None
    ) -> int:
        self.responses.append((raw, (errno, text)))
        return 0

    def flux_kvs_lookup(self, *_: object) -> str:
        return "KVS lookup"

    def flux_future_get(self, _pointer: object, _to: object) -> int:
        return 0

    def flux_future_fulfill_error(
        self, _future: FakeFuture, errno: int, _text: bytes | None
    ) -> None:
        self.fulfilled.append(errno)

    def flux_response_decode(self, raw: FakeMessage, _topic: object, to: list[Any]) -> int:
        to[0] = raw.payload
        self.ffi.errno = self.journal_error
        return -1 if self.journal_error else 0

    def flux_response_decode_error(self, _raw: FakeMessage, to: list[Any]) -> int:
        to[0] = self.journal_reason
        return -1 if self.journal_reason is None else 0

    # -- the handle

    def log(self, _level: int, text: bytes) -> None:
        if self.log_fails:
            raise OSError("no log")
        self.logged.append(text.decode())

    def event_subscribe(self, _topic: str) -> None:
        pass

    def rpc(self, topic: str, *more: object) -> FakeFuture:
        self.requests.append((topic, *more))
        return FakeFuture(self, topic)

    def service_register(self, name: str) -> FakeFuture:
        return FakeFuture(self, name)

    def timer_watcher_create(self, _after: float, callback: Callable[..., None]) -> FakeWatcher:
        self.callbacks["timer"] = callback
        return FakeWatcher()

    def fd_watcher_create(
        self, _descriptor: int, *, events: object, callback: Callable[..., None]
    ) -> FakeWatcher:
        assert events == "FLUX_POLLIN"
        self.callbacks["descriptor"] = callback
        return FakeWatcher()

    def signal_watcher_create(self, number: int, callback: Callable[..., None]) -> FakeWatcher:
        self.callbacks[f"signal {number}"] = callback
        return FakeWatcher()

    def reactor_run(self) -> None:
        pass

    def reactor_stop(self) -> None:
        self.stopped = True


class FakeMessage:
    """A message as the library has it."""

    def __init__(
        self, payload: bytes | None, *, userid: int = 0, rolemask: int = 1,
        streaming: bool = False,
    ) -> None:  # fmt: skip
        self.payload, self.userid, self.rolemask = payload, userid, rolemask
        self.streaming = streaming


class FakeWatcher:
    def start(self) -> None: ...
    def stop(self) -> None: ...
    def unref(self) -> None: ...
    def destroy(self) -> None: ...
    def reset(self, _after: float, _repeat: float) -> None: ...


class FakeFuture:
    def __init__(self, flux: FakeFlux, name: str) -> None:
        self.flux, self.name = flux, name
        self.pimpl = SimpleNamespace(handle=self, get_matchtag=lambda: 1)

    def then(self, callback: Callable[..., None]) -> None:
        self.flux.callbacks[self.name] = callback

    def get(self) -> dict[str, Any]:
        return {}
