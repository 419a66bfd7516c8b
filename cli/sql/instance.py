# SPDX-License-Identifier: LGPL-3.0
"""A question to the job-list of a Flux instance: the client of ``job-list.sql``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from projections.sql.statement import Rows, SqlError

__all__ = ["Asked", "Remote"]


class Asked(Protocol):
    """A connection to an instance."""

    def ask(self, topic: str, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield the responses to a streaming request; raises OSError for an error."""


class Remote:
    """An answer. ``found`` is read once; then, ``truncated`` says whether there were more rows.

    Raises SqlError, here or while rows are read.
    """

    def __init__(self, instance: Asked, query: str) -> None:
        self.truncated = False
        self._responses = self._received(instance, query)
        first = next(self._responses)
        self.found = Rows(tuple(first["columns"]), self._rows(first))

    def _received(self, instance: Asked, query: str) -> Iterator[dict[str, Any]]:
        try:
            yield from instance.ask("job-list.sql", {"query": query})
        except OSError as error:
            raise SqlError(f"job-list: {error.strerror}") from error

    def _rows(self, response: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
        while True:
            yield from map(tuple, response["rows"])
            self.truncated = self.truncated or response.get("truncated", False)
            try:
                response = next(self._responses)
            except StopIteration:
                return
