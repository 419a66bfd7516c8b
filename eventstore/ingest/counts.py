# SPDX-License-Identifier: LGPL-3.0
"""What a source brought, in numbers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Counts:
    """Responses read, events new and stored already, rejects.

    ``of_resources``: how many of the responses were the resource module's.
    """

    responses: int = 0
    new: int = 0
    known: int = 0
    rejected: int = 0
    of_resources: int = 0

    def add(self, other: Counts) -> None:
        """Add another's numbers to these."""
        self.responses += other.responses
        self.new += other.new
        self.known += other.known
        self.rejected += other.rejected
        self.of_resources += other.of_resources
