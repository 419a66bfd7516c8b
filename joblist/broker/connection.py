# SPDX-License-Identifier: LGPL-3.0
"""A connection to a Flux broker, through Flux's own Python bindings: an `instance.Instance`.

The only file that imports flux, and inside functions only. Payloads are taken and given as
the bytes that are on the wire: the bindings' own calls would decode and encode them.

An exception that leaves a callback would end the reactor. So whatever is registered with it,
for messages, timers, signals and futures, is wrapped by `guarded` in the same expression; a
test looks at each of these calls.
"""

from __future__ import annotations

import os
import signal
import syslog
from collections.abc import Callable, Iterator
from errno import ENODATA, ENOENT, ENOMEM, EPROTO
from functools import partial
from importlib import import_module
from typing import Any, cast

from joblist.broker.journal_stream import JournalStream
from joblist.callback_guard import OUT_OF_MEMORY, answering, guarded
from joblist.live.routes import PURGES, ROUTES
from joblist.ports import Log, Message
from joblist.protocol.errors import RpcError
from joblist.protocol.payload import PayloadError, text_of
from joblist.protocol.requests import Credential
from joblist.service import Request

SERVICE = "job-list"
_OUT_OF_MEMORY = OUT_OF_MEMORY.encode()


def connect() -> Link:
    """Open a connection to the broker that the environment names; raises OSError."""
    return Link(import_module("flux").Flux(), SERVICE, register=True)


def module(handle: Any) -> Link:  # noqa: ANN401 - the bindings have no types
    """Take the connection that a broker module was given; its name is the service's."""
    core = import_module("_flux._core")
    ffi = core.ffi
    name = ffi.cast("char *", core.lib.flux_aux_get(handle.handle, b"flux::name"))
    return Link(handle, ffi.string(name).decode())


