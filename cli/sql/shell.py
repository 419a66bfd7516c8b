# SPDX-License-Identifier: LGPL-3.0
"""The SQL shell: APSW's own, on a database that is read only, with Flux's functions."""

from __future__ import annotations

from typing import Any

import apsw
import apsw.shell

from cli.output.shown import shown
from projections.sql.when import quoted

__all__ = ["Shell"]


class Shell(apsw.shell.Shell):
    """Shows no control characters, which come from users; `when(…)` is a function."""

    def __init__(self, db: apsw.Connection, **streams: Any) -> None:  # noqa: ANN401
        super().__init__(db=db, **streams)
        # Its own control characters would be escaped, too.
        self.command_colour(["off"])  # type: ignore[no-untyped-call]

    def write(self, dest: Any, text: Any) -> None:  # noqa: ANN401 - as it is declared there
        """Write text with harmful characters escaped, but for the ends of lines."""
        lines = "\n".join(map(shown, str(text).split("\n")))
        super().write(dest, lines)  # type: ignore[no-untyped-call]

    def process_sql(self, sql: str, *more: Any, **named: Any) -> Any:  # noqa: ANN401
        """Run SQL as it was typed."""
        return super().process_sql(quoted(sql), *more, **named)
