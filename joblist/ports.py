# SPDX-License-Identifier: LGPL-3.0
"""What the service needs of Flux, as protocols: messages, timers, the journal.

``broker/connection.py`` implements them for a broker, ``tests/support/fake_bus.py`` for tests.
An implementation of Bus lets no exception of a callback out of it (callback_guard.py).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from joblist.service import Request


class Message(NamedTuple):
    """A request message; ``sender`` names the connection that it came by.

    ``raw`` is the Bus's own form of it, for its responses.
    """

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
        """Fire in ``after`` seconds, and not when it was to fire before."""

    def stop(self) -> None:
        """Do not fire."""


class Watcher(Protocol):
    """Calls a function whenever something can be read."""

    def stop(self) -> None:
        """Do so no longer; the descriptor may be closed after this."""


class Journal(Protocol):
    """A request for the job manager's events, to which responses come."""

    def stop(self) -> None:
        """Ask for no more responses; those that still come are not passed on."""


class Log(Protocol):
    """Takes lines for the broker's log."""

    def log(self, level: int, text: str) -> None:
        """Log a line, ``level`` being one of syslog's."""


class Bus(Log, Protocol):
    """A connection to a broker, with its reactor."""

    def respond(self, message: Message, payload: bytes | None) -> None:
        """Send a response; None: one without a payload. What fails is logged."""

    def respond_error(self, message: Message, errno: int, text: str | None) -> None:
        """Send an error response, which ends a stream. What fails is logged."""

    def timer(self, callback: Callable[[], None]) -> Timer:
        """Make a timer."""

    def readable(self, descriptor: int, callback: Callable[[], None]) -> Watcher:
        """Have ``callback`` called whenever a descriptor can be read, or is at its end."""

    def journal(
        self, arrived: Callable[[bytes], None], ended: Callable[[int, str], None]
    ) -> Journal:
        """Ask for all events; raises OSError.

        ``arrived`` gets each response's payload, ``ended`` an errno and its text.
        """

    def resource_journal(
        self, arrived: Callable[[bytes], None], ended: Callable[[int, str], None]
    ) -> Journal:
        """Ask the resource module for all events, as `journal` does; raises OSError."""

    def resource_status(self, arrived: Callable[[bytes], None]) -> None:
        """Ask the resource module for the status; ``arrived`` gets it if there is an answer."""

    def job_exists(self, jobid: int, answered: Callable[[int], None]) -> None:
        """Ask the KVS whether there is such a job: ``answered`` gets 0, or an errno."""

    def pressed(self) -> bool:
        """Whether more messages have come than were taken."""

    def stop(self, *, failed: bool = False) -> None:
        """Leave the reactor; ``failed``: its run then ends with OSError."""