class Link:
    """A connection with its reactor; ``service`` is the name by which requests reach it.

    ``register``: that name has to be registered first, as it is no broker module's.
    """

    def __init__(
        self,
        handle: Any,  # noqa: ANN401
        service: str,
        *,
        register: bool = False,
    ) -> None:
        core = import_module("_flux._core")
        self._handle = handle
        self._ffi, self._lib = core.ffi, core.lib
        self._constants = import_module("flux.constants")
        self.service = service
        self._register = register
        self._watchers: list[Any] = []
        self._flux = handle.handle
        # Where the library writes results; made once, since each request needs them.
        self._number = self._ffi.new("uint32_t *")
        self._data, self._size = self._ffi.new("void **"), self._ffi.new("size_t *")
        self._failed = False

    # -- the instance

    def attribute(self, name: str) -> str | None:
        """Return a broker attribute, None if it is not set."""
        try:
            return cast("str", self._handle.attr_get(name)) or None
        except OSError as error:
            if error.errno == ENOENT:
                return None
            raise

    def tables(self) -> dict[str, Any]:
        """Return the instance's configuration, as it is now."""
        return cast("dict[str, Any]", self._handle.rpc("config.get").get())

    def ask(self, topic: str, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield the responses to a streaming request; raises OSError for an error."""
        rpc = self._handle.rpc(
            topic, request, self._constants.FLUX_NODEID_ANY, self._constants.FLUX_RPC_STREAMING
        )
        while True:
            try:
                yield rpc.get()
            except OSError as error:
                if error.errno == ENODATA:
                    return
                raise
            rpc.reset()

    def log(self, level: int, text: str) -> None:
        """Log a line in the broker's log."""
        self._handle.log(level, text.encode(errors="replace"))

    def loaded(self) -> None:
        """Tell the broker that the module is loaded; requests wait until there are answers."""
        # Without this function (older bindings), loading lasts until the reactor runs.
        announce = getattr(self._lib, "flux_module_set_running", None)
        if announce is not None and not self._register:
            announce(self._handle.handle)

    def keep_alive(self) -> None:
        """Send a message that nobody answers, unless this is no broker module."""
        if not self._register:
            self._handle.rpc(
                "broker.ping",
                {"seq": 0},
                self._constants.FLUX_NODEID_ANY,
                self._constants.FLUX_RPC_NORESPONSE,
            )

    # -- requests

    def listen(self, handle: Callable[[Message], None]) -> None:
        """Have ``handle`` called with each request; raises OSError.

        If this is no broker module, the service's name is registered first.
        """
        if self._register:
            self._handle.service_register(self.service).get()
        for method, route in ROUTES.items():
            self._watch(
                self._constants.FLUX_MSGTYPE_REQUEST,
                f"{self.service}.{method}",
                partial(self._requested, handle, f"{SERVICE}.{method}"),
                route.roles,
            )

    def purges(self, arrived: Callable[[bytes], None]) -> None:
        """Have ``arrived`` called with the payload of each purge event."""
        self._handle.event_subscribe(PURGES)
        self._watch(
            self._constants.FLUX_MSGTYPE_EVENT,
            PURGES,
            lambda raw: arrived(self._payload(raw) or b""),
        )

    def _watch(
        self, kind: int, topic: str, arrived: Callable[[Any], None], rolemask: int = 0
    ) -> None:
        """Have ``arrived`` called with each message, as long as the process lives.

        The bindings' own watchers wrap each message, and each access to it, which takes
        longer than the answer to a short request.
        """
        ffi, lib = self._ffi, self._lib

        def called(_handle: Any, _handler: Any, raw: Any, _argument: Any) -> None:  # noqa: ANN401
            arrived(ffi.gc(lib.flux_msg_incref(raw), lib.flux_msg_decref))

        callback = ffi.callback("flux_msg_handler_f", guarded(self, f"message {topic}", called))
        glob = ffi.new("char[]", topic.encode())
        match = ffi.new("struct flux_match *")
        match.typemask, match.topic_glob = kind, glob
        match.matchtag = self._constants.FLUX_MATCHTAG_NONE
        handler = lib.flux_msg_handler_create(self._flux, match[0], callback, ffi.NULL)
        if handler == ffi.NULL:
            raise OSError(ffi.errno, f"{topic}: cannot be listened to")
        lib.flux_msg_handler_allow_rolemask(handler, rolemask)
        lib.flux_msg_handler_start(handler)
        self._watchers.append((handler, callback, glob))

    def _requested(self, handle: Callable[[Message], None], topic: str, raw: Any) -> None:  # noqa: ANN401
        try:
            message = self._message(topic, raw)
            with answering(self, message):
                try:
                    text = self._payload(raw)
                except PayloadError as error:
                    raise RpcError(EPROTO, f"invalid payload: {error}") from error
                handle(message._replace(request=message.request._replace(text=text)))
        except MemoryError:  # it could not even be taken, or its error not be made
            self._lib.flux_respond_error(self._flux, raw, ENOMEM, _OUT_OF_MEMORY)
            raise

    def _message(self, topic: str, raw: Any) -> Message:  # noqa: ANN401
        """Return a request message, without its payload yet."""
        lib, number = self._lib, self._number
        route = lib.flux_msg_route_first(raw)
        sender = "" if route == self._ffi.NULL else self._ffi.string(route).decode()
        lib.flux_msg_get_userid(raw, number)
        userid = number[0]
        lib.flux_msg_get_rolemask(raw, number)
        asker = Credential(userid, number[0])
        streaming = bool(lib.flux_msg_is_streaming(raw))
        return Message(Request(topic, None, asker, streaming), sender, raw)

    def _payload(self, raw: Any) -> bytes | None:  # noqa: ANN401
        """Return the payload's text, None if there is no payload; raises PayloadError."""
        if not self._lib.flux_msg_has_payload(raw):
            return None
        self._lib.flux_msg_get_payload(raw, self._data, self._size)
        return text_of(self._ffi.buffer(self._data[0], self._size[0])[:])

    def respond(self, message: Message, payload: bytes | None) -> None:
        """Send a response; what fails is logged."""
        text = self._ffi.NULL if payload is None else payload
        raw = cast("Any", message.raw)
        self._check(self._lib.flux_respond(self._flux, raw, text), message)

    def respond_error(self, message: Message, errno: int, text: str | None) -> None:
        """Send an error response; what fails is logged."""
        data = self._ffi.NULL if text is None else text.encode(errors="surrogateescape")
        raw = cast("Any", message.raw)
        self._check(self._lib.flux_respond_error(self._flux, raw, errno, data), message)

    def _check(self, result: int, message: Message) -> None:
        if result < 0:
            reason = os.strerror(self._ffi.errno)
            self.log(syslog.LOG_ERR, f"cannot respond to {message.request.topic}: {reason}")

    # -- asking others

    def journal(
        self, arrived: Callable[[bytes], None], ended: Callable[[int, str], None]
    ) -> JournalStream:
        """Ask the job manager for all events."""
        return self._stream("job-manager.events-journal", {"full": True}, arrived, ended)

    def resource_journal(
        self, arrived: Callable[[bytes], None], ended: Callable[[int, str], None]
    ) -> JournalStream:
        """Ask the resource module for all events."""
        return self._stream("resource.journal", None, arrived, ended)

    def _stream(
        self,
        topic: str,
        payload: dict[str, bool] | None,
        arrived: Callable[[bytes], None],
        ended: Callable[[int, str], None],
    ) -> JournalStream:
        rpc = self._handle.rpc(topic, payload, 0, self._constants.FLUX_RPC_STREAMING)

        def cancel() -> None:
            matchtag = {"matchtag": rpc.pimpl.get_matchtag()}
            flags = self._constants.FLUX_RPC_NORESPONSE
            self._handle.rpc(f"{topic}-cancel", matchtag, 0, flags)

        return JournalStream(
            self._ffi, self._lib, self._constants, self._flux, self, rpc, arrived, ended, cancel
        )

    def resource_status(self, arrived: Callable[[bytes], None]) -> None:
        """Ask the resource module for the status."""

        def said(future: Any) -> None:  # noqa: ANN401
            text = self._ffi.new("char *[1]")
            if self._lib.flux_rpc_get(future.pimpl.handle, text) == 0:
                arrived(bytes(self._ffi.string(text[0])))

        rpc = self._handle.rpc("resource.status", nodeid=0)
        rpc.then(guarded(self, "the resource module's status", said))

    def job_exists(self, jobid: int, answered: Callable[[int], None]) -> None:
        """Ask the KVS whether there is a job's folder."""
        digits = f"{jobid % 2**64:016x}"
        path = ".".join(["job", *(digits[i : i + 4] for i in range(0, 16, 4))])
        lookup = import_module("flux.future").Future(
            self._lib.flux_kvs_lookup(
                self._handle.handle,
                self._ffi.NULL,
                self._constants.FLUX_KVS_READDIR,
                path.encode(),
            )
        )

        def fulfilled(future: Any) -> None:  # noqa: ANN401
            result = self._lib.flux_future_get(future.pimpl.handle, self._ffi.NULL)
            answered(self._ffi.errno if result < 0 else 0)

        lookup.then(guarded(self, f"looking up job {jobid}", fulfilled))

    # -- the reactor

    def timer(self, callback: Callable[[], None]) -> _Timer:
        """Make a timer."""
        return _Timer(self._handle, self, callback)

    def readable(self, descriptor: int, callback: Callable[[], None]) -> _Readable:
        """Have ``callback`` called whenever a descriptor can be read."""
        return _Readable(self._handle, self, descriptor, callback)

    def on_signal(self, number: int, callback: Callable[[], None]) -> None:
        """Have ``callback`` called when the process gets a signal."""
        watcher = self._handle.signal_watcher_create(
            number, guarded(self, f"signal {number}", lambda *_: callback())
        )
        watcher.start()
        watcher.unref()
        self._watchers.append(watcher)

    def pressed(self) -> bool:
        """Whether more messages have come than were taken."""
        events = self._lib.flux_pollevents(self._flux)
        return events > 0 and bool(events & self._constants.FLUX_POLLIN)

    def run(self) -> None:
        """Run the reactor until told to stop; raises OSError if the reason was a failure."""
        self.on_signal(signal.SIGTERM, self.stop)
        try:
            self._handle.reactor_run()
        except KeyboardInterrupt:
            self.log(syslog.LOG_INFO, "interrupted")
        if self._failed:
            raise OSError(0, "stopped after a failure; see the log")

    def stop(self, *, failed: bool = False) -> None:
        """Leave the reactor."""
        self._failed = self._failed or failed
        self._handle.reactor_stop()


class _Timer:
    """A timer that fires once each time it is started."""

    def __init__(self, handle: Any, log: Log, callback: Callable[[], None]) -> None:  # noqa: ANN401
        self._watcher = handle.timer_watcher_create(
            0.0, guarded(log, f"timer {callback.__qualname__}", lambda *_: callback())
        )

    def start(self, after: float) -> None:
        """Fire in ``after`` seconds, and not when it was to fire before."""
        self._watcher.stop()
        self._watcher.reset(after, 0.0)

    def stop(self) -> None:
        """Do not fire."""
        self._watcher.stop()


class _Readable:
    """Watches a descriptor until it is stopped."""

    def __init__(
        self,
        handle: Any,  # noqa: ANN401
        log: Log,
        descriptor: int,
        callback: Callable[[], None],
    ) -> None:
        events = import_module("flux.constants").FLUX_POLLIN
        self._watcher = handle.fd_watcher_create(
            descriptor,
            events=events,
            callback=guarded(log, "what a reader said", lambda *_: callback()),
        )
        try:
            self._watcher.start()
        except BaseException:
            self._watcher.destroy()  # else the bindings keep it, and call it
            raise

    def stop(self) -> None:
        """Watch no longer."""
        self._watcher.stop()
        self._watcher.destroy()
