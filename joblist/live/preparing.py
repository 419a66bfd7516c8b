# SPDX-License-Identifier: LGPL-3.0
"""What is answered while there are no views to answer from: the reason, at once."""

from __future__ import annotations

from collections.abc import Callable
from errno import EAGAIN, EINVAL, ENOSYS, EPERM

from joblist.callback_guard import answering
from joblist.config import Config, ConfigError
from joblist.live.handlers import Handlers
from joblist.live.routes import ROUTES, UNKNOWN
from joblist.ports import Bus, Message
from joblist.protocol import responses
from joblist.protocol.errors import NOT_ALLOWED, RpcError


class Preparing:
    """Takes requests before the service does. ``why`` returns why that is not there yet."""

    def __init__(
        self, bus: Bus, why: Callable[[], str], reread: Callable[[bytes | None], Config]
    ) -> None:
        self._bus = bus
        self._why = why
        self._reread = reread

    def handle(self, message: Message) -> None:
        """Answer what needs no views; refuse the rest."""
        topic = message.request.topic
        route = ROUTES.get(topic.partition(".")[2], UNKNOWN)
        with answering(self._bus, message):
            if route is UNKNOWN:
                raise RpcError(ENOSYS, f"Unknown service method '{topic}'")
            if not message.request.credential.rolemask & route.roles:
                raise RpcError(EPERM, NOT_ALLOWED)
            if route.handle is Handlers.disconnect:
                return
            if route.handle is Handlers.answer:  # list-attrs
                self._bus.respond(message, responses.attributes())
            elif route.handle is Handlers.config_reload:
                self._check(message)
            else:
                raise RpcError(EAGAIN, f"{self._why()}; try again later")

    def _check(self, message: Message) -> None:
        """Settings are read when the service begins; they must be right already."""
        try:
            self._reread(message.request.text)
        except ConfigError as error:
            raise RpcError(EINVAL, str(error)) from error
        self._bus.respond(message, None)
