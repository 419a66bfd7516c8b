# SPDX-License-Identifier: LGPL-3.0
"""SQL: where its text stands, and two short ways to run a query.

SQL of more than a line stands in ``.sql`` files beside the code that runs it:

* Scripts (schemas, triggers, migrations) are files of their own, read by `script`.
* The queries of a module ``name.py`` stand in ``name.sql``, each below a line
  ``-- name: what_it_is``, and are read once, when the module is imported::

      SQL = statements(__file__)
      rows = fetch(db, SQL["events_of_job"], (key,))

  Comment lines below that line say what the query returns; they are not part of its text.

A test compares the names in such a file with those that the module uses.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import apsw

_NAME = "-- name: "


def fetch(db: apsw.Connection, sql: str, bindings: Sequence[Any] = ()) -> list[Any]:
    """Return all rows of a query, each a tuple of what its columns hold."""
    return db.execute(sql, bindings).fetchall()


def value(db: apsw.Connection, sql: str, bindings: Sequence[Any] = ()) -> Any:  # noqa: ANN401
    """Return the one value of a query, None if there is no row."""
    return db.execute(sql, bindings).get


def script(module: str, name: str) -> str:
    """Return the text of the .sql file ``name`` beside a module, which is given by its file."""
    with open(os.path.join(os.path.dirname(module), name), encoding="utf-8") as file:
        return file.read()


def statements(module: str) -> dict[str, str]:
    """Return the queries of a module, by name: those in the .sql file that has its name.

    ``module`` is the module's ``__file__``, compiled or not.
    """
    stem = os.path.basename(module).partition(".")[0]
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in script(module, f"{stem}.sql").splitlines():
        if line.startswith(_NAME):
            lines = found[line.removeprefix(_NAME).strip()] = []
        elif not line.startswith("--"):
            lines.append(line)
    return {name: "\n".join(text).strip().removesuffix(";") for name, text in found.items()}
