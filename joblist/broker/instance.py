# SPDX-License-Identifier: LGPL-3.0
"""What entry.py needs of a connection to an instance; connection.py implements it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from joblist.ports import Bus, Message


class Instance(Bus, Protocol):
    """A bus that is connected to an instance."""

    def attribute(self, name: str) -> str | None:
        """Return a broker attribute, None if it is not set."""

    def tables(self) -> dict[str, Any]:
        """Return the instance's configuration, as it is now."""

    def loaded(self) -> None:
        """Tell the broker that the module is loaded, before it answers."""

    def keep_alive(self) -> None:
        """Send a message that nobody answers: see keepalive.py."""

    def listen(self, handle: Callable[[Message], None]) -> None:
        """Have ``handle`` called with each request; raises OSError."""

    def purges(self, arrived: Callable[[bytes], None]) -> None:
        """Have ``arrived`` called with the payload of each purge event."""

    def on_signal(self, number: int, callback: Callable[[], None]) -> None:
        """Have ``callback`` called when the process gets a signal."""

    def run(self) -> None:
        """Run the reactor until it is told to stop; raises OSError."""
