# SPDX-License-Identifier: LGPL-3.0
"""What the service needs of Flux: messages, timers, the journal (``link.py`` has them)."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from joblist.service import Request


class Message(NamedTuple):
    """A request message. ``sender`` names the connection that it came by; ``raw`` is Flux's."""

    request: Request
    sender: str
    raw: object

    def dropped_by(self, other: Message) -> bool:
        """Whether a disconnect message is about this one (flux-core, disconnect.c)."""
        mine, theirs = self.request.credential, other.request.credential
        return self.sender == other.sender and (theirs.owner or mine.userid == theirs.userid)


class Timer(Protocol):
    """Calls a function once, some time after it was started."""

    def start(self, after: float) -> None:
        """Start again, to fire in ``after`` seconds."""

    def stop(self) -> None:
        """Do not fire."""


class Journal(Protocol):
    """A request for the job manager's events that is being answered."""

    def stop(self) -> None:
        """Ask for no more."""


class Bus(Protocol):
    """A connection to a broker, with its reactor."""

    def respond(self, message: Message, payload: bytes | None) -> None:
        """Send a response; without a payload, it just says that all is well."""

    def respond_error(self, message: Message, errno: int, text: str | None) -> None:
        """Send an error response; it ends a stream."""

    def log(self, level: int, text: str) -> None:
        """Log a line, ``level`` being one of syslog's."""

    def timer(self, callback: Callable[[], None]) -> Timer:
        """Make a timer."""

    def journal(
        self, arrived: Callable[[bytes], None], ended: Callable[[int, str], None]
    ) -> Journal:
        """Ask for all events: each response's payload, in the end an errno with its text."""

    def job_exists(self, jobid: int, answered: Callable[[int], None]) -> None:
        """Ask the KVS whether there is such a job: ``answered`` gets 0, or an errno."""

    def stop(self, *, failed: bool = False) -> None:
        """Leave the reactor."""
