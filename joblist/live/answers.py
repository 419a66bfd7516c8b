# SPDX-License-Identifier: LGPL-3.0
"""Sends answers that consist of one response."""

from __future__ import annotations

from joblist.callback_guard import answering
from joblist.ports import Bus, Message
from joblist.protocol.budgets import Budgets
from joblist.protocol.requests import ListIdRequest
from joblist.protocol.responses import Facts
from joblist.service import NO_FACTS, NotYet, Service
from projections.job.state import Job


class Answers:
    """Sends answers by ``bus``; exceptions of ``service`` become error responses."""

    def __init__(self, bus: Bus, service: Service) -> None:
        self._bus = bus
        self._service = service

    @property
    def budgets(self) -> Budgets:
        """The bounds in force."""
        return self._service.config.budgets

    def send(self, message: Message, facts: Facts = NO_FACTS) -> bool:
        """Answer a request; returns whether that was no error, which would end a stream."""
        with answering(self._bus, message):
            (payload,) = self._service.answer(message.request, facts)
            self._bus.respond(message, payload)
            return True
        return False

    def done(self, message: Message) -> None:
        """Answer a request that asked for no data: it was carried out."""
        self._bus.respond(message, None)

    def send_job(self, message: Message, wanted: ListIdRequest, job: Job) -> None:
        """Answer a ``list-id`` with a job in the state that it had in between."""
        with answering(self._bus, message):
            asker = message.request.credential
            self._bus.respond(message, self._service.of_job(job, wanted, asker))

    def try_job(self, message: Message) -> NotYet | None:
        """Answer a ``list-id``; returns why not, if there is nothing to be sent yet."""
        with answering(self._bus, message):
            try:
                (payload,) = self._service.answer(message.request)
            except NotYet as missing:
                return missing
            self._bus.respond(message, payload)
        return None

    def refuse(self, message: Message, errno: int, text: str | None = None) -> None:
        """Answer a request with an error."""
        self._bus.respond_error(message, errno, text)
